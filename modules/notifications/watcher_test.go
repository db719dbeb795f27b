package notifications_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// watcher is a store that remembers each text it was asked to run, with arguments it was run with.
type watcher struct {
	storage.DB
	mu      sync.Mutex
	queries map[string][]any
}

func (w *watcher) note(query string, args []any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queries[query] = args
}

func (w *watcher) InTx(ctx context.Context, fn func(storage.Tx) error) error {
	return w.DB.InTx(ctx, func(tx storage.Tx) error { return fn(w.tx(tx)) })
}

func (w *watcher) Read(ctx context.Context, fn func(storage.Querier) error) error {
	return w.DB.Read(ctx, func(q storage.Querier) error { return fn(watched{q, w}) })
}

func (w *watcher) tx(tx storage.Tx) storage.Tx { return watchedTx{tx, w} }

type watched struct {
	storage.Querier
	w *watcher
}

func (q watched) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	q.w.note(query, args)
	return q.Querier.Query(ctx, query, args...)
}

func (q watched) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	q.w.note(query, args)
	return q.Querier.QueryRow(ctx, query, args...)
}

type watchedTx struct {
	storage.Tx
	w *watcher
}

func (tx watchedTx) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	tx.w.note(query, args)
	return tx.Tx.Query(ctx, query, args...)
}

func (tx watchedTx) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	tx.w.note(query, args)
	return tx.Tx.QueryRow(ctx, query, args...)
}

func (tx watchedTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tx.w.note(query, args)
	return tx.Tx.Exec(ctx, query, args...)
}

// TestNoScans: after a tour of the module, no statement it ran walks through a table of notifications.
func TestNoScans(t *testing.T) {
	w := newWorld(t, func(c *notifications.Config) { c.Batch = 3 })
	ctx, alice := t.Context(), w.user("alice").ID
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.follow("alice", "zoe")
	p := w.post("alice", "harbour", naming(w.user("dave")))
	for i := range 5 {
		w.like("fan"+strconv.Itoa(i), p)
	}
	w.unlike("fan2", p)
	w.like("fan2", p)
	w.unlike("fan4", p)
	w.day(2)
	w.like("fan4", p)
	w.post("dave", "comment", under(p))
	derived := w.post("zoe", "derived")
	list := w.list("alice", notifications.Filter{})
	for _, change := range []func(social.ID) error{
		func(id social.ID) error { _, err := w.s.SetRead(ctx, alice, id, true); return err },
		func(id social.ID) error { _, err := w.s.SetRead(ctx, alice, id, false); return err },
		func(id social.ID) error { _, err := w.s.SetArchived(ctx, alice, id, true); return err },
		func(id social.ID) error { _, err := w.s.SeenUpTo(ctx, alice, id); return err },
		func(id social.ID) error { _, err := w.s.ReadUpTo(ctx, alice, id); return err },
		func(id social.ID) error { _, err := w.s.ReadGroup(ctx, alice, id); return err },
		func(id social.ID) error { return w.s.Delete(ctx, alice, id) },
	} {
		must(change(list[1].ID))
		if _, err := w.s.Get(ctx, alice, derived.ID); err == nil {
			must(change(derived.ID))
		}
	}
	must(func() error { _, err := w.s.ReadGroup(ctx, alice, list[len(list)-1].Group.Key); return err }())
	must(func() error {
		_, err := w.s.Members(ctx, alice, list[len(list)-1].Group.Key, social.PageQuery{Limit: 2})
		return err
	}())
	for _, state := range []string{"inbox", "unseen", "unread", "archived"} {
		w.list("alice", notifications.Filter{State: state})
		w.list("alice", notifications.Filter{State: state, Grouped: true})
	}
	w.counts("alice")
	w.remove(p)
	w.sweep()
	w.unfollow("alice", "zoe")
	w.remove(derived)
	w.sweep()
	for _, f := range []string{"alice", "dave", "fan1"} {
		w.deleteUser(f)
		w.sweep()
	}

	if len(w.seen.queries) < 40 {
		t.Errorf("only %d statements were seen", len(w.seen.queries))
	}
	for query, args := range w.seen.queries {
		if !strings.Contains(query, "notification") {
			continue
		}
		w.InTx(t, func(tx storage.Tx) error {
			rows, err := tx.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
			if err != nil {
				t.Errorf("%v: %s", err, query)
				return nil
			}
			defer rows.Close()
			for rows.Next() {
				var a, b, c int
				var detail string
				if err := rows.Scan(&a, &b, &c, &detail); err != nil {
					return err
				}
				table, _, _ := strings.Cut(strings.TrimPrefix(detail, "SCAN "), " ")
				if strings.HasPrefix(detail, "SCAN ") && (table == "n" || table == "notifications" ||
					table == "notification_posts" || table == "notification_watermarks") {
					t.Errorf("%s: %s", detail, query)
				}
			}
			return rows.Err()
		})
	}
}
