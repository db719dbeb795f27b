package sqlite

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
)

// mapped wraps an error of SQLite with the sentinel that callers branch on. It is the only place that knows its codes
// (https://www.sqlite.org/rescode.html). Other errors are returned as they are.
func mapped(err error) error {
	var code sqlite3.ExtendedErrorCode
	if err == nil || !errors.As(err, &code) {
		return err
	}
	if s := sentinel(code); s != nil && !errors.Is(err, s) {
		return fmt.Errorf("%w: %w (%d)", s, err, int(code))
	}
	return err
}

func sentinel(code sqlite3.ExtendedErrorCode) error {
	switch code {
	case sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_PRIMARYKEY, sqlite3.CONSTRAINT_ROWID:
		return storage.ErrUnique
	case sqlite3.IOERR_SHMSIZE:
		return storage.ErrFull // the shared index is given its room on the disk
	}
	switch code.Code() {
	case sqlite3.FULL:
		return storage.ErrFull
	case sqlite3.READONLY:
		return storage.ErrReadOnly
	case sqlite3.IOERR, sqlite3.CORRUPT, sqlite3.NOTADB:
		return storage.ErrFailed
	case sqlite3.BUSY, sqlite3.LOCKED:
		return storage.ErrBusy
	}
	return nil
}
