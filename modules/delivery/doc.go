// Package delivery brings what happened to people: it is the only module that knows channels.
//
// It reads the event log and hands it on. Each Listener (a stream, the log file) has a goroutine of its own with
// its own place in the tail. Senders (webhooks) are served by a pipeline whose whole state is rows: an event
// becomes deliveries for the endpoints that want it, a delivery is tried by a schedule until it is taken, given
// up or withdrawn. Whatever one channel does - panic, hang, fail - stays with that channel.
//
// It also answers what channels ask: what a person reads (Audiences), the log for a person (History), who may
// hold a connection and when it has to end (Connections); and it serves GET /v1/events to those who poll.
//
// Nothing here writes to the log, and nothing the writers of posts or likes do waits for anything here.
package delivery
