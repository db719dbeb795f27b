// Package bolt is the event log in one bbolt file, for a site on one machine.
//
// The file holds four buckets. "meta" holds the state (layout, epoch, marks, floor, sum). "erased" holds the people who
// were erased. "journal" holds each record once, by position: 8 bytes, big endian. "streams" holds one ordered bucket
// per stream with the positions of its records, packed into blocks. So tail, trim and rebuild walk the journal, a
// redaction is one small write, and a person's read is a merge of ordered streams.
//
// # Behind the journal
//
// An append writes the journal and the state, about six pages, whoever it is for: the place of a record in its stream
// is kept in memory at first. When enough have gathered (Config.Round) a round moves them into the buckets, sorted, in
// parts between appends, and moves the state's indexed mark when it is through. Close moves what is left; Open finds
// the rest in the journal above the mark. A reader takes the places in memory first and the buckets second, the older
// before the newer, so a round in between hides nothing and shows nothing twice.
//
// # One sync
//
// A commit is synced once, behind its meta page, instead of before and behind it. What keeps that safe is that Open
// checks the whole file: each record carries a CRC32C over position and content, and the state carries a sum over all
// records and the number of its transaction. A commit of which a power cut left only parts fails that, is undone, and
// the commit before, none of whose pages it has touched, is whole. Nobody was answered or shown anything from it.
//
// Open checks before bbolt is allowed to touch the file also because bbolt walks pages on goroutines whose panics
// nobody can catch. A file neither of whose last two commits is whole is set aside, and an empty log without an epoch
// is opened, which outbox.Reconcile fills again.
//
// # Readers
//
// Readers see nothing that is not durable: a read goes up to the head that was published after the sync, never up to
// what the file shows. They hold a read transaction for one page (256 events, or 4,096 entries judged), since a long
// one makes the file grow and, when the map has to grow, stops everybody.
package bolt
