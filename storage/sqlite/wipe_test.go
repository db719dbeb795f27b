package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// canary is in what is deleted, and nowhere else.
const canary = "zebracanary"

// canaries counts the canary in the raw bytes of the database and its write-ahead log.
func canaries(t *testing.T, db *sqlite.DB) (n int) {
	t.Helper()
	for _, path := range []string{db.Path(), db.Path() + "-wal"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte(canary))
	}
	return n
}

// TestWipe: what was deleted, or overwritten, is in neither file once the store was wiped, though nobody writes any
// more: not in pages that were divided, joined, freed or used again, in trees in order and out of order, in short
// values and long ones.
func TestWipe(t *testing.T) {
	for _, seed := range []uint64{1, 2, 4} { // two of them catch a wipe that forgets the gaps
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			db := opened(t, sqlite.Config{})
			ctx, random := t.Context(), rand.New(rand.NewPCG(seed, 1))
			do := func(fn func(tx storage.Tx) error) {
				t.Helper()
				if err := db.InTx(ctx, fn); err != nil {
					t.Fatal(err)
				}
			}
			exec := func(query string, args ...any) func(tx storage.Tx) error {
				return func(tx storage.Tx) error { _, err := tx.Exec(ctx, query, args...); return err }
			}
			do(exec(`CREATE TABLE notes (id INTEGER PRIMARY KEY, tag TEXT, body TEXT)`))
			do(exec(`CREATE INDEX notes_tag ON notes (tag)`))
			var doomed []int
			for id := range 3000 {
				word := "other"
				if random.IntN(10) == 0 {
					word, doomed = canary, append(doomed, id)
				}
				size := []int{8, 80, 300, 2500, 9000}[random.IntN(5)] / len(word)
				tag := fmt.Sprint(random.Uint32(), word)
				do(exec(`INSERT INTO notes VALUES ($1, $2, $3)`, id, tag, strings.Repeat(word, 1+size)))
				if random.IntN(5) == 0 {
					do(exec(`DELETE FROM notes WHERE id = $1 AND tag NOT LIKE '%`+canary+`'`, random.IntN(id+1)))
				}
			}
			if canaries(t, db) == 0 {
				t.Fatal("it was never there: the test would prove nothing")
			}
			for _, id := range doomed {
				if random.IntN(2) == 0 {
					do(exec(`DELETE FROM notes WHERE id = $1`, id))
				} else {
					do(exec(`UPDATE notes SET tag = $2, body = NULL WHERE id = $1`, id, fmt.Sprint(random.Uint32())))
				}
			}
			if err := db.Wipe(ctx); err != nil {
				t.Fatal(err)
			}
			if n := canaries(t, db); n > 0 {
				t.Errorf("%d times it is still there", n)
			}
			if err := db.Check(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWipeBesidePointers: a file that keeps pages of pointers, as auto_vacuum makes them, is harmed by no checkpoint.
func TestWipeBesidePointers(t *testing.T) {
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	raw, err := sqlite3.Open(path)
	if err == nil {
		err = errors.Join(raw.Exec(`PRAGMA auto_vacuum = 1;
			CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)`), raw.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, sqlite.Config{Path: path, Synchronous: sqlite.SyncOff})
	ctx := t.Context()
	if err := db.InTx(ctx, func(tx storage.Tx) error {
		for id := range 2000 { // one fills a page; a page holds the pointers of some 800
			if _, err := tx.Exec(ctx, `INSERT INTO notes VALUES ($1, $2)`, id, strings.Repeat("a", 3000)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Wipe(ctx), db.Check(ctx)); err != nil {
		t.Error(err)
	}
}

// TestWipeBesideOthers: a wipe waits for no reader, harms nobody, and ends with the store.
func TestWipeBesideOthers(t *testing.T) {
	db := opened(t, sqlite.Config{})
	ctx := t.Context()
	for i := range 100 {
		if err := db.InTx(ctx, put(ctx, fmt.Sprint(canary, i))); err != nil {
			t.Fatal(err)
		}
	}
	err := db.Read(ctx, func(q storage.Querier) error {
		before, err := storage.All(ctx, q, storage.One[string], `SELECT name FROM things ORDER BY name`)
		if err != nil {
			return err
		}
		if err := db.InTx(ctx, func(tx storage.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM things`)
			return err
		}); err != nil {
			return err
		}
		if err := db.Wipe(ctx); err == nil {
			t.Error("wiped under a reader")
		}
		after, err := storage.All(ctx, q, storage.One[string], `SELECT name FROM things ORDER BY name`)
		if !slices.Equal(before, after) {
			t.Errorf("a reader saw %d names, then %d", len(before), len(after))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Healthy(); err != nil {
		t.Error(err)
	}
	if err := db.Wipe(ctx); err != nil {
		t.Error(err)
	}
	if n := canaries(t, db); n > 0 {
		t.Errorf("%d times it is still there", n)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db.Wipe(ctx) == nil || db.Wipe(ended) == nil {
		t.Error("a closed store was wiped")
	}
}
