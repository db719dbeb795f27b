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
	c    *conn
	over bool
}

func (q *querier) Query(_ context.Context, query string, args ...any) (storage.Rows, error) {
	if q.over {
		return nil, errOver
	}
	r, err := q.c.query(query, args...)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (q *querier) QueryRow(_ context.Context, query string, args ...any) storage.Row {
	if q.over {
		return &row{err: errOver}
	}
	return q.c.row(query, args...)
}

var errOver = fmt.Errorf("sqlite: transaction used after its function returned: %w", sql.ErrTxDone)

// tx is a storage.Tx on the writer.
type tx struct {
	querier
	w    *writer
	dead error // why the engine has ended the transaction
}

func (t *tx) Exec(_ context.Context, query string, args ...any) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	n, err := t.c.exec(query, args...)
	return n, t.check(err)
}

func (t *tx) Query(_ context.Context, query string, args ...any) (storage.Rows, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	r, err := t.c.query(query, args...)
	if err != nil {
		return nil, t.check(err)
	}
	return r, nil
}

func (t *tx) QueryRow(_ context.Context, query string, args ...any) storage.Row {
	if err := t.usable(); err != nil {
		return &row{err: err}
	}
	return txRow{t.c.row(query, args...), t}
}

func (t *tx) NextKey(context.Context) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	k, err := t.w.keys.next(t.c)
	return k, t.check(err)
}

// txRow is a row whose reading may end the transaction.
type txRow struct {
	*row
	t *tx
}

func (r txRow) Scan(dest ...any) error { return r.t.check(r.row.Scan(dest...)) }

// usable is asked before each statement: in a transaction that has ended it would commit by itself.
func (t *tx) usable() error {
	if t.over {
		return errOver
	}
	err := t.finish()
	if t.dead != nil {
		return fmt.Errorf("sqlite: the transaction has ended: %w", t.dead)
	}
	return err
}

// finish closes rows that are still open. What broke them off counts like the error of a statement, and is told
// again here: who does not ask Rows.Err would take them for complete.
func (t *tx) finish() error { return t.check(t.c.closeRows()) }

// check looks, after an error, whether there still is a transaction.
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

// orderKeys counts in memory, since there is one writer, and is written once a commit. Keys of work that was
// undone are not given out again by this process; that is allowed.
type orderKeys struct {
	loaded      bool
	last, saved int64
}

func (k *orderKeys) next(c *conn) (int64, error) {
	if !k.loaded {
		if err := c.row(`SELECT last FROM order_keys WHERE id = 1`).Scan(&k.last); err != nil {
			return 0, fmt.Errorf("order key: %w", err)
		}
		k.loaded, k.saved = true, k.last
	}
	k.last++
	return k.last, nil
}

func (k *orderKeys) save(c *conn) error {
	if k.last == k.saved {
		return nil
	}
	_, err := c.exec(`UPDATE order_keys SET last = $1 WHERE id = 1`, k.last)
	return err
}
