package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// moment is both files as they were, and what stood in the store.
type moment struct {
	file, log []byte
	state     string
	begun     int // which log it was
}

// moments is a store whose files are put together from different moments.
type moments struct {
	rt   *rapid.T
	path string
	db   *sqlite.DB
	n    int
	logs int // that were begun
	list []moment
}

func (m *moments) must(err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *moments) open() {
	var err error
	m.db, err = sqlite.Open(m.rt.Context(), sqlite.Config{Path: m.path, Synchronous: sqlite.SyncOff, Readers: 2})
	m.must(err)
}

// write commits a new row, and changes an old one, which lies elsewhere.
func (m *moments) write() {
	m.n++
	old := rapid.IntRange(1, m.n).Draw(m.rt, "old row")
	m.must(m.db.InTx(m.rt.Context(), func(tx storage.Tx) error {
		_, err := tx.Exec(m.rt.Context(), `INSERT INTO notes VALUES ($1, 0, $2)`, m.n, strings.Repeat("a", 700))
		if err == nil {
			_, err = tx.Exec(m.rt.Context(), `UPDATE notes SET changed = $2 WHERE id = $1`, old, m.n)
		}
		return err
	}))
}

func (m *moments) state() (s string) {
	m.must(m.db.Read(m.rt.Context(), func(q storage.Querier) error {
		var rows, last, sum int
		err := q.QueryRow(m.rt.Context(), `SELECT COUNT(*), COALESCE(MAX(id), 0), COALESCE(SUM(id * changed), 0) FROM notes`).
			Scan(&rows, &last, &sum)
		if s = fmt.Sprint(rows, sum); rows != last {
			s += fmt.Sprint(" of ", last)
		}
		return err
	}))
	return s
}

func (m *moments) keep() {
	file, err := os.ReadFile(m.path)
	m.must(err)
	log, err := os.ReadFile(m.path + "-wal")
	if !errors.Is(err, os.ErrNotExist) {
		m.must(err)
	}
	m.list = append(m.list, moment{file, log, m.state(), m.logs})
}

// put lays a file and a log down, as somebody does by hand, or as a process leaves them that is killed.
func (m *moments) put(file, log []byte) {
	m.must(os.WriteFile(m.path, file, 0o600))
	m.must(os.WriteFile(m.path+"-wal", log, 0o600))
	if err := os.Remove(m.path + "-shm"); !errors.Is(err, os.ErrNotExist) {
		m.must(err)
	}
}

// TestFileAndLogOfOtherMoments: a file is taken with a log if that gives the state of the log's moment, and otherwise
// refused; one that was killed, or copied between two commits, is never refused.
func TestFileAndLogOfOtherMoments(t *testing.T) {
	mixed, served := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		m := &moments{rt: rt, path: filepath.Join(dir, sqlite.FileName)}
		m.must(err)
		m.open()
		m.must(m.db.InTx(rt.Context(), func(tx storage.Tx) error {
			_, err := tx.Exec(rt.Context(), `CREATE TABLE notes (id INTEGER PRIMARY KEY, changed INTEGER, body TEXT)`)
			return err
		}))
		m.must(m.db.Close()) // the table is in the file from now on
		m.open()
		for range rapid.IntRange(5, 25).Draw(rt, "steps") {
			m.step()
		}
		m.keep()
		m.must(m.db.Close())
		for range 8 {
			one := rapid.IntRange(0, len(m.list)-1)
			i, j := one.Draw(rt, "file"), one.Draw(rt, "log")
			file, log := m.list[i], m.list[j]
			if len(log.log) == 0 || i > j && file.begun == log.begun {
				continue // nothing can be told of a file alone, nor of one that has taken more of the same log than is there
			}
			m.put(file.file, log.log)
			db, err := sqlite.Open(rt.Context(), sqlite.Config{Path: m.path, Synchronous: sqlite.SyncOff, Readers: 2})
			if err != nil {
				if !errors.Is(err, sqlite.ErrMixed) && !sqlite.IsCorrupt(err) {
					rt.Fatal(err)
				}
				if i == j {
					rt.Fatalf("refused, and is of one moment: %v", err)
				}
				mixed++
				if again, err := sqlite.Open(rt.Context(), sqlite.Config{Path: m.path}); err == nil {
					_ = again.Close()
					rt.Fatal("refused once, and taken at the next start")
				}
				if b, err := os.ReadFile(m.path); err != nil || !bytes.Equal(b, file.file) {
					rt.Fatalf("a file that was refused was changed: %v", err)
				}
				continue
			}
			m.db = db
			served++
			if got := m.state(); got != log.state {
				rt.Fatalf("served with %s, and the log is of %s", got, log.state)
			}
			m.must(db.Check(rt.Context()))
			m.must(db.Close())
		}
	})
	if mixed < 10 || served < 10 {
		t.Errorf("%d were refused and %d served: the test shows little", mixed, served)
	}
}

func (m *moments) step() {
	switch rapid.SampledFrom([]string{"write", "write", "write", "move", "part", "end", "kill", "keep", "keep"}).
		Draw(m.rt, "step") {
	case "write":
		for range rapid.IntRange(1, 20).Draw(m.rt, "writes") {
			m.write()
		}
	case "move":
		m.must(m.db.Wipe(m.rt.Context()))
		m.logs++
	case "part": // a reader keeps a part of the log from being moved
		m.must(m.db.Read(m.rt.Context(), func(q storage.Querier) error {
			var n int
			err := q.QueryRow(m.rt.Context(), `SELECT COUNT(*) FROM notes`).Scan(&n)
			m.write()
			if err := m.db.Wipe(m.rt.Context()); !errors.Is(err, storage.ErrBusy) {
				m.rt.Fatalf("moved under a reader: %v", err)
			}
			m.keep()
			return err
		}))
	case "end":
		m.must(m.db.Close())
		m.open()
		m.logs++
	case "kill":
		m.keep()
		last := m.list[len(m.list)-1]
		m.must(m.db.Close())
		m.put(last.file, last.log)
		m.open()
		if got := m.state(); got != last.state {
			m.rt.Fatalf("killed with %s, began with %s", last.state, got)
		}
	case "keep":
		m.keep()
	}
}

// TestDamageIsNoSecret: a store in which a reader met damage is not healthy any more.
func TestDamageIsNoSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	db := open(t, sqlite.Config{Path: path, Synchronous: sqlite.SyncOff})
	migrate(t, db, `CREATE TABLE things (name TEXT PRIMARY KEY, body BLOB)`)
	for i := range 200 {
		if err := db.InTx(t.Context(), put(t.Context(), fmt.Sprint(strings.Repeat("name", 100), i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 2; i < len(b); i++ {
		b[i] = 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db = open(t, sqlite.Config{Path: path})
	if err := db.Healthy(); err != nil {
		t.Fatal(err)
	}
	err = db.Read(t.Context(), func(q storage.Querier) error {
		_, err := storage.All(t.Context(), q, storage.One[string], `SELECT name FROM things ORDER BY name`)
		return err
	})
	if err == nil || db.Healthy() == nil {
		t.Errorf("read: %v, healthy: %v", err, db.Healthy())
	}
}

// TestMigrationOfAnotherFile: a file from before a migration is not taken with the log of after it, though nothing else
// was written.
func TestMigrationOfAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	begin := func() *sqlite.DB {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Synchronous: sqlite.SyncOff})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	db := begin()
	migrate(t, db, `CREATE TABLE things (name TEXT PRIMARY KEY, body BLOB)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := read(path)
	db = begin()
	migrate(t, db, `CREATE TABLE things (name TEXT PRIMARY KEY, body BLOB)`, `CREATE TABLE more (name TEXT PRIMARY KEY)`)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = begin()
	if err := db.InTx(t.Context(), put(t.Context(), "a")); err != nil {
		t.Fatal(err)
	}
	log := read(path + "-wal")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, before, 0o600), os.WriteFile(path+"-wal", log, 0o600)); err != nil {
		t.Fatal(err)
	}
	if db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path}); !errors.Is(err, sqlite.ErrMixed) {
		t.Errorf("got %v, %v", db, err)
	}
}
