//go:build !linux

package client

func newWire(c *Crowd) (wire, error) { return newGoroutineWire(c), nil }
