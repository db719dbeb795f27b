// Package pipeline delivers through senders (webhooks). Its whole state is rows, so that a crash at any point repeats
// an attempt at worst: at least once, under one id.
//
// The road of one delivery, a file for each stage:
//
//	intake.go   events of the log become rows: deliveries for what names a person, a fan-out for a post
//	fanout.go   a post becomes deliveries for the endpoints of bell followers, page by page
//	claim.go    endpoints with something due are held, one attempt at a time each
//	attempt.go  the event is read from the log anew, and sent unless its cause is gone
//	judge.go    the channel's answer becomes a verdict: taken, again, dead, switched off
//	record.go   attempt, verdict and the endpoint's release are written in one transaction
//
// endpoints.go and deliveries.go are what the owner of an endpoint sees and does; jobs.go drops what is over.
package pipeline
