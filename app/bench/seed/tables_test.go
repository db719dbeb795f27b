package seed_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// state is what a directory holds, after the checks of its stores.
type state struct {
	floor  int64
	head   social.Position
	events int
	tables map[string][]string
}

// lookAt checks both stores of a directory and reads them, with ids, hashes and times made comparable.
func lookAt(t *testing.T, dir string) (s state) {
	t.Helper()
	db := openStore(t, dir)
	defer db.Close()
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
	names := map[string]string{}
	err := db.Read(t.Context(), func(q storage.Querier) error {
		for _, table := range []string{"users", "tokens", "service_tokens", "posts", "notifications"} {
			if err := nameIDs(t.Context(), q, table, names); err != nil {
				return err
			}
		}
		return q.QueryRow(t.Context(), `SELECT floor FROM log_state`).Scan(&s.floor)
	})
	if err != nil {
		t.Fatal(err)
	}
	pairs := make([]string, 0, 2*len(names))
	for id, name := range names {
		pairs = append(pairs, id, name)
	}
	named := strings.NewReplacer(pairs...)
	s.tables = dump(t, dir, func(text string) string { return times.ReplaceAllString(named.Replace(text), "<time>") })
	if log := openLog(t, dir); log != nil {
		defer log.Close()
		if err := log.Check(t.Context()); err != nil {
			t.Error(err)
		}
		s.head = log.Head().Seq
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if s.head > log.Kept().Oldest().Seq {
			for batch, err := range log.Tail(ctx, log.Kept().Oldest()) {
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				s.events += len(batch)
				if len(batch) > 0 && batch[len(batch)-1].Cursor.Seq >= s.head {
					break
				}
			}
		}
	}
	return s
}

// nameIDs gives everything that has an id a name made of its order key.
func nameIDs(ctx context.Context, q storage.Querier, table string, names map[string]string) error {
	return storage.Each(ctx, q, func(r storage.Row) error {
		var id social.ID
		var key int64
		if err := r.Scan(&id, &key); err != nil {
			return err
		}
		name := fmt.Sprintf("<%s %d>", table, key)
		names[hex.EncodeToString(id[:])], names[id.String()] = name, name
		return nil
	}, `SELECT id, key FROM `+table)
}

// times in the data of an event.
var times = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)

// varying are columns that hold nothing but a time, or what a secret left.
var varying = regexp.MustCompile(`^(time|began_at|created_at|updated_at|hash|password_hash)$`)

// dump gives every table, each row as text, in no order of its own; but not what a server makes when it runs: its
// secret, where those who hand over notifications begin, and its number.
func dump(t *testing.T, dir string, edit func(string) string) map[string][]string {
	t.Helper()
	db := openStore(t, dir)
	defer db.Close()
	tables := map[string][]string{}
	err := db.Read(t.Context(), func(q storage.Querier) error {
		names, err := column(t.Context(), q, `SELECT name FROM sqlite_master WHERE type = 'table'
			AND name NOT IN ('server_key', 'sender_mark', 'epochs', 'file_marks')`)
		if err != nil {
			return err
		}
		for _, name := range names {
			if tables[name], err = rowsOf(t.Context(), q, name, edit); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func column(ctx context.Context, q storage.Querier, query string) ([]string, error) {
	return storage.All(ctx, q, storage.One[string], query)
}

func rowsOf(ctx context.Context, q storage.Querier, table string, edit func(string) string) (list []string, err error) {
	columns, err := column(ctx, q, `SELECT name FROM pragma_table_info('`+table+`')`)
	if err != nil {
		return nil, err
	}
	if table == "sqlite_sequence" {
		columns = []string{"name", "seq"} // the engine does not tell of its own
	}
	rows, err := q.Query(ctx, `SELECT * FROM `+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		var b strings.Builder
		for i, v := range values {
			switch v := v.(type) {
			case nil:
				fmt.Fprintf(&b, "%s=NULL ", columns[i])
			case []byte:
				if varying.MatchString(columns[i]) {
					v = nil
				} else if len(v) > 0 && v[0] == '{' {
					fmt.Fprintf(&b, "%s=%s ", columns[i], edit(string(v)))
					continue
				}
				fmt.Fprintf(&b, "%s=%s ", columns[i], edit(hex.EncodeToString(v)))
			default:
				if varying.MatchString(columns[i]) {
					v = "<any>"
				}
				fmt.Fprintf(&b, "%s=%s ", columns[i], edit(fmt.Sprint(v)))
			}
		}
		list = append(list, b.String())
	}
	slices.Sort(list)
	return list, rows.Err()
}

// schemaOf gives the definitions of a store.
func schemaOf(t *testing.T, dir string) []string {
	t.Helper()
	db := openStore(t, dir)
	defer db.Close()
	var list []string
	err := db.Read(t.Context(), func(q storage.Querier) (err error) {
		list, err = column(t.Context(), q, `SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_master
			ORDER BY type, name`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
