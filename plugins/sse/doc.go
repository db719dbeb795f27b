// Package sse is the channel that streams events to whoever is connected: GET /v1/events as Server-Sent Events
// (WHATWG HTML, 9.2), and the alias routes for clients of common tutorials.
//
// # A connection is a position
//
// A connection holds two numbers and no queue: delivered, the position up to which everything was judged for it,
// and undelivered, the first position that waits (0 = none, the connection is idle). Serving one means walking
// the events behind delivered, joining what is for it into one write, and moving the number. What was joined for
// one connection serves the next that lacks the same, so a post is put together once. It does not matter
// where the events come from: the tail, which holds the newest events in memory, each encoded once, or the log,
// read by a catch-up worker. Both are ordered by the same positions, so that going from one to the other loses
// and doubles nothing.
//
// # Who owns what
//
// One goroutine, the hub's (hub.go), owns all state: tail, index, people, connections, timers. It never waits:
// sockets are written without blocking, and everything that may take time is asked of others, who answer
// by putting a task into its inbox. So there is no lock to order. What is shared:
//
//	inbox.mu       tasks for the hub; held for an append or a swap, nothing is called under it
//	socket.mu      epoll_linux.go: keeps a descriptor open while the kernel is called with it; in take, before epoll.mu
//	epoll.mu       the table of descriptors; held for a look-up, nothing is called under it
//	pooled.mu      the one write under way; nothing is called under it
//	teller.mu      parked.go: a peer is told under it, so before inbox.mu; the hub's goroutine never takes it
//	frames         bytes in the tail are written before they are handed to the hub and never changed
//	gate.mu        who is between the server and the hub; held for a count, nothing is called under it
//	addresses.mu   open streams by address; held for a count, nothing is called under it
//	person.hidden  replaced and never changed: catch-up workers read it
//
// Goroutines: Publish's caller encodes; the hub; asking workers (audiences); catch-up workers (the log); the
// holder's loop, which hears of all plain TCP connections on Linux (epoll_linux.go), or else one parked goroutine
// per connection in a read, and one more per socket that is full. Each has its own recover: a panic costs one
// connection.
//
// A connection begins on a goroutine of the server (open.go), which sets its fields, has the holder take it, and
// puts it into the hub's inbox: that hands the fields over. Both holders tell the hub through the inbox as well, so
// a connection's state needs no memory order of its own. The holder may tell of the end before the hub has heard of
// the beginning. The descriptor is the holder's alone: the server's own is closed once it is duplicated, and what
// the server had read of it is dropped.
//
// # Audiences
//
// The index says which connected people read a stream. A person's streams are asked for after the person was
// registered, and kept true by the control entries in the person's own to: stream. Such an entry at position p
// holds the person: their connections are served up to p and not further until the one relation it names has
// been read again, which then decides for everything behind p. So nothing behind a control entry is judged by
// an older relation, nothing is missed by it, and no one else waits.
//
// An answer may be younger than the entry that asked for it. That is safe: a follow carries the position since
// which it holds, an end of it and a block only hide more, and a later entry asks again.
//
// Who leaves stays in the index for a minute, within a bound (away.go), so that coming back asks nobody. The first
// control entry of somebody who is not here ends that: who is kept has had none since the answer.
//
// # Far behind
//
// A connection that lacks a few events is judged by each of them. One that lacks many is told by its person's
// streams: each frame of the tail knows the one before it in its stream. So coming back after a busy hour costs
// the number of follows and of missed events, not of everything that happened. The index is laid out for ten
// thousand people with two hundred follows each: see there.
//
// # Deletion
//
// The tail is a copy of the log, and the log forgets. An event that takes others back makes what stands before
// it in its stream stale: a connection that still lacks something stale is served from the log, which knows.
package sse
