// Package delivery brings what happened to people: it is the only module that knows channels. The service is the life
// cycle, the wiring and HTTP; the work is done in its rooms.
//
//	dispatch/  each listener (a stream, the log file) hears the tail of the log on a goroutine of its own
//	pipeline/  senders (webhooks): an event becomes deliveries, each tried until it is taken, given up or withdrawn
//	reading/   what a person reads, who may hold a connection and when it ends, GET /v1/events for those who poll
//
// Whatever one channel does - panic, hang, fail - stays with that channel. Nothing here writes to the log, and
// nothing the writers of posts or likes do waits for anything here.
package delivery
