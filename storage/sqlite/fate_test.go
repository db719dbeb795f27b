package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// batch has all functions wait for the writer and run in one commit; it returns what each was told and how often it
// ran.
func batch(t *testing.T, db storage.DB, fns ...func(tx storage.Tx) error) (errs []error, runs []int64) {
	t.Helper()
	counts := make([]atomic.Int64, len(fns))
	release := hold(t, db)
	var answers []<-chan error
	for i, fn := range fns {
		answers = append(answers, queue(t.Context(), db, func(tx storage.Tx) error {
			counts[i].Add(1)
			return fn(tx)
		}))
	}
	release()
	for i, a := range answers {
		errs, runs = append(errs, <-a), append(runs, counts[i].Load())
	}
	return errs, runs
}

var errRefused = errors.New("refused")

func TestWhoFailsWithoutWritingCostsNobodyAnything(t *testing.T) {
	db, ctx := opened(t, sqlite.Config{}), t.Context()
	look := func(tx storage.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM things`).Scan(&n); err != nil {
			return err
		}
		return errRefused
	}
	errs, runs := batch(t, db, put(ctx, "a"), look, put(ctx, "b"), func(storage.Tx) error { panic("before it wrote") })
	if errs[0] != nil || !errors.Is(errs[1], errRefused) || errs[2] != nil || errs[3] == nil {
		t.Errorf("told %v", errs)
	}
	if fmt.Sprint(runs) != "[1 1 1 1]" {
		t.Errorf("ran %v times, want each once", runs)
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// Whatever way a function writes, when it fails its work alone is undone.
func TestWhoFailsAfterWritingIsUndoneAlone(t *testing.T) {
	for name, write := range map[string]func(ctx context.Context, tx storage.Tx) error{
		"exec": func(ctx context.Context, tx storage.Tx) error { return put(ctx, "mine")(tx) },
		"a row that comes back": func(ctx context.Context, tx storage.Tx) error {
			var name string
			return tx.QueryRow(ctx, `INSERT INTO things (name) VALUES ('mine') RETURNING name`).Scan(&name)
		},
		"a table": func(ctx context.Context, tx storage.Tx) error {
			_, err := tx.Exec(ctx, `CREATE TABLE mine (name TEXT)`)
			return err
		},
	} {
		for end, fail := range map[string]func() error{"error": func() error { return errRefused },
			"panic": func() error { panic("after it wrote") }} {
			t.Run(name+", "+end, func(t *testing.T) {
				db, ctx := opened(t, sqlite.Config{}), t.Context()
				errs, runs := batch(t, db, put(ctx, "a"), func(tx storage.Tx) error {
					if err := write(ctx, tx); err != nil {
						return err
					}
					return fail()
				}, put(ctx, "b"))
				if errs[0] != nil || errs[1] == nil || errs[2] != nil {
					t.Errorf("told %v", errs)
				}
				if n := count(t, db); n != 2 || runs[0] != 2 {
					t.Errorf("%d rows, want the 2 of the others; the first ran %d times, want 2", n, runs[0])
				}
				err := db.Read(ctx, func(q storage.Querier) error {
					var tables int
					err := q.QueryRow(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'mine'`).Scan(&tables)
					if tables != 0 {
						t.Error("its table is there")
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Who fails all the time does not have everybody run twice all the time.
func TestFailuresBringSavepoints(t *testing.T) {
	db, ctx := opened(t, sqlite.Config{}), t.Context()
	spoil := func(tx storage.Tx) error {
		if err := put(ctx, "mine")(tx); err != nil {
			return err
		}
		return errRefused
	}
	twice := 0
	for i := range 34 {
		errs, runs := batch(t, db, put(ctx, fmt.Sprint("a", i)), spoil)
		if errs[0] != nil || !errors.Is(errs[1], errRefused) {
			t.Fatalf("batch %d: told %v", i, errs)
		}
		if runs[0] == 2 {
			twice++
		}
	}
	if twice != 3 { // the 1st, and again when the batches with savepoints have ended
		t.Errorf("%d of 34 batches ran twice, want 3", twice)
	}
	if n := count(t, db); n != 34 {
		t.Errorf("%d rows, want 34", n)
	}
}

// A refusal that rests on another's work, which is then undone, would be wrong.
func TestRefusalsRestOnWhatWasCommitted(t *testing.T) {
	db, ctx := opened(t, sqlite.Config{}), t.Context()
	first := true
	errs, _ := batch(t, db,
		func(tx storage.Tx) error { // takes the name at first, and then does not
			if !first {
				return errRefused
			}
			first = false
			return put(ctx, "name")(tx)
		},
		func(tx storage.Tx) error {
			if err := put(ctx, "other")(tx); err != nil {
				return err
			}
			return put(ctx, "name")(tx)
		},
		func(tx storage.Tx) error { // has everybody run again
			_, err := tx.Exec(ctx, `INSERT OR ROLLBACK INTO things (name) VALUES ('last'), ('last')`)
			return err
		})
	if !errors.Is(errs[0], errRefused) || errs[1] != nil || errs[2] == nil {
		t.Errorf("told %v; the second was refused a name nobody has", errs)
	}
	if n := count(t, db); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}

// TestTransactionThatEndedUnseen: a function that ends the transaction itself, or swallows a panic of the library that
// did, has nobody write outside of one: those behind it would be committed at once, and again when they run anew.
func TestTransactionThatEndedUnseen(t *testing.T) {
	db, ctx := opened(t, sqlite.Config{}), t.Context()
	end := func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `ROLLBACK`)
		return err
	}
	goOn := func(tx storage.Tx) error { return errors.Join(end(tx), put(ctx, "outside")(tx)) }
	for range 2 { // the second time with savepoints
		errs, _ := batch(t, db, put(ctx, "a"), end, put(ctx, "b"), goOn, put(ctx, "c"))
		if errs[0] != nil || errs[1] == nil || errs[2] != nil || errs[3] == nil || errs[4] != nil {
			t.Errorf("told %v", errs)
		}
		if n := count(t, db); n != 3 {
			t.Fatalf("%d rows, want the 3 of the others", n)
		}
		if err := db.InTx(ctx, func(tx storage.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM things`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}
