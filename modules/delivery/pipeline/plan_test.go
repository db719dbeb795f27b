package pipeline_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// looks is a store that counts what is asked about endpoints outside transactions.
type looks struct {
	storage.DB
	n atomic.Int64
}

func (l *looks) Read(ctx context.Context, fn func(q storage.Querier) error) error {
	return l.DB.Read(ctx, func(q storage.Querier) error { return fn(looked{q, l}) })
}

type looked struct {
	storage.Querier
	l *looks
}

func (q looked) Query(ctx context.Context, text string, args ...any) (storage.Rows, error) {
	q.l.note(text)
	return q.Querier.Query(ctx, text, args...)
}

func (q looked) QueryRow(ctx context.Context, text string, args ...any) storage.Row {
	q.l.note(text)
	return q.Querier.QueryRow(ctx, text, args...)
}

func (l *looks) note(text string) {
	if strings.Contains(text, "FROM endpoints WHERE deleted_at IS NULL") || strings.Contains(text, "owner_id IN") {
		l.n.Add(1)
	}
}

// TestIntakeAsksOnceForManyEvents: a batch of events costs one look where nobody has an endpoint, and one more for all
// its receivers where somebody has.
func TestIntakeAsksOnceForManyEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		somebody bool
		want     int64
	}{"nobody has an endpoint": {false, 1}, "somebody has one": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var p postman
				db := &looks{DB: w.fix.DB}
				s := w.serviceOn(db, exact(), named{"hook", p.channel()})
				me := social.NewID()
				if tt.somebody {
					w.endpoint(s, me)
				}
				w.start(s)
				settle()
				db.n.Store(0)
				batch := make([]storage.Entry, 100)
				for i := range batch {
					batch[i], _ = w.notification(social.NewID(), "like")
				}
				batch[70], _ = w.notification(me, "like")
				w.append(batch...)
				settle()
				if got := db.n.Load(); got != tt.want {
					t.Errorf("%d looks for one batch, want %d", got, tt.want)
				}
				if got := len(p.all()); (got == 1) != tt.somebody {
					t.Errorf("%d attempts", got)
				}
			})
		})
	}
}
