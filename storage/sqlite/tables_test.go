package sqlite_test

import (
	"errors"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestTables: a copy has the counts of its original, and goes on with the numbers that were given to rows long gone.
func TestTables(t *testing.T) {
	db := open(t, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName)})
	migrate(t, db, `CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT);
		CREATE TABLE "odd ""name" (x TEXT);
		INSERT INTO counted (x) VALUES ('a'), ('b'), ('c'); DELETE FROM counted WHERE id > 1;
		INSERT INTO "odd ""name" VALUES ('a'), ('b')`)
	want, err := db.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want["counted"] != (sqlite.Table{Rows: 1, Highest: 3}) || want[`odd "name`] != (sqlite.Table{Rows: 2}) {
		t.Errorf("counted %+v", want)
	}
	path := t.TempDir() + "/copy.db"
	if err := db.Copy(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, sqlite.Config{Path: path}).Tables(t.Context())
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("the copy has %+v, %v; the store has %+v", got, err, want)
	}
}

// TestRoom: who would fill the disk is told before, where the system tells.
func TestRoom(t *testing.T) {
	if err := sqlite.Room(t.TempDir(), 1); err != nil {
		t.Errorf("a byte: %v", err)
	}
	err := sqlite.Room(t.TempDir(), math.MaxInt64)
	if known := runtime.GOOS == "linux"; errors.Is(err, storage.ErrFull) != known {
		t.Errorf("more than there is: %v", err)
	}
}
