// Package bolt is the event log in one bbolt file, for a site on one machine.
//
// The file holds three buckets. "meta" holds the state (layout, epoch, applied mark, floor, sweep mark) and the
// people who were erased. "journal" holds each record once, by position: 8 bytes, big endian. "streams" holds one
// bucket per stream with the positions of its records and one flag byte for each. So tail, trim and rebuild walk
// the journal, a redaction is one small write, and a person's read is a merge of ordered buckets.
//
// Readers see nothing that is not durable: a read goes up to the head that was published after the sync, never up
// to what the file shows. Every record carries a CRC32C over position and content, and so does the state; where
// bbolt itself does not checksum (page headers, tree keys, free list) Open checks the whole file before bbolt is
// allowed to touch it, because bbolt walks pages on goroutines whose panics nobody can catch. A file that fails is
// set aside and an empty log without an epoch is opened, which outbox.Reconcile fills again.
//
// Reads hold a read transaction for one page (256 events, or 4,096 entries judged), since a long one makes the
// file grow and, when the map has to grow, stops everybody.
package bolt
