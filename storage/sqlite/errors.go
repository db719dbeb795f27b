package sqlite

import (
	"errors"
	"fmt"

	codes "modernc.org/sqlite/lib"

	"github.com/belfry-social/belfry/storage"
)

// mapped wraps an engine error with the sentinel that callers branch on. It is the only place that knows the
// engine's codes (https://www.sqlite.org/rescode.html). Other errors are returned as they are.
func mapped(err error) error {
	var e interface { // of ours, or the driver's
		error
		Code() int
	}
	if err == nil || !errors.As(err, &e) {
		return err
	}
	if s := sentinel(e.Code()); s != nil {
		return fmt.Errorf("%w: %w", s, err)
	}
	return err
}

// engineError is the library's answer to a call that failed.
type engineError struct {
	code int // extended
	text string
}

func (e *engineError) Error() string { return fmt.Sprintf("%s (%d)", e.text, e.code) }

func (e *engineError) Code() int { return e.code }

func sentinel(code int) error {
	switch code {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY, codes.SQLITE_CONSTRAINT_ROWID:
		return storage.ErrUnique
	case codes.SQLITE_IOERR_NOMEM:
		return nil // memory, not the disk
	case codes.SQLITE_IOERR_SHMSIZE:
		return storage.ErrFull // the engine fills the shared index by writing, so that a full disk is met here
	}
	switch code & 0xff {
	case codes.SQLITE_FULL:
		return storage.ErrFull
	case codes.SQLITE_READONLY:
		return storage.ErrReadOnly
	case codes.SQLITE_IOERR, codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return storage.ErrFailed
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		return storage.ErrBusy
	}
	return nil
}
