// Package outbox is the one road from the relational store to the event log: announcements are written with
// the domain rows (Add, Redact, Erase), and the Relay copies them, in commit order, into the log.
package outbox
