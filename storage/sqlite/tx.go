package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/storage"
)

// querier lends a connection to a function, for as long as the function runs.
type querier struct {
	c     *conn
	owner interface {
		usable() error         // why no statement may run; asked before each
		check(err error) error // looks at the outcome of each, and returns it
	}
	over bool
}

var errOver = fmt.Errorf("sqlite: transaction used after its function returned: %w", sql.ErrTxDone)

func (q *querier) Query(_ context.Context, query string, args ...any) (storage.Rows, error) {
	r := &rows{}
	if err := q.start(r, query, args); err != nil {
		return nil, err
	}
	return r, nil
}

func (q *querier) QueryRow(_ context.Context, query string, args ...any) storage.Row {
	r := &row{q: q}
	r.err = q.start(&r.rows, query, args)
	return r
}

func (q *querier) start(r *rows, query string, args []any) error {
	if err := q.owner.usable(); err != nil {
		return err
	}
	return q.owner.check(q.c.query(r, query, args...))
}

// tx is a storage.Tx on the writer.
type tx struct {
	querier
	w    *writer
	dead error // why SQLite has ended the transaction
}

func newTx(w *writer) *tx {
	t := &tx{w: w}
	t.querier = querier{c: w.conn, owner: t}
	return t
}

func (t *tx) Exec(_ context.Context, query string, args ...any) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	n, err := t.c.exec(query, args...)
	return n, t.check(err)
}

func (t *tx) NextKey(context.Context) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	k, err := t.w.keys.next(t.c)
	return k, t.check(err)
}

// errUnseen: no statement has told of the end. The function has ended the transaction, or the library has panicked for
// want of memory.
var errUnseen = errors.New("sqlite: ended without an error")

// usable refuses statements that would commit by themselves, since the transaction has ended.
func (t *tx) usable() error {
	if t.over {
		return errOver
	}
	err := t.check(t.c.closeRows()) // who does not ask Rows.Err would take rows that broke off for complete
	if t.dead == nil && !t.c.inTransaction() {
		t.dead = errUnseen
	}
	if t.dead != nil {
		return fmt.Errorf("sqlite: the transaction has ended: %w", t.dead)
	}
	return err
}

func (t *tx) check(err error) error {
	if err == nil || t.dead != nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	_ = t.w.note(err)
	if !t.c.inTransaction() {
		t.dead = err
	}
	return err
}

// orderKeys counts in memory, since there is one writer. The table holds a number that none given out is above, and is
// written once in a block of keys: a row of its own costs each commit a page. So a process begins up to a block above
// the last key of the one before.
type orderKeys struct {
	block           int64
	loaded          bool
	last            int64
	bound, reserved int64 // what the table holds, and what it will hold after the commit at hand
}

func (k *orderKeys) next(c *conn) (int64, error) {
	if !k.loaded {
		if err := c.scan(`SELECT last FROM order_keys WHERE id = 1`, &k.last); err != nil {
			return 0, fmt.Errorf("order key: %w", err)
		}
		k.loaded, k.bound = true, k.last
	}
	k.last++
	return k.last, nil
}

// save is called before each commit, kept after it.
func (k *orderKeys) save(c *conn) error {
	k.reserved = k.bound
	if k.last <= k.bound {
		return nil
	}
	k.reserved = k.last + k.block - 1
	_, err := c.exec(`UPDATE order_keys SET last = $1 WHERE id = 1`, k.reserved)
	return err
}

func (k *orderKeys) kept() { k.bound = k.reserved }
