package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestCopy copies under load: the copy is sound, closed to others, and has everything answered before it began.
func TestCopy(t *testing.T) {
	db := opened(t, sqlite.Config{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := 0; ; j++ {
				if err := db.InTx(t.Context(), put(t.Context(), fmt.Sprint(i, " ", j))); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	if err := db.InTx(t.Context(), put(t.Context(), "before")); err != nil {
		t.Fatal(err)
	}
	before := count(t, db)
	path := filepath.Join(t.TempDir(), "copy of 'it'.db")
	err := db.Copy(t.Context(), path)
	after := count(t, db)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := db.Copy(t.Context(), path); err == nil {
		t.Error("an existing file was written over")
	}
	twin := open(t, sqlite.Config{Path: path})
	if err := twin.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if got := count(t, twin); got < before || got > after {
		t.Errorf("the copy has %d rows, the store had %d before and %d after", got, before, after)
	}
}
