package sqlite

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/storage"
)

// rows are a storage.Rows on a statement that runs. They end with the next statement on their connection.
type rows struct {
	s   *stmt // nil when they have ended
	at  bool  // there is a row to scan
	err error
}

var errCut = errors.New("sqlite: rows were ended by the next statement")

func (r *rows) Next() bool {
	if r.s == nil {
		return false
	}
	if r.at = r.s.Step(); !r.at {
		r.err = mapped(r.s.Err())
		r.end()
	}
	return r.at
}

func (r *rows) Scan(dest ...any) error {
	if r.s == nil || !r.at {
		return errors.New("sqlite: Scan without a row")
	}
	if n := r.s.ColumnCount(); n != len(dest) {
		return fmt.Errorf("sqlite: %d places for %d columns", len(dest), n)
	}
	for i, d := range dest {
		if err := r.s.scan(i, d); err != nil {
			return fmt.Errorf("sqlite: column %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *rows) Err() error { return r.err }

func (r *rows) Close() error {
	if r.s != nil {
		r.end()
	}
	return nil
}

func (r *rows) end() {
	_ = r.s.Reset() // repeats the error of the last step
	r.s, r.at = nil, false
}

// row is the first row of a query.
type row struct {
	rows
	q   *querier
	err error // of the start
}

func (r *row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.q.owner.check(r.q.c.first(&r.rows, dest))
}

// first scans the first of rows that were just started, and ends them.
func (c *conn) first(r *rows, dest []any) error {
	err := sql.ErrNoRows
	if r.Next() {
		err = r.Scan(dest...)
	}
	return cmp.Or(c.closeRows(), err)
}

// scan runs a query and scans its first row.
func (c *conn) scan(query string, dest ...any) error {
	r := &rows{}
	if err := c.query(r, query); err != nil {
		return err
	}
	return c.first(r, dest)
}

var _ storage.Rows = (*rows)(nil)
