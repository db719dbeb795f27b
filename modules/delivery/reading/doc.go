// Package reading answers what a reader of the log has to know: what a person reads (Audiences), who may hold a
// connection and when it ends (Connections), and the pages of GET /v1/events for those who poll (Polls).
package reading
