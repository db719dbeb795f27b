package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// Sentinels a caller may branch on.
var (
	ErrClosed   = errors.New("store is closed")
	ErrFull     = errors.New("store is full")                // disk full or size limit: writes 507, reads go on
	ErrReadOnly = errors.New("store is read-only")           // answered like ErrFull
	ErrFailed   = errors.New("store has failed")             // an fsync or write error: the process has to end (I9)
	ErrUnique   = errors.New("unique constraint")            // the one mapper of engine codes gives it
	ErrBusy     = errors.New("store is busy")                // waited too long for the writer: 503
	ErrAhead    = errors.New("store is of a newer version")  // an older binary met a newer schema
	ErrLocked   = errors.New("in use")                       // another process holds it
	ErrTooLarge = errors.New("entry is larger than allowed") // payload over the limit
)

// Querier reads: committed work, in one snapshot, or in a Tx also its own work (see Provisional). Rows must be closed
// before the next call on the same Querier. Statements are prepared once and kept, so the text of a query comes from a
// bounded set, never from input. Placeholders are $1, $2, …; only SQL that SQLite and PostgreSQL both run.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// QueryRow's Scan gives sql.ErrNoRows when nothing is there.
	QueryRow(ctx context.Context, query string, args ...any) Row
}

// Rows are the answer to a query, with the methods and the rules of *sql.Rows, which is one.
type Rows interface {
	// Next goes to the next row, at first to the first. false is the end, or an error that Err tells.
	Next() bool
	// Scan copies the columns of the row at hand into the values pointed at, by the rules of database/sql.
	Scan(dest ...any) error
	// Err is what ended the rows early; ask it after the last Next.
	Err() error
	// Close may be called more than once, and after the last Next it need not be.
	io.Closer
}

// Row is one row to scan.
type Row interface{ Scan(dest ...any) error }

// Tx is an open transaction. It is for one goroutine and ends with the function it was given to.
type Tx interface {
	Querier
	// Exec runs a statement and returns the number of rows it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// NextKey gives an order key: a number greater than all given out before by committed transactions of this
	// store. Lists are ordered by it. It is provisional until commit.
	NextKey(ctx context.Context) (int64, error)
	// OpenEpoch is called before each row of the outbox that a transaction adds, which is a position. With the first
	// of them to commit, the store gives this process a row in the table of epochs, with a random number that is
	// not in it.
	OpenEpoch(ctx context.Context) error
}

// DB is the relational store. All methods may be called from many goroutines.
type DB interface {
	// InTx runs fn in one transaction and returns when its work is durable (nil) or undone (an error); there is
	// no third answer. fn is short, does no network I/O, touches the world only through tx, calls neither InTx
	// nor Read, and MAY RUN MORE THAN ONCE, so it sets its results anew on each run. ctx counts while waiting
	// (its error is returned then, and nothing ran); once fn has begun it is not passed to the engine. A panic
	// in fn is undone and returned as an error to this caller alone. Ids and keys seen inside fn are provisional
	// until InTx returns nil. Concurrent calls may share one commit; their fates stay separate. Only after
	// ErrFailed is the fate open: what was under way may be found on disk by the next process.
	InTx(ctx context.Context, fn func(tx Tx) error) error
	// Read runs fn on the reader pool, in one snapshot. It does not wait for the writer.
	Read(ctx context.Context, fn func(q Querier) error) error
	// Committed returns a channel that receives (without blocking the writer, at most one value waits) after
	// commits. It is a wake-up and carries nothing. One subscriber: the relay.
	Committed() <-chan struct{}
	// Migrate brings the tables of one owner up to date. Called once per owner, before anything else uses the
	// store. ErrAhead (wrapped, naming both versions) if the tables are newer than the files.
	Migrate(ctx context.Context, m Migrations) error
	// Versions tells how far the tables of one owner are.
	Versions(ctx context.Context, m Migrations) (MigrationStatus, error)
	// Check verifies the store's own structure (integrity and foreign keys); nil when sound.
	Check(ctx context.Context) error
	// Healthy returns nil, or why writes fail now (ErrFull, ErrFailed). It answers from memory.
	Healthy() error
	Close() error
}

// Migrations are the SQL files of one owner: sqlite/NNNN_name.up.sql and postgres/NNNN_name.up.sql in FS.
// Each file is one transaction. Released files never change.
type Migrations struct {
	Owner string // "users": kept in the table schema_users
	FS    fs.FS
}

// MigrationStatus is how far one owner's tables are.
type MigrationStatus struct {
	Owner   string
	Version uint // 0 = nothing applied
	Latest  uint // newest file this binary has
	Dirty   bool // a step was cut off; the next Migrate heals it
}
