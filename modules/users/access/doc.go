// Package access keeps the secrets that grant access, and says whose they are: sessions, personal and service
// tokens, stream tickets and invites.
//
// A secret is 256 random bits and is shown once; the store keeps its SHA-256. Whatever ends access writes, in the
// transaction that ends it, an internal entry social.EventAccessRevoked into the person's to: stream, so that every
// node closes the streams it holds. A checked secret is believed for half a second: that is how late a node learns,
// for ordinary requests, of a revocation by another one (I23 allows a second).
//
// The room knows accounts only as rows: it reads role, state and deletion from the table users and writes none of it.
package access
