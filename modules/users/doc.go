// Package users holds the accounts: who exists, who is asking, and what they may do. Passwords, sessions, personal
// and service tokens, stream tickets and profiles are here and nowhere else.
//
// Secrets are 256 random bits and are shown once; the store keeps their SHA-256. Passwords are kept as argon2id.
// Whatever ends access (logout, a session or token removed, a password change, suspension, deletion) writes, in
// the transaction that ends it, an internal entry social.EventAccessRevoked into the person's to: stream, so that
// every node closes the streams it holds.
//
// Deleting an account empties its row and keeps the id; the name goes, as a hash, to the names that are never
// given out again.
package users
