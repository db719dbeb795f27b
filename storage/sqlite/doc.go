// Package sqlite is the relational store in one file, by SQLite (github.com/ncruces/go-sqlite3, pure Go).
//
// One connection writes, a pool of connections reads. Transactions that arrive while another commit is under
// way share the next one, with fates of their own. The write-ahead log keeps readers and the writer out
// of each other's way.
//
// Open neither takes the lock on the data directory nor makes tables: call LockDir before it and
// storage.MigrateAll after it. A file may be open in one process only.
package sqlite
