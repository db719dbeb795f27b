// Package users holds the accounts: names, profiles, passwords (as argon2id), roles and states. Sessions, tokens and
// other secrets are in its room access. It asks no other module.
//
// Deleting an account empties its row and keeps the id; the name goes, as a hash, to the names that are never
// given out again.
package users
