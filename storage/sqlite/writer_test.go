package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// opened is a store with the table "things", quick and forgetful.
func opened(t testing.TB, cfg sqlite.Config) *sqlite.DB {
	t.Helper()
	cfg.Path = filepath.Join(t.TempDir(), sqlite.FileName)
	if cfg.Synchronous == "" {
		cfg.Synchronous = sqlite.SyncOff
	}
	db := open(t, cfg)
	migrate(t, db, `CREATE TABLE things (name TEXT PRIMARY KEY, body BLOB)`)
	return db
}

func put(ctx context.Context, name string) func(tx storage.Tx) error {
	return func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO things (name) VALUES ($1)`, name)
		return err
	}
}

func count(t testing.TB, db storage.DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(q storage.Querier) error {
		return q.QueryRow(t.Context(), `SELECT count(*) FROM things`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waiting tells when a caller looks at its context: when it waits for the writer.
type waiting struct {
	context.Context
	looked chan struct{}
	once   *sync.Once
}

func wait(ctx context.Context) waiting { return waiting{ctx, make(chan struct{}), &sync.Once{}} }

func (w waiting) Done() <-chan struct{} {
	w.once.Do(func() { close(w.looked) })
	return w.Context.Done()
}

// hold keeps the writer busy until release is called.
func hold(t testing.TB, db storage.DB) (release func()) {
	t.Helper()
	begun, done, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.InTx(t.Context(), func(storage.Tx) error { close(begun); <-done; return nil })
	}()
	<-begun
	return func() {
		t.Helper()
		close(done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// queue calls InTx and returns when the call waits.
func queue(ctx context.Context, db storage.DB, fn func(tx storage.Tx) error) <-chan error {
	w, answer := wait(ctx), make(chan error, 1)
	go func() { answer <- db.InTx(w, fn) }()
	<-w.looked
	return answer
}

func TestCallersShareACommit(t *testing.T) {
	var commits atomic.Int64
	db := opened(t, sqlite.Config{Failpoint: func(p sqlite.Point) error {
		if p == sqlite.PointCommit {
			commits.Add(1)
		}
		return nil
	}})
	release := hold(t, db)
	commits.Store(0)
	var answers []<-chan error
	for i := range 100 {
		answers = append(answers, queue(t.Context(), db, put(t.Context(), fmt.Sprint(i))))
	}
	release()
	for _, a := range answers {
		if err := <-a; err != nil {
			t.Error(err)
		}
	}
	if got := commits.Load(); got != 3 { // the holder's, 64, and 36
		t.Errorf("%d commits, want 3", got)
	}
	if got := count(t, db); got != 100 {
		t.Errorf("%d rows, want 100", got)
	}
}

func TestNestedInTx(t *testing.T) {
	db := opened(t, sqlite.Config{BusyTimeout: 50 * time.Millisecond})
	var inner error
	err := db.InTx(t.Context(), func(storage.Tx) error {
		inner = db.InTx(t.Context(), put(t.Context(), "inner"))
		return inner
	})
	if !errors.Is(inner, storage.ErrBusy) || !errors.Is(err, inner) || !strings.Contains(inner.Error(), "inside") {
		t.Errorf("InTx inside InTx gives %v within %v", inner, err)
	}
	if err := db.InTx(t.Context(), put(t.Context(), "after")); err != nil {
		t.Errorf("the store is stuck: %v", err)
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

func TestTooManyWait(t *testing.T) {
	db := opened(t, sqlite.Config{MaxWaiting: 3})
	release := hold(t, db)
	var answers []<-chan error
	for i := range 3 {
		answers = append(answers, queue(t.Context(), db, put(t.Context(), fmt.Sprint(i))))
	}
	if err := db.InTx(t.Context(), put(t.Context(), "one more")); !errors.Is(err, storage.ErrBusy) {
		t.Errorf("one more than may wait is answered %v, want ErrBusy", err)
	}
	release()
	for _, a := range answers {
		if err := <-a; err != nil {
			t.Error(err)
		}
	}
	if got := count(t, db); got != 3 {
		t.Errorf("%d rows, want 3", got)
	}
}

func TestWaitedTooLong(t *testing.T) {
	for _, patience := range []time.Duration{time.Millisecond, time.Minute} {
		synctest.Test(t, func(t *testing.T) { // no clock runs while somebody works
			db := opened(t, sqlite.Config{BusyTimeout: patience, Readers: 1})
			release := hold(t, db)
			before := time.Now()
			if err := db.InTx(t.Context(), put(t.Context(), "late")); !errors.Is(err, storage.ErrBusy) {
				t.Errorf("a caller that waited %v is answered %v, want ErrBusy", patience, err)
			}
			if waited := time.Since(before); waited != patience {
				t.Errorf("a caller waited %v, want %v", waited, patience)
			}
			release()
			err := db.Read(t.Context(), func(storage.Querier) error {
				return db.Read(t.Context(), func(storage.Querier) error { return nil })
			})
			if !errors.Is(err, storage.ErrBusy) {
				t.Errorf("a reader that waited %v is answered %v, want ErrBusy", patience, err)
			}
			if got := count(t, db); got != 0 {
				t.Errorf("%d rows, want none", got)
			}
		})
	}
}

// TestGoexit: a caller whose function ends its goroutine does not go on, as if it had run it itself.
func TestGoexit(t *testing.T) {
	db := opened(t, sqlite.Config{})
	release := hold(t, db)
	wentOn, w := make(chan bool, 1), wait(t.Context())
	go func() {
		on := false
		defer func() { wentOn <- on }()
		_ = db.InTx(w, func(storage.Tx) error { runtime.Goexit(); return nil })
		on = true
	}()
	<-w.looked
	beside := queue(t.Context(), db, put(t.Context(), "beside"))
	release()
	if <-wentOn {
		t.Error("the caller went on")
	}
	if err := <-beside; err != nil {
		t.Errorf("a caller beside it is answered %v", err)
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

// TestKeysAfterReopening: the counter of order keys is in memory, and must be found again.
func TestKeysAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	var last int64
	for range 3 {
		db := open(t, sqlite.Config{Path: path})
		migrate(t, db, acts)
		for i := range 3 {
			var key int64
			err := db.InTx(t.Context(), func(tx storage.Tx) (err error) {
				key, err = tx.NextKey(t.Context())
				return err
			})
			if err != nil || key <= last {
				t.Errorf("key %d after key %d, %v (call %d)", key, last, err, i)
			}
			last = key
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseRefusesWhoWaits(t *testing.T) {
	db := opened(t, sqlite.Config{})
	release := hold(t, db)
	waiter := queue(t.Context(), db, put(t.Context(), "late"))
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	want := 1 // the writer may have taken it before it saw the end; then it is answered truly
	if err := <-waiter; err != nil {
		want = 0
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("a caller that waits is answered %v", err)
		}
	}
	if got := count(t, open(t, sqlite.Config{Path: db.Path()})); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}

// TestRealFullDisk lets the engine itself find no space in the middle of batches: an error that ends its transaction.
func TestRealFullDisk(t *testing.T) {
	db := opened(t, sqlite.Config{})
	pages := func(n int) {
		t.Helper()
		err := db.InTx(t.Context(), func(tx storage.Tx) error {
			var got int
			return tx.QueryRow(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)).Scan(&got)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages(200)
	var mu sync.Mutex
	told := map[string]bool{}
	var wg sync.WaitGroup
	full := 0
	for i := range 32 {
		wg.Go(func() {
			for j := range 20 {
				name, size := fmt.Sprintf("%d-%d", i, j), 100
				if j%4 == 3 {
					size = 64 << 10
				}
				err := db.InTx(t.Context(), func(tx storage.Tx) error {
					if _, err := tx.Exec(t.Context(), `INSERT INTO things (name, body) VALUES ($1, $2)`, name, make([]byte,
						size)); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), `UPDATE things SET body = body WHERE name = $1`, name)
					return err
				})
				mu.Lock()
				told[name] = err == nil
				if errors.Is(err, storage.ErrFull) {
					full++
				} else if err != nil {
					t.Errorf("answered %v", err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if full == 0 {
		t.Fatal("the store was never full: nothing was tested")
	}
	if err := db.Healthy(); err != nil && !errors.Is(err, storage.ErrFull) {
		t.Errorf("Healthy says %v", err)
	}
	err := db.Read(t.Context(), func(q storage.Querier) error {
		rows, err := q.Query(t.Context(), `SELECT name FROM things`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			if !told[name] {
				t.Errorf("a refused caller's row is in the database: %s", name)
			}
			delete(told, name)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, yes := range told {
		if yes {
			t.Errorf("an answered caller's row is lost: %s", name)
		}
	}
	pages(1 << 20)
	if err := db.InTx(t.Context(), put(t.Context(), "after")); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := db.Healthy(); err != nil {
		t.Errorf("with space again Healthy says %v", err)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLogStaysSmall writes far more than the write-ahead log should hold.
func TestLogStaysSmall(t *testing.T) {
	db := opened(t, sqlite.Config{})
	big := make([]byte, 16<<10)
	for i := range 1500 {
		err := db.InTx(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO things (name, body) VALUES ($1, $2)`, fmt.Sprint(i), big)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(db.Path() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 12<<20 {
		t.Errorf("after writing 24 MB the write-ahead log has %d bytes", info.Size())
	}
}

func TestManyStatements(t *testing.T) {
	db := opened(t, sqlite.Config{Readers: 1})
	for i := range 2500 {
		var got int
		err := db.Read(t.Context(), func(q storage.Querier) error {
			return q.QueryRow(t.Context(), fmt.Sprintf("SELECT %d + $1", i), 1).Scan(&got)
		})
		if err != nil || got != i+1 {
			t.Fatalf("statement %d gives %d, %v", i, got, err)
		}
	}
}
