package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	lib "modernc.org/sqlite/lib"

	"github.com/belfry-social/belfry/storage"
)

// rows are a storage.Rows on a statement that runs. They end with the next statement on their connection.
type rows struct {
	s       *stmt // nil when they have ended
	pending bool  // there is a row that Next has not come to
	at      bool  // there is a row to scan
	cut     bool  // ended by the next statement
	err     error
}

var errCut = errors.New("sqlite: rows were read on after the next statement had ended them")

// Next is storage.Rows'.
func (r *rows) Next() bool {
	r.at = false
	if r.cut {
		r.err = errCut
	}
	if r.s == nil {
		return false
	}
	if !r.pending {
		r.pending, r.err = r.s.step()
	}
	if !r.pending {
		r.end()
		return false
	}
	r.pending, r.at = false, true
	return true
}

// Scan is storage.Rows'.
func (r *rows) Scan(dest ...any) error {
	if r.s == nil || !r.at {
		return errors.New("sqlite: Scan without a row")
	}
	if n := int(lib.Xsqlite3_column_count(r.s.e.tls, r.s.p)); n != len(dest) {
		return fmt.Errorf("sqlite: %d places for %d columns", len(dest), n)
	}
	for i, d := range dest {
		if err := r.s.scan(int32(i), d); err != nil {
			return fmt.Errorf("sqlite: column %d: %w", i+1, err)
		}
	}
	return nil
}

// Err is storage.Rows'.
func (r *rows) Err() error { return r.err }

// Close is storage.Rows'.
func (r *rows) Close() error {
	r.end()
	return nil
}

// end gives the statement back.
func (r *rows) end() {
	if r.s != nil {
		r.s.reset()
		r.s, r.at = nil, false
	}
}

// row is the first row of a query.
type row struct {
	rows
	c   *conn
	err error
}

func (c *conn) row(query string, args ...any) *row {
	r := &row{c: c}
	r.err = c.start(&r.rows, query, args)
	return r
}

// Scan is storage.Row's.
func (r *row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	err := sql.ErrNoRows
	if r.Next() {
		err = r.rows.Scan(dest...)
	}
	if e := r.c.closeRows(); e != nil {
		return e
	}
	return err
}

var _ storage.Rows = (*rows)(nil)
