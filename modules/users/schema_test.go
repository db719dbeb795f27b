package users_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

// The two dialects say the same, apart from the names of types.
func TestSchemaTwins(t *testing.T) {
	files, err := fs.Glob(users.Migrations.FS, "sqlite/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	plain := strings.NewReplacer("BLOB", "bytea", "BIGINT", "bigint", "INTEGER", "smallint", "TEXT", "text",
		") WITHOUT ROWID;", ");")
	for _, file := range files {
		lite, err := fs.ReadFile(users.Migrations.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		twin, err := fs.ReadFile(users.Migrations.FS, strings.Replace(file, "sqlite/", "postgres/", 1))
		if err != nil {
			t.Fatal(err)
		}
		if plain.Replace(string(lite)) != string(twin) {
			t.Errorf("%s and its twin for PostgreSQL differ in more than types", file)
		}
		if bad := regexp.MustCompile(`(?i)deferr|or rollback|[^_]autoincrement`).FindString(string(lite)); bad != "" {
			t.Errorf("%s has %q", file, bad)
		}
	}
}

// Foreign keys stay inside the module.
func TestSchemaKeysStayInside(t *testing.T) {
	w := open(t)
	own := regexp.MustCompile(`^(users|sessions|tokens)$`)
	w.Read(t, func(q storage.Querier) error {
		return each(t.Context(), q, `SELECT m.name, f."table" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
			WHERE m.type = 'table'`, func(rows storage.Rows) error {
			var from, to string
			if err := rows.Scan(&from, &to); err != nil {
				return err
			}
			if !own.MatchString(to) {
				t.Errorf("%s refers to %s", from, to)
			}
			return nil
		})
	})
}

// Every list and every look-up has its index: no query walks a table or sorts.
func TestQueriesHaveIndexes(t *testing.T) {
	w := open(t)
	for _, query := range []string{
		`SELECT id FROM users WHERE username = 'x' AND deleted_at IS NULL`,
		`SELECT id FROM users WHERE id IN (x'00', x'01') AND deleted_at IS NULL`,
		`SELECT id FROM users WHERE deleted_at IS NULL AND key < 5 ORDER BY key DESC LIMIT 3`,
		`SELECT id FROM users WHERE deleted_at IS NULL AND state = 'active' AND username >= 'x' AND username < 'y'
			ORDER BY username LIMIT 3`,
		`SELECT id FROM users WHERE deleted_at IS NULL AND state = 'active' AND found_name >= 'x' AND found_name < 'y'
			ORDER BY found_name LIMIT 3`,
		`SELECT id FROM users WHERE deleted_at IS NULL AND state = 'active' AND posts_count > 0 AND active_key < 5
			ORDER BY active_key DESC LIMIT 3`,
		`SELECT id FROM sessions WHERE user_id = x'00' AND expires_at > 1 AND key < 5 ORDER BY key DESC LIMIT 3`,
		`SELECT id FROM sessions WHERE user_id = x'00' ORDER BY key DESC LIMIT 8 OFFSET 100`,
		`SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.deleted_at IS NULL AND s.hash = x'00'`,
		`SELECT id FROM sessions WHERE expires_at <= 1 LIMIT 3`,
		`SELECT id FROM tokens WHERE user_id = x'00' AND key < 5 ORDER BY key DESC LIMIT 3`,
		`SELECT t.id FROM tokens t JOIN users u ON u.id = t.user_id WHERE u.deleted_at IS NULL AND t.hash = x'00'`,
		`SELECT count(*) FROM tokens WHERE user_id = x'00'`,
		`SELECT id FROM service_tokens WHERE hash = x'00'`,
		`SELECT hash FROM stream_tickets WHERE session_id = x'00'`,
		`SELECT hash FROM stream_tickets WHERE token_id = x'00'`,
		`SELECT hash FROM stream_tickets WHERE expires_at <= 1 LIMIT 3`,
		`SELECT hash FROM invites WHERE expires_at <= 1 LIMIT 3`,
		`SELECT 1 FROM known_devices WHERE user_id = x'00' AND hash = x'00' AND seen_at > 1`,
		`DELETE FROM known_devices WHERE user_id = x'00'`,
		`SELECT user_id, hash FROM known_devices WHERE seen_at <= 1 LIMIT 3`,
		`SELECT a.key FROM audit a LEFT JOIN users u ON u.id = a.person_id WHERE TRUE AND a.key < 5 ORDER BY a.key DESC
			LIMIT 3`,
		`DELETE FROM idempotency_keys WHERE (actor, route, key) IN (SELECT actor, route, key FROM idempotency_keys
			WHERE expires_at <= 1 LIMIT 2)`,
		`DELETE FROM idempotency_keys WHERE (actor, route, key) IN (SELECT actor, route, key FROM idempotency_keys
			WHERE actor = 'x' LIMIT 2)`,
	} {
		w.Read(t, func(q storage.Querier) error {
			return each(t.Context(), q, `EXPLAIN QUERY PLAN `+query, func(rows storage.Rows) error {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					return err
				}
				if strings.HasPrefix(detail, "SCAN") && !strings.Contains(detail, "SUBQUERY") ||
					strings.Contains(detail, "TEMP B-TREE") {
					t.Errorf("%s: %s", query, detail)
				}
				return nil
			})
		})
	}
}

// The store refuses what the service never writes.
func TestSchemaChecks(t *testing.T) {
	w := open(t)
	id := w.crowd(t, 1)[0]
	for name, statement := range map[string]string{
		"a negative count": `UPDATE users SET posts_count = -1 WHERE id = $1`,
		"an unknown role":  `UPDATE users SET role = 'king' WHERE id = $1`,
		"an unknown state": `UPDATE users SET state = 'gone' WHERE id = $1`,
		"a ticket of nobody": `INSERT INTO stream_tickets (hash, expires_at) SELECT zeroblob(32), 1 FROM users
		WHERE id = $1`,
		"a session of a ghost": `INSERT INTO sessions (id, key, user_id, hash, user_agent, address, created_at,
		last_used_at,
		expires_at) SELECT id, 1, zeroblob(16), zeroblob(32), '', '', 1, 1, 1 FROM users WHERE id = $1`,
		"a hash that is a secret": `INSERT INTO retired_names (hash) SELECT 'not a hash' FROM users WHERE id = $1`,
	} {
		err := w.DB.InTx(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Exec(t.Context(), statement, id)
			return err
		})
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if u, err := w.users.Me(t.Context(), id); err != nil || u.PostsCount != 0 {
		t.Errorf("after refusals: %+v, %v", u, err)
	}
}
