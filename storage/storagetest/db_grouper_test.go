package storagetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver" // for a handle that goes around the store

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// flaws are the mistakes a group commit can make.
type flaws struct {
	ignoresDeath  bool // goes on in a batch whose transaction the engine has ended
	keepsRefusals bool // a refusal stands, though the batch is undone
	sharedFate    bool // no savepoints: a refusal undoes the others' work too
	noRollback    bool // a refused caller's work stays
}

// grouper is a plain group commit on a handle of its own, right but for its flaws. It does without what the cases
// it is for do not ask.
type grouper struct {
	*sqlite.DB
	handle *sql.DB
	calls  chan *groupCall
	flaws  flaws
}

type groupCall struct {
	fn     func(storage.Tx) error
	answer chan error
	err    error
}

func group(f flaws) wrongDB {
	return func(t testing.TB, db *sqlite.DB, path string) storage.DB { return newGrouper(t, db, path, f) }
}

func newGrouper(t testing.TB, db *sqlite.DB, path string, f flaws) storage.DB {
	handle, err := sql.Open("sqlite3", "file:"+path+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	handle.SetMaxOpenConns(1)
	g := &grouper{DB: db, handle: handle, calls: make(chan *groupCall, 100), flaws: f}
	stop := make(chan struct{})
	go g.run(stop)
	t.Cleanup(func() { close(stop); handle.Close() })
	return g
}

func (g *grouper) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &groupCall{fn: fn, answer: make(chan error, 1)}
	g.calls <- c
	ctx.Done() // only to be seen waiting: the cases it is for do not cancel
	return <-c.answer
}

func (g *grouper) run(stop chan struct{}) {
	for {
		select {
		case c := <-g.calls:
			batch := []*groupCall{c}
			for len(g.calls) > 0 {
				batch = append(batch, <-g.calls)
			}
			g.commit(batch)
		case <-stop:
			return
		}
	}
}

// commit runs a batch, and its members one by one when it is undone through no fault of theirs.
func (g *grouper) commit(batch []*groupCall) {
	guilty, undone := g.try(batch)
	for _, c := range batch {
		switch {
		case !undone, c == guilty, len(batch) == 1, g.flaws.keepsRefusals && c.err != nil:
			c.answer <- c.err
		default:
			g.commit([]*groupCall{c})
		}
	}
}

func (g *grouper) try(batch []*groupCall) (guilty *groupCall, undone bool) {
	g.exec("BEGIN IMMEDIATE")
	for _, c := range batch {
		if !g.flaws.sharedFate {
			if g.exec("SAVEPOINT s") != nil && !g.flaws.ignoresDeath {
				g.exec("ROLLBACK")
				return c, true
			}
		}
		t := &groupTx{g: g}
		c.err = t.run(c.fn)
		if !g.flaws.ignoresDeath && g.exec("BEGIN") == nil { // an error inside a transaction
			g.exec("ROLLBACK")
			if c.err == nil {
				c.err = errors.New("the transaction has ended")
			}
			return c, true
		}
		if c.err != nil && !g.flaws.noRollback {
			if g.flaws.sharedFate {
				g.exec("ROLLBACK")
				g.exec("BEGIN IMMEDIATE")
				continue
			}
			g.exec("ROLLBACK TO s")
		}
		if !g.flaws.sharedFate {
			g.exec("RELEASE s")
		}
	}
	if err := g.exec("COMMIT"); err != nil {
		for _, c := range batch {
			c.err = err
		}
		return nil, !g.flaws.ignoresDeath && len(batch) > 1
	}
	return nil, false
}

func (g *grouper) exec(query string, args ...any) error {
	_, err := g.handle.Exec(query, args...)
	return err
}

// groupTx is a transaction of a grouper.
type groupTx struct {
	g    *grouper
	over bool
}

func (t *groupTx) run(fn func(storage.Tx) error) (err error) {
	defer func() {
		t.over = true
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return fn(t)
}

func (t *groupTx) Exec(_ context.Context, query string, args ...any) (int64, error) {
	r, err := t.g.handle.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *groupTx) Query(_ context.Context, query string, args ...any) (storage.Rows, error) {
	return t.g.handle.Query(query, args...)
}

func (t *groupTx) QueryRow(_ context.Context, query string, args ...any) storage.Row {
	return t.g.handle.QueryRow(query, args...)
}

func (t *groupTx) NextKey(ctx context.Context) (key int64, err error) {
	return key, t.QueryRow(ctx, `UPDATE order_keys SET last = last + 1 RETURNING last`).Scan(&key)
}

func (t *groupTx) OpenEpoch(context.Context) error { return nil }
