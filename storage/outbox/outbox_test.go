package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

func openStore(t testing.TB) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName),
		Synchronous: sqlite.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := storage.MigrateAll(t.Context(), db, storage.OwnMigrations); err != nil {
		t.Fatal(err)
	}
	return db
}

// stored is what is asked of an outbox row here.
type stored struct {
	op     storage.Op
	typ    string
	stream []byte
	about  []byte
	data   []byte
}

func read(t testing.TB, db storage.DB) (list []stored) {
	t.Helper()
	err := db.Read(t.Context(), func(q storage.Querier) error {
		rows, err := q.Query(t.Context(), `SELECT op, coalesce(type, ''), stream, about, data FROM outbox ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s stored
			if err := rows.Scan(&s.op, &s.typ, &s.stream, &s.about, &s.data); err != nil {
				return err
			}
			list = append(list, s)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func inTx(t testing.TB, db storage.DB, fn func(ctx context.Context, tx storage.Tx) error) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx storage.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func id(n byte) social.ID { return social.ID{15: n} }

var at = social.Time(1_740_830_400_000)

func TestAdd(t *testing.T) {
	db := openStore(t)
	alice, bob := id(1), id(2)
	var last, none int64
	inTx(t, db, func(ctx context.Context, tx storage.Tx) (err error) {
		if none, err = outbox.Add(ctx, tx); err != nil {
			return err
		}
		last, err = outbox.Add(ctx, tx,
			outbox.Announcement{Stream: social.Stream{Kind: social.By, User: alice}, Type: "post.created", Actor: alice,
				Object: id(9),
				About:  []social.ID{alice, {}, bob, alice, id(3), id(4), id(5)}, Time: at, Data: []byte(`{"n":1}`)},
			outbox.Announcement{Stream: social.Stream{Kind: social.To, User: bob}, Type: "notification", Time: at,
				Data: []byte(`{"n":2}`)})
		return err
	})
	if none != 0 || last != 2 {
		t.Errorf("Add of nothing gives %d, of two rows %d; want 0 and 2", none, last)
	}
	rows := read(t, db)
	if len(rows) != 2 || rows[0].typ != "post.created" || rows[1].typ != "notification" {
		t.Fatalf("rows %v", rows)
	}
	if s, err := social.StreamOf(rows[1].stream); err != nil || s != (social.Stream{Kind: social.To, User: bob}) {
		t.Errorf("stream %v, %v", s, err)
	}
	var about []social.ID
	for p := range slices.Chunk(rows[0].about, 16) {
		about = append(about, social.ID(p))
	}
	if want := []social.ID{alice, bob, id(3), id(4)}; !slices.Equal(about, want) {
		t.Errorf("about %v, want %v: the first %d, without nobody and without doubles", about, want, social.MaxAbout)
	}
}

// TestAddTooLarge: nothing of the call is written, and the transaction may go on.
func TestAddTooLarge(t *testing.T) {
	db := openStore(t)
	one := outbox.Announcement{Stream: social.Stream{Kind: social.By, User: id(1)}, Type: "post.created",
		Data: make([]byte, storage.MaxPayload)}
	over := one
	over.Data = make([]byte, storage.MaxPayload+1)
	inTx(t, db, func(ctx context.Context, tx storage.Tx) error {
		if _, err := outbox.Add(ctx, tx, one, over); !errors.Is(err, storage.ErrTooLarge) {
			t.Errorf("a payload over the limit is answered %v", err)
		}
		_, err := outbox.Add(ctx, tx, one)
		return err
	})
	if rows := read(t, db); len(rows) != 1 || len(rows[0].data) != storage.MaxPayload {
		t.Errorf("%d rows, want the one at the limit", len(rows))
	}
}

func TestAnnouncedWithItsTransaction(t *testing.T) {
	db := openStore(t)
	refused := errors.New("refused")
	err := db.InTx(t.Context(), func(tx storage.Tx) error {
		if _, err := outbox.Add(t.Context(), tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: id(1)},
			Type: "post.created"}); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if rows := read(t, db); len(rows) != 0 {
		t.Errorf("a transaction that was undone is announced: %v", rows)
	}
}

func TestRedact(t *testing.T) {
	alice, bob, post, other := id(1), id(2), id(8), id(9)
	by, to := social.Stream{Kind: social.By, User: alice}, social.Stream{Kind: social.To, User: bob}
	all := []outbox.Announcement{
		{Stream: by, Type: "post.created", Actor: alice, Object: post, Data: []byte(`"0"`)},
		{Stream: to, Type: "notification", Actor: alice, Object: post, Data: []byte(`"1"`)},
		{Stream: to, Type: "notification", Actor: bob, Object: post, Data: []byte(`"2"`)},
		{Stream: by, Type: "post.updated", Actor: alice, Object: post, Data: []byte(`"3"`)},
		{Stream: by, Type: "post.created", Actor: alice, Object: other, Data: []byte(`"4"`)},
		{Stream: by, Type: "follow.changed", Actor: alice, Data: []byte(`"5"`)},
	}
	for _, tt := range []struct {
		name  string
		match outbox.Match
		empty []int
	}{
		{"everything about an object", outbox.Match{Object: post}, []int{0, 1, 2, 3}},
		{"one actor", outbox.Match{Object: post, Actor: bob}, []int{2}},
		{"one stream", outbox.Match{Object: post, Stream: to}, []int{1, 2}},
		{"some types", outbox.Match{Object: post, Types: []string{"post.created", "post.updated"}}, []int{0, 3}},
		{"all narrowed", outbox.Match{Object: post, Actor: alice, Stream: to, Types: []string{"notification"}}, []int{1}},
		{"nothing", outbox.Match{Object: id(7)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := openStore(t)
			inTx(t, db, func(ctx context.Context, tx storage.Tx) error { _, err := outbox.Add(ctx, tx, all...); return err })
			for range 2 { // again does nothing more
				inTx(t, db, func(ctx context.Context, tx storage.Tx) error { return outbox.Redact(ctx, tx, at, tt.match) })
				rows := read(t, db)
				var empty []int
				for i := range all {
					if rows[i].data == nil {
						empty = append(empty, i)
					}
				}
				if !slices.Equal(empty, tt.empty) {
					t.Errorf("emptied %v, want %v", empty, tt.empty)
				}
				entries := 0
				if tt.empty != nil {
					entries = 1
				}
				if len(rows) != len(all)+entries || entries == 1 && rows[len(all)].op != storage.OpRedact {
					t.Errorf("%d rows follow the announcements, want %d that redact", len(rows)-len(all), entries)
				}
			}
		})
	}
}

// TestRedactOften: somebody may like a post and take it back as often as they want. Each redaction names only what it
// empties itself, and finds it without a look at what others have emptied before.
func TestRedactOften(t *testing.T) {
	db := openStore(t)
	post, bob := id(8), id(2)
	for range 3 {
		var added int64
		inTx(t, db, func(ctx context.Context, tx storage.Tx) (err error) {
			added, err = outbox.Add(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.To, User: id(1)},
				Type:  "notification",
				Actor: bob, Object: post, Data: []byte(`{}`)})
			return err
		})
		inTx(t, db, func(ctx context.Context, tx storage.Tx) error {
			return outbox.Redact(ctx, tx, at, outbox.Match{Object: post, Actor: bob})
		})
		rows := read(t, db)
		if last := rows[len(rows)-1]; last.op != storage.OpRedact || string(last.data) != fmt.Sprintf(`{"ids":[%d]}`, added) {
			t.Errorf("the entry behind %d is %d %s, want it to name that one alone", added, last.op, last.data)
		}
	}
	err := db.Read(t.Context(), func(q storage.Querier) error {
		var n int
		err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM outbox INDEXED BY outbox_object
			WHERE op = 1 AND data IS NOT NULL AND object_id IS NOT NULL`).Scan(&n)
		if n != 0 {
			t.Errorf("%d announcements can still be found by their object, want none", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestErase(t *testing.T) {
	db := openStore(t)
	inTx(t, db, func(ctx context.Context, tx storage.Tx) error { return outbox.Erase(ctx, tx, at, id(1)) })
	var person social.ID
	var op storage.Op
	err := db.Read(t.Context(), func(q storage.Querier) error {
		return q.QueryRow(t.Context(), `SELECT op, actor_id FROM outbox`).Scan(&op, &person)
	})
	if err != nil || op != storage.OpErase || person != id(1) {
		t.Errorf("op %d of %v, %v", op, person, err)
	}
}

// TestIndexes: what is looked up in the outbox is found by an index, however long the outbox is.
func TestIndexes(t *testing.T) {
	db := openStore(t)
	for _, query := range []string{
		`SELECT id FROM outbox WHERE set_aside_at IS NOT NULL ORDER BY id`,
		`SELECT id FROM outbox WHERE op = 3 AND data IS NULL ORDER BY id`,
		`UPDATE outbox SET data = NULL WHERE op = 1 AND data IS NOT NULL AND object_id = $1`,
		`UPDATE outbox SET data = NULL WHERE op = 1 AND data IS NOT NULL AND object_id = $1 AND actor_id = $2 RETURNING id`,
	} {
		err := db.Read(t.Context(), func(q storage.Querier) error {
			rows, err := q.Query(t.Context(), `EXPLAIN QUERY PLAN `+query, id(1), id(2))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var a, b, c int
				var detail string
				if err := rows.Scan(&a, &b, &c, &detail); err != nil {
					return err
				}
				if detail == "SCAN outbox" {
					t.Errorf("%s\nreads the whole outbox", query)
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}
