// Package dispatch hands new events to channels, and calls channels with care: a panic, a hang or a row of failures
// stays with the channel it is of.
//
// Follow reads the tail of the log; each listener has a goroutine of its own with its own place in it (Listen). A
// Channel that fails by itself rests (breaker); its Health tells.
package dispatch
