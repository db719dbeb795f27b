// Package frames turns events into blocks of Server-Sent Events, once each, and keeps the newest in memory.
//
// A Frame is one event and its block. The Tail holds the newest frames; Joined is one write, put together out of
// frames and shared by all connections that lack the same. A Preset gives blocks the form of a common tutorial.
//
// A frame's bytes are written once, by Of, and never changed. Tail and Joined have no lock: they belong to one
// goroutine, the hub's; a Joined that was lent to a catch-up worker belongs to that worker until its answer.
package frames
