package sqlite_test

import (
	"testing"
	"testing/fstest"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// acts is one table, of the owner "acts".
const acts = `CREATE TABLE acts (id BLOB PRIMARY KEY, key BIGINT NOT NULL UNIQUE, body BLOB NOT NULL)`

func open(t testing.TB, cfg sqlite.Config) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrate makes the store's own tables and one migration of the owner "acts" for each text.
func migrate(t testing.TB, db storage.DB, texts ...string) {
	t.Helper()
	if err := storage.MigrateAll(t.Context(), db, storage.OwnMigrations, files("acts", texts...)); err != nil {
		t.Fatal(err)
	}
}

func files(owner string, texts ...string) storage.Migrations {
	fs := fstest.MapFS{}
	for i, text := range texts {
		fs["sqlite/000"+string(rune('1'+i))+"_step.up.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	return storage.Migrations{Owner: owner, FS: fs}
}
