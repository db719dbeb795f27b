// Package client is what drives a server and judges what comes back. A Crowd holds the event streams of many people,
// a Caller makes requests, a Writer publishes marked messages, a Load has many callers ask at once, and a Ledger
// compares what each reader got with what was sent. All of it is made to cost little beside the server on the same
// machine: streams are held by one goroutine on epoll where there is one, and requests and answers are handled by hand.
package client
