package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// failing is a failpoint that gives err at one point while it is switched on.
type failing struct {
	at  sqlite.Point
	err error
	on  atomic.Bool
}

func (f *failing) point(p sqlite.Point) error {
	if p == f.at && f.on.Load() {
		return fmt.Errorf("by the test: %w", f.err)
	}
	return nil
}

// TestDiskFull: writes are refused and undone, reads go on, and it heals without anybody's help.
func TestDiskFull(t *testing.T) {
	for _, at := range []sqlite.Point{sqlite.PointBegin, sqlite.PointCommit, sqlite.PointCheckpoint} {
		for _, cause := range []error{storage.ErrFull, storage.ErrReadOnly} {
			t.Run(fmt.Sprintf("%v at %s", cause, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &failing{at: at, err: cause}
					db := opened(t, sqlite.Config{Failpoint: f.point})
					f.on.Store(true)
					written := 0
					for i := range 40 { // a checkpoint comes now and then
						err := db.InTx(t.Context(), put(t.Context(), fmt.Sprint(i)))
						if err == nil {
							written++
						} else if !errors.Is(err, cause) {
							t.Errorf("InTx answered %v, want %v", err, cause)
						}
					}
					if at == sqlite.PointCheckpoint { // the commits stand in the write-ahead log
						if written != 40 {
							t.Errorf("%d writes were answered, want all", written)
						}
					} else if err := db.Healthy(); written > 0 || !errors.Is(err, cause) {
						t.Errorf("%d writes were answered, Healthy says %v, want none and %v", written, err, cause)
					}
					if got := count(t, db); got != written {
						t.Errorf("%d rows, answered %d", got, written)
					}
					f.on.Store(false)
					time.Sleep(1100 * time.Millisecond) // of the bubble: nobody waits
					synctest.Wait()
					if err := db.Healthy(); err != nil {
						t.Errorf("a second after space returned Healthy says %v", err)
					}
					if err := db.InTx(t.Context(), put(t.Context(), "after")); err != nil {
						t.Errorf("after space returned: %v", err)
					}
					select {
					case <-db.Failed():
						t.Error("a full disk ended the store")
					default:
					}
				})
			})
		}
	}
}

// TestFsyncError: after the first one nothing is answered any more, reads go on, and the next process has every
// answered write.
func TestFsyncError(t *testing.T) {
	for _, at := range []sqlite.Point{sqlite.PointBegin, sqlite.PointCommit, sqlite.PointCheckpoint} {
		t.Run(string(at), func(t *testing.T) {
			f := &failing{at: at, err: storage.ErrFailed}
			path := filepath.Join(t.TempDir(), sqlite.FileName)
			db := open(t, sqlite.Config{Path: path, Failpoint: f.point})
			migrate(t, db, `CREATE TABLE things (name TEXT PRIMARY KEY, body BLOB)`)
			release := hold(t, db)
			f.on.Store(true)
			var answers []<-chan error
			for i := range 20 {
				answers = append(answers, queue(t.Context(), db, put(t.Context(), fmt.Sprint("batch", i))))
			}
			if at == sqlite.PointCommit { // the holder's own commit fails as well
				f.on.Store(false)
				release()
				f.on.Store(true)
			} else {
				release()
			}
			answered := 0
			for _, a := range answers {
				if <-a == nil {
					answered++
				}
			}
			for i := range 40 {
				if db.InTx(t.Context(), put(t.Context(), fmt.Sprint(i))) == nil {
					answered++
				}
			}
			select {
			case <-db.Failed():
			default:
				t.Error("nobody is told that the store has failed")
			}
			f.on.Store(false) // the disk pretends that nothing was
			if err := db.InTx(t.Context(), put(t.Context(), "later")); !errors.Is(err, storage.ErrFailed) {
				t.Errorf("a later write is answered %v, want ErrFailed", err)
			}
			if err := db.Healthy(); !errors.Is(err, storage.ErrFailed) {
				t.Errorf("Healthy says %v, want ErrFailed", err)
			}
			if got := count(t, db); got != answered {
				t.Errorf("%d rows are read, answered %d", got, answered)
			}
			before, err := os.ReadFile(path + "-wal")
			if err := errors.Join(err, db.Close()); err != nil {
				t.Error(err)
			}
			if after, err := os.ReadFile(path + "-wal"); err != nil || !bytes.Equal(after, before) {
				t.Errorf("after the failure Close went on with the write-ahead log: %v", err)
			}
			if got := count(t, open(t, sqlite.Config{Path: path})); got != answered {
				t.Errorf("the next process has %d rows, answered %d", got, answered)
			}
		})
	}
}
