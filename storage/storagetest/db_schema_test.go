package storagetest

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/belfry-social/belfry/storage"
)

func TestSchemaOfTheStore(t *testing.T) {
	Schema(t, storage.OwnMigrations)
	Schema(t, kitMigrations)
}

func TestSchemaRefuses(t *testing.T) {
	const (
		lite = "CREATE TABLE a (id BLOB PRIMARY KEY) WITHOUT ROWID; -- OR ROLLBACK\nINSERT INTO a VALUES ('DEFERRED');"
		post = "CREATE TABLE a (id BYTEA PRIMARY KEY);"
	)
	for _, tt := range []struct {
		name       string
		lite, post string
		want       string // "" = accepted
	}{
		{"nothing wrong", lite, post, ""},
		{"a deferred foreign key", lite + "CREATE TABLE b (a BLOB REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED);", post +
			"CREATE TABLE b (a BYTEA REFERENCES a (id));", "deferrable"},
		{"or rollback", lite + "INSERT OR\nROLLBACK INTO a VALUES (NULL);", post, "ends the transaction of everybody"},
		{"on conflict rollback", "CREATE TABLE a (id BLOB PRIMARY KEY ON CONFLICT ROLLBACK)", post,
			"ends the transaction of everybody"},
		{"raise rollback", lite + "SELECT RAISE( ROLLBACK, 'x');", post, "ends the transaction of everybody"},
		{"its own commit", lite + "COMMIT;", post, "each file is one already"},
		{"its own begin", "BEGIN;" + lite, post, "each file is one already"},
		{"a pragma", lite + "PRAGMA foreign_keys = 0;", post, "pragma"},
		{"another owner's table", lite, post + "ALTER TABLE a ADD COLUMN u BYTEA REFERENCES users (id);", "another owner's"},
		{"a table on one engine only", lite + "CREATE TABLE b (n INTEGER);", post, "b is made on sqlite only"},
		{"an index on one engine only", lite, post + "CREATE INDEX a_id ON a (id);", "a_id is made on postgres only"},
		{"a type of SQLite on PostgreSQL", lite, "CREATE TABLE a (id BLOB PRIMARY KEY);", "SQLite's"},
		{"a type of PostgreSQL on SQLite", "CREATE TABLE a (id BYTEA PRIMARY KEY);", post, "PostgreSQL's"},
		{"letter case in the engine", "CREATE TABLE a (id TEXT COLLATE NOCASE);", post, "not known to PostgreSQL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := &dbReporter{TB: t}
			Schema(report, storage.Migrations{Owner: "owner", FS: fstest.MapFS{
				"sqlite/0001_init.up.sql":   {Data: []byte(tt.lite)},
				"postgres/0001_init.up.sql": {Data: []byte(tt.post)},
			}})
			all := strings.Join(report.failures, "\n")
			if (tt.want == "") != (all == "") || !strings.Contains(all, tt.want) {
				t.Errorf("reported %q, want %q", all, tt.want)
			}
		})
	}
	for name, files := range map[string]fstest.MapFS{
		"a file on one engine only": {"sqlite/0001_init.up.sql": {}, "postgres/0001_init.up.sql": {},
			"postgres/0002_more.up.sql": {}},
		"a hole in the numbers": {"sqlite/0001_init.up.sql": {}, "sqlite/0003_more.up.sql": {},
			"postgres/0001_init.up.sql": {}, "postgres/0003_more.up.sql": {}},
		"another kind of name": {"sqlite/1.sql": {}, "postgres/1.sql": {}},
		"no files":             {},
	} {
		t.Run(name, func(t *testing.T) {
			report := &dbReporter{TB: t}
			Schema(report, storage.Migrations{Owner: "owner", FS: files})
			if len(report.failures) == 0 {
				t.Error("nothing was reported")
			}
		})
	}
}
