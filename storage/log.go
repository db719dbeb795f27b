package storage

import (
	"context"
	"iter"

	"github.com/belfry-social/belfry/modules/social"
)

// MaxPayload bounds the data of one entry, in bytes.
const MaxPayload = 64<<10 - 512

// Op is what an entry does to the log. The values are on disk.
type Op byte

// The operations. Everything that changes the content of the log is an entry, in order.
const (
	OpAppend Op = 1 // add an event
	OpRedact Op = 2 // empty the payloads at Targets, keep their places
	// OpErase makes streams, acts and abouts of Person vanish at once, up to this entry; what comes behind it (and
	// tells others of the end) is shown.
	OpErase Op = 3
)

// Entry is one step on its way from the outbox into the log.
type Entry struct {
	Op       Op
	Position social.Position
	OutboxID int64        // equal to Position on SQLite
	Epoch    social.Epoch // the row of the table of epochs that Position belongs to; zero = that of the entry before

	// OpAppend
	Stream   social.Stream
	Type     string
	Time     social.Time
	About    []social.ID
	Internal bool
	Data     []byte // empty: the payload was redacted before it got here; the place is kept

	Targets []social.Position // OpRedact
	Person  social.ID         // OpErase
}

// LogReader is the log for those who read: delivery, its channels, and modules that ask for the head. All methods may
// be called from many goroutines.
type LogReader interface {
	// Read gives what the audience reads after a cursor: at most limit events (1..1000) in rising order.
	// Redacted, erased, hidden and internal entries are passed over within a scan budget, so a page may be
	// empty and have More; Through then tells how far it got. Through never passes the head taken first, and
	// equals it when More is false. A cursor that Kept refuses, or a damaged record directly in the way, gives
	// *social.GapError and no page; nothing else does. (A damaged record behind other events ends the page before
	// it, with More.)
	Read(ctx context.Context, a social.Audience, after social.Cursor, limit int) (social.EventPage, error)
	// Tail gives every event of every stream after a cursor, in order, internal ones flagged, redacted and
	// erased ones left out, in batches of at most 256, and waits at the head for more. A batch is shared with
	// other readers and must not be changed. It ends when ctx ends (with its error), with the log (ErrClosed),
	// or with a *social.GapError.
	Tail(ctx context.Context, after social.Cursor) iter.Seq2[[]social.Event, error]
	// At tells whether a position can still be read: nil event data when redacted, false when absent or trimmed.
	At(ctx context.Context, p social.Position) (social.Event, bool, error)
	// Kept tells what can be read, and makes and judges event ids. Its Head is the applied mark: the newest position
	// that is durable here. It answers from memory.
	Kept() social.Kept
	// Head is Kept's Newest.
	Head() social.Cursor
}

// LogAppender is the log for the one who writes: the relay.
type LogAppender interface {
	// Append applies entries in the order given: all or nothing, durable on return. Positions must rise.
	// An entry at or below the applied mark is skipped, so any suffix may be given again: the key is the
	// position, and the mark moves to the last entry's position in the same transaction, in which the log's table of
	// epochs learns of a new one. Concurrent calls may
	// share one commit. ErrFull leaves the log as it was; ErrFailed ends it.
	Append(ctx context.Context, entries ...Entry) error
	// Head is the applied mark, where appending goes on.
	Head() social.Cursor
}

// LogKeeper is the log for those who keep it within its bounds: the jobs of the outbox and the host.
type LogKeeper interface {
	// Kept is that of LogReader.
	Kept() social.Kept
	// Trim drops what stands at or below before, at most limit records, and raises the floor to the last
	// dropped position (or to before, when nothing is left below it). It returns how many were dropped.
	Trim(ctx context.Context, before social.Position, limit int) (int, error)
	// Sweep empties up to limit records of erased people and returns how many; 0 = nothing left to do. It
	// resumes after a crash.
	Sweep(ctx context.Context, limit int) (int, error)
	// Reset sets the content aside and begins anew, empty, with the table of epochs (not empty) and the floor given:
	// the next Append continues from there. Called before anything reads, when the log cannot be trusted.
	Reset(ctx context.Context, epochs social.Epochs, floor social.Position) error
	// Size is the number of bytes the log takes on disk; room that trims have freed and appends will use does
	// not count.
	Size() int64
	// Check verifies every record; the first fault found is returned.
	Check(ctx context.Context) error
	// Healthy returns nil, or why appends fail now. It answers from memory.
	Healthy() error
	Close() error
}

// Log is the ordered event log: what an implementation is, and the kit tests. Users take the role they play, never the
// whole.
type Log interface {
	LogReader
	LogAppender
	LogKeeper
}
