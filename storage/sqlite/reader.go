package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
)

// Read is storage.DB's. All statements of fn see one snapshot, taken at the first of them. A reader that waits
// longer than Config.BusyTimeout gets ErrBusy. ctx counts while waiting and between statements; a statement that
// runs is not interrupted. A panic in fn is passed on.
func (d *DB) Read(ctx context.Context, fn func(q storage.Querier) error) (err error) {
	c, err := d.reader(ctx)
	if err != nil {
		return err
	}
	s := &snapshot{ended: ctx.Err}
	s.querier = querier{c: c, owner: s}
	defer func() {
		s.over = true
		if e := c.closeRows(); err == nil { // who does not ask Rows.Err would take rows that broke off for complete
			err = e
		}
		if _, err := c.exec("COMMIT"); err != nil { // nothing was written, so either end will do
			_, _ = c.exec("ROLLBACK")
		}
		d.readers <- c
		if IsCorrupt(err) {
			d.corrupt.CompareAndSwap(nil, &err)
		}
	}()
	if _, err := c.exec("BEGIN DEFERRED"); err != nil {
		return err
	}
	return fn(s)
}

func (d *DB) reader(ctx context.Context) (*conn, error) {
	select {
	case <-d.closing:
		return nil, storage.ErrClosed
	default:
	}
	select { // the usual case, without a timer and its three allocations
	case c := <-d.readers:
		return c, nil
	default:
	}
	patience := time.NewTimer(d.cfg.BusyTimeout)
	defer patience.Stop()
	select {
	case c := <-d.readers:
		return c, nil
	case <-d.closing:
		return nil, storage.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-patience.C:
		return nil, fmt.Errorf("sqlite: waited %v for a reader: %w", d.cfg.BusyTimeout, storage.ErrBusy)
	}
}

// snapshot is the querier of Read.
type snapshot struct {
	querier
	ended func() error // the error of the reader's context
}

func (s *snapshot) usable() error {
	if s.over {
		return errOver
	}
	return s.ended()
}

func (s *snapshot) check(err error) error { return err }

// Steps runs a query and gives the number of steps the engine's machine took. It grows with the rows looked at, and is
// the same on every machine: tests of what a query costs ask for it.
func (d *DB) Steps(ctx context.Context, query string, args ...any) (int, error) {
	c, err := d.reader(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { d.readers <- c }()
	s, err := c.stmt(query, args)
	if err != nil {
		return 0, mapped(err)
	}
	s.Status(sqlite3.STMTSTATUS_VM_STEP, true)
	for s.Step() {
	}
	err = errors.Join(s.Err(), s.Reset())
	return s.Status(sqlite3.STMTSTATUS_VM_STEP, true), mapped(err)
}
