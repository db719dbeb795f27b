//go:build !linux

package bench

func newWire(c *crowd) (wire, error) { return newGoroutineWire(c), nil }
