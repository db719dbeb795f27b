package moduletest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Row is one row of the outbox.
type Row struct {
	ID       int64
	Op       storage.Op
	Stream   social.Stream // zero unless OpAppend
	Type     string
	Actor    social.ID
	Object   social.ID
	About    []social.ID
	Internal bool
	Time     social.Time
	Data     json.RawMessage // of OpAppend; nil when redacted
	Redacted bool            // an OpAppend whose payload was emptied
}

// String is short, for failures.
func (r Row) String() string {
	switch {
	case r.Op == storage.OpRedact:
		return fmt.Sprintf("%d redact %s", r.ID, r.Object)
	case r.Op == storage.OpErase:
		return fmt.Sprintf("%d erase %s", r.ID, r.Actor)
	case r.Redacted:
		return fmt.Sprintf("%d %s %s redacted", r.ID, r.Stream, r.Type)
	}
	return fmt.Sprintf("%d %s %s %s", r.ID, r.Stream, r.Type, r.Data)
}

// Decode reads the data of a row into v, and fails the test if it cannot.
func (r Row) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.Data, v); err != nil {
		t.Fatalf("data of %v: %v", r, err)
	}
}

// Outbox returns every row, in order.
func (f *Fixture) Outbox(t testing.TB) []Row {
	t.Helper()
	var list []Row
	f.Read(t, func(q storage.Querier) (err error) {
		list, err = rows(t.Context(), q)
		return err
	})
	return list
}

// Announced returns the appended rows of one stream, internal ones too.
func (f *Fixture) Announced(t testing.TB, s social.Stream) []Row {
	t.Helper()
	return slices.DeleteFunc(f.Outbox(t), func(r Row) bool { return r.Op != storage.OpAppend || r.Stream != s })
}

// DrainOutbox returns every row and empties the outbox, so that a later call shows only what came after.
func (f *Fixture) DrainOutbox(t testing.TB) []Row {
	t.Helper()
	var list []Row
	f.InTx(t, func(tx storage.Tx) (err error) {
		if list, err = rows(t.Context(), tx); err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `DELETE FROM outbox`)
		return err
	})
	return list
}

func rows(ctx context.Context, q storage.Querier) ([]Row, error) {
	found, err := q.Query(ctx, `SELECT id, op, stream, type, actor_id, object_id, about, internal, time, data FROM
		outbox ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var list []Row
	for found.Next() {
		var r Row
		var stream, about, data []byte
		var kind *string
		if err := found.Scan(&r.ID, &r.Op, &stream, &kind, &r.Actor, &r.Object, &about, &r.Internal, &r.Time,
			&data); err != nil {
			return nil, err
		}
		if kind != nil {
			r.Type = *kind
		}
		if r.Op == storage.OpAppend {
			if r.Stream, err = social.StreamOf(stream); err != nil {
				return nil, err
			}
			r.Data, r.Redacted = data, data == nil
		}
		for person := range slices.Chunk(about, 16) {
			r.About = append(r.About, social.ID(person))
		}
		list = append(list, r)
	}
	return list, found.Err()
}
