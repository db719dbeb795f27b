// Package sse is the channel that streams events to whoever is connected: GET /v1/events as Server-Sent Events
// (WHATWG HTML, 9.2), and the alias routes for clients of common tutorials.
//
// # A connection is a position
//
// A connection holds two numbers and no queue: delivered, the position up to which everything was judged for it,
// and undelivered, the first position that waits (0 = none, the connection is idle). Serving one means walking
// the events behind delivered, joining what is for it into one write, and moving the number. The events come from
// the tail, which holds the newest in memory, or from the log, read by a catch-up worker. Both are ordered by the
// same positions, so that going from one to the other loses and doubles nothing.
//
// The road of an event: Publish (channel.go) encodes it, dispatched (hub.go) puts it into the tail and marks the
// connections that read it, pass.go gathers and writes; catchup.go reads and writes from the log. An event waits for a
// connection while its person's audience is not read or is held (person.go) or the kernel is full; the audience, the
// types asked for, and what was taken back (frames.Tail.Stale, then the log) decide whether it is shown at all.
//
// # Who owns what
//
// The hub is one goroutine, the loop over three parts:
//
//	audience   who among the connected reads a stream     owned by the hub's goroutine, no lock
//	frames     blocks, the tail, the write put together   owned by the hub's goroutine, no lock
//	wire       sockets and their ends                     owns its data and its locks, see there
//
// The hub also owns people, connections and timers. It never waits: sockets are written without blocking, and
// what may take time is asked of workers, who answer with a task in the inbox. Three locks are shared with others,
// each held for a count or an append, and nothing is called under them:
//
//	inbox.mu       tasks for the hub
//	gate.mu        requests between the server and the hub
//	addresses.mu   open streams by address
//
// Order of locks: one of wire's, then inbox.mu. The hub's goroutine takes wire's locks with none of its own held.
//
// Each goroutine (the hub, the asking and catch-up workers, the holder's) has its own recover: a panic costs one
// connection. A connection begins on a goroutine of the server (open.go) and is handed over by the hub's inbox; its end
// may be reported before its beginning.
//
// # Audiences
//
// A person's streams are asked for after the person was registered, and kept true by the control entries in the
// person's own to: stream. A control entry at position p holds the person: their connections are served up to p and
// no further until the one relation it names has been read again, which then decides for everything behind p. So
// nothing behind a control entry is judged by an older relation, nothing is missed by it, and no one else waits.
//
// An answer may be younger than the entry that asked for it. That is safe: a follow carries the position since
// which it holds, its end and a block only hide more, and a later entry asks again. A person whose last connection
// ended lingers in the index for a minute, within a bound (linger.go), or until a control entry for that person.
//
// # Deletion
//
// The tail is a copy of the log, and the log forgets. An event that takes others back makes what stands before
// it in its stream stale: a connection that still lacks something stale is served from the log.
package sse
