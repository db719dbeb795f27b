// Package bolt is the event log in one bbolt file, for a site on one machine.
//
// The file holds six buckets. "meta" holds the state (layout, marks, floor, counts), "epochs" the table of epochs,
// "erased" the people who were erased. "journal" holds each record once, by position: 8 bytes, big endian; "inbox"
// holds the newest records until they fill a page. "streams" holds one ordered bucket per stream with its postings
// (the positions of its records), packed into blocks. So tail, trim and rebuild walk the records, a redaction is one
// small write, and a person's read is a merge of ordered streams.
//
// # Memtable and flush
//
// An append writes inbox or journal, and the state, whoever the events are for; their postings are kept in memory at
// first. When the memtable is full (Config.Memtable) it is frozen and flushed into the buckets, sorted, in batches
// between appends, and the state's flushed mark moves with the last batch. Close flushes what is left; Open finds the
// rest in the records above the mark. A reader takes the postings in memory first and the buckets second, so a flush
// in between hides nothing and shows nothing twice.
//
// # Damage
//
// Each record carries a CRC32C over position and content. Open walks all buckets by cursor, under recover and
// debug.SetPanicOnFault, before bbolt writes anything, then makes one commit, and holds bbolt's free pages against
// those in use. A file that is damaged anywhere is set aside, and an empty log without epochs is opened, which
// outbox.Reconcile fills again. Decision 0038 tells what this cannot see.
//
// # Readers
//
// Readers see nothing that is not durable: a read goes up to the head that was published after the commit, never up to
// what the file shows. They hold a read transaction for one page (256 events, or 4,096 entries judged), since a long
// one makes the file grow and, when the map has to grow, stops writers and readers.
package bolt
