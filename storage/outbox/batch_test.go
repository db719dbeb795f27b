package outbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// reads counts how often somebody reads the store.
type reads struct {
	storage.DB
	n atomic.Int64
}

func (r *reads) Read(ctx context.Context, fn func(q storage.Querier) error) error {
	r.n.Add(1)
	return r.DB.Read(ctx, fn)
}

// TestOneReadEachWake: a commit costs the relay one look into the outbox, and not a second to see that nothing is left.
func TestOneReadEachWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.reconcile()
		counted := &reads{DB: s.db}
		s.relay = outbox.NewRelay(counted, s.log, s.clock, zap.NewNop())
		s.relay.Start()
		synctest.Wait()
		before := counted.n.Load()
		for range 10 {
			s.add(s.post(1, "a"))
			synctest.Wait()
		}
		if n := counted.n.Load() - before; n != 10 {
			t.Errorf("10 commits cost %d reads", n)
		}
		s.stop()
	})
}

// TestManyBatches: what does not fit into one batch comes in order, whole, past an entry that nobody understands, and
// the same again when the log is lost.
func TestManyBatches(t *testing.T) {
	s := newSite(t)
	long := strings.Repeat("x", 60_000) // seventy of them fill a batch
	var want []string
	var list []outbox.Announcement
	for i := range 300 {
		want = append(want, fmt.Sprint(i, " ", long))
		list = append(list, s.post(byte(i%5), want[i]))
	}
	s.add(list...)
	s.exec(`UPDATE outbox SET type = CAST(x'00' AS BLOB) WHERE id = (SELECT MIN(id) + 100 FROM outbox)`)
	want = append(want[:100:100], want[101:]...)
	check := func() {
		t.Helper()
		got := s.texts()
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("%d texts, and the one at %d is wrong; want %d", len(got), i, len(want))
			}
		}
		if n := s.relay.Stats().Quarantined; n != 1 || len(got) != len(want) {
			t.Fatalf("%d texts, %d set aside; want %d and 1", len(got), n, len(want))
		}
	}
	s.reconcile()
	check()
	if n, err := outbox.Rebuild(t.Context(), s.db, s.log); err != nil || n < len(want) {
		t.Fatal(n, err)
	}
	check()
}

// largest is the log, and how many records one call has emptied at most.
type largest struct {
	storage.LogAppender
	targets int
}

func (l *largest) Append(ctx context.Context, entries ...storage.Entry) error {
	n := 0
	for i := range entries {
		n += len(entries[i].Targets)
	}
	l.targets = max(l.targets, n)
	return l.LogAppender.Append(ctx, entries...)
}

// TestBatchOfRedactions: what empties much is much: the bound of a batch counts the text of redactions as well.
func TestBatchOfRedactions(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	const rows, each, digits = 300, 1000, 20
	ids := make([]string, each)
	for i := range ids {
		ids[i] = fmt.Sprint(int64(1e18) + int64(i)) // nothing that is there
	}
	doc := `{"ids":[` + strings.Join(ids, ",") + `]}`
	s.inTx(func(tx storage.Tx) error {
		for range rows {
			if _, err := tx.Exec(t.Context(), `INSERT INTO outbox (op, internal, time, data) VALUES (2, 1, 1, $1)`,
				[]byte(doc)); err != nil {
				return err
			}
		}
		return nil
	})
	counted := &largest{LogAppender: s.log}
	s.relay = outbox.NewRelay(s.db, counted, s.clock, zap.NewNop())
	if err := s.relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if most := 4<<20/digits + each; counted.targets > most || counted.targets < each {
		t.Errorf("one call empties %d records, want at most %d", counted.targets, most)
	}
}
