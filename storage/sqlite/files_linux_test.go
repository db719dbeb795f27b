package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// replaced puts another file behind the descriptors of an open one, until restore is called.
func replaced(t *testing.T, path, by string) (restore func()) {
	t.Helper()
	other, err := os.OpenFile(by, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	saved := map[int]int{}
	for _, e := range entries {
		var fd int
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || link != path {
			continue
		}
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		if saved[fd], err = syscall.Dup(fd); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Dup3(int(other.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
	if len(saved) == 0 {
		t.Fatalf("%s is not open", path)
	}
	return func() {
		for fd, old := range saved {
			if err := errors.Join(syscall.Dup3(old, fd, syscall.O_CLOEXEC), syscall.Close(old)); err != nil {
				t.Error(err)
			}
		}
		clear(saved)
	}
}

// TestRealFaults lets the system refuse what a commit asks of it: /dev/null takes what is written and cannot be
// synced, /dev/full takes nothing.
func TestRealFaults(t *testing.T) {
	for by, want := range map[string]error{"/dev/null": storage.ErrFailed, "/dev/full": storage.ErrFull} {
		t.Run(by, func(t *testing.T) {
			db := opened(t, sqlite.Config{Synchronous: sqlite.SyncFull})
			for i := range 3 { // the first sync of a file is another
				if err := db.InTx(t.Context(), put(t.Context(), fmt.Sprint("before", i))); err != nil {
					t.Fatal(err)
				}
			}
			restore := replaced(t, db.Path()+"-wal", by)
			defer restore()
			if err := db.InTx(t.Context(), put(t.Context(), "refused")); !errors.Is(err, want) {
				t.Errorf("a commit is answered %v, want %v", err, want)
			}
			if err := db.Healthy(); !errors.Is(err, want) {
				t.Errorf("Healthy says %v, want %v", err, want)
			}
			restore()
			rows := 4
			err := db.InTx(t.Context(), put(t.Context(), "after"))
			if want == storage.ErrFailed {
				rows = 3
				if !errors.Is(err, storage.ErrFailed) {
					t.Errorf("after a failed sync a commit is answered %v, want ErrFailed", err)
				}
			} else if err != nil {
				t.Errorf("with space again: %v", err)
			}
			if got := count(t, crashed(t, db)); got != rows {
				t.Errorf("%d rows on disk, want %d", got, rows)
			}
		})
	}
}

// crashed opens a copy of the files as they are, which is what a killed process leaves.
func crashed(t *testing.T, db *sqlite.DB) *sqlite.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(db.Path() + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+end, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := open(t, sqlite.Config{Path: path, Synchronous: sqlite.SyncOff})
	if err := left.Check(t.Context()); err != nil {
		t.Error(err)
	}
	return left
}

// TestAnsweredIsInTheFile looks at what a crash would leave after transactions of every size: of a row, of more than
// is written at once, of more than the page cache holds (then pages are written and read again before the commit),
// and one that is undone; and once the write-ahead log has begun anew.
func TestAnsweredIsInTheFile(t *testing.T) {
	db := opened(t, sqlite.Config{Synchronous: sqlite.SyncFull})
	fill := func(name string, n int, answer error) func(tx storage.Tx) error {
		return func(tx storage.Tx) error {
			for i := range n {
				if _, err := tx.Exec(t.Context(), `INSERT INTO things (name, body) VALUES ($1, $2)`, fmt.Sprint(name, i),
					make([]byte, 3000)); err != nil {
					return err
				}
			}
			var bytes int
			if err := tx.QueryRow(t.Context(), `SELECT coalesce(sum(length(body)), 0) FROM things
				WHERE name >= $1 AND name < $2`, name, name+"~").Scan(&bytes); err != nil {
				return err
			}
			if bytes != n*3000 {
				t.Errorf("the transaction sees %d bytes of its own, want %d", bytes, n*3000)
			}
			return answer
		}
	}
	undone, rows := errors.New("undone"), 0
	for i, n := range []int{1, 100, 3000, 1, 100} {
		if err := db.InTx(t.Context(), fill(fmt.Sprint("undone", i, "-"), n, undone)); !errors.Is(err, undone) {
			t.Errorf("an undone transaction is answered %v", err)
		}
		if err := db.InTx(t.Context(), fill(fmt.Sprint("done", i, "-"), n, nil)); err != nil {
			t.Fatal(err)
		}
		rows += n
		if got := count(t, db); got != rows {
			t.Errorf("after %d rows a reader sees %d", rows, got)
		}
		if got := count(t, crashed(t, db)); got != rows {
			t.Errorf("after %d answered rows %d are in the file", rows, got)
		}
		for range 20 { // as many commits as bring a checkpoint
			if err := db.InTx(t.Context(), func(tx storage.Tx) error {
				_,
					err := tx.NextKey(t.Context())
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFewWrites counts what a commit asks of the system: without gathering, two writes for each of its pages.
func TestFewWrites(t *testing.T) {
	db := opened(t, sqlite.Config{Synchronous: sqlite.SyncFull})
	const commits, rows = 50, 15 // a page each
	before := writes(t)
	for i := range commits {
		err := db.InTx(t.Context(), func(tx storage.Tx) error {
			for j := range rows {
				if _, err := tx.Exec(t.Context(), `INSERT INTO things (name, body) VALUES ($1, $2)`, fmt.Sprint(i, "-", j),
					make([]byte, 3000)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := writes(t) - before; got > commits*rows/2 {
		t.Errorf("%d commits of %d pages took %d writes", commits, rows, got)
	}
}

// writes is the number of writes this process has asked for.
func writes(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "syscw: %d", &n); err == nil {
			return n
		}
	}
	t.Skip("the system does not count writes")
	return 0
}
