//go:build !linux

package app

// settle has nothing to do here.
func settle() {}
