package outbox

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestRedactionPlan: what names a person is found by indexes, each place in about by its own, however much is announced
// of an object.
func TestRedactionPlan(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "db"), Synchronous: sqlite.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := storage.MigrateAll(t.Context(), db, storage.OwnMigrations); err != nil {
		t.Fatal(err)
	}
	m := Match{Object: social.ID{1}, Names: social.ID{2}, Stream: social.Stream{Kind: social.To, User: social.ID{3}},
		Types: []string{"notification"}}
	where, args := m.where()
	var plan []string
	err = db.Read(t.Context(), func(q storage.Querier) error {
		return storage.Each(t.Context(), q, func(row storage.Row) error {
			var id, parent, unused int64
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		}, `EXPLAIN QUERY PLAN SELECT id FROM outbox WHERE op = 1 AND data IS NOT NULL AND `+where+` LIMIT 9`, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(plan, "; ")
	for _, index := range []string{"outbox_object (object_id=? AND actor_id=?)",
		"outbox_second (object_id=? AND <expr>=?)", "outbox_third (object_id=? AND <expr>=?)",
		"outbox_fourth (object_id=? AND <expr>=?)"} {
		if !strings.Contains(text, index) {
			t.Errorf("%s is not used: %s", index, text)
		}
	}
}
