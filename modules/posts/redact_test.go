package posts_test

import (
	"context"
	"errors"
	"testing"

	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

var errCut = errors.New("cut off")

// sparing is a store that takes only so many transactions, and tells how many announcements each emptied at most.
type sparing struct {
	storage.DB
	left   int
	widest int64
}

func (d *sparing) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	if d.left == 0 {
		return errCut
	}
	d.left--
	// Any transaction may run more than once.
	if err := d.DB.InTx(ctx, func(tx storage.Tx) error { return errors.Join(errCut, fn(tx)) }); !errors.Is(err, errCut) {
		return err
	}
	const emptied = `SELECT COUNT(*) FROM outbox WHERE op = 1 AND data IS NULL`
	return d.DB.InTx(ctx, func(tx storage.Tx) error {
		var before, after int64
		if err := tx.QueryRow(ctx, emptied).Scan(&before); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, emptied).Scan(&after)
		d.widest = max(d.widest, after-before)
		return err
	})
}

// TestDeleteOfAPostWithMuchAboutIt: what was announced with a post goes in pages, all before the answer; and where the
// deletion is cut off after its first page, it holds, and the job empties the rest. The end of the post stays.
func TestDeleteOfAPostWithMuchAboutIt(t *testing.T) {
	for name, transactions := range map[string]int{"answered": 100, "cut off": 1} {
		t.Run(name, func(t *testing.T) {
			db := &sparing{left: 100}
			s := openOn(t, posts.DefaultConfig(), func(inner storage.DB) storage.DB { db.DB = inner; return db }, "alice", "bob")
			p := s.say(t, "alice", "canary")
			s.InTx(t, func(tx storage.Tx) error {
				for range 2*outbox.RedactPageSize + 10 {
					_, err := outbox.Add(t.Context(), tx, outbox.Announcement{Stream: social.Stream{Kind: social.To,
						User: s.id("alice")},
						Type: social.EventNotification, Actor: social.NewID(), Object: p.ID, Time: s.Clock.Now(),
						Data: []byte(`{"excerpt":"canary"}`)})
					if err != nil {
						return err
					}
				}
				return nil
			})
			db.left = transactions
			if err := s.Delete(t.Context(), s.actor("alice"), p.ID, ""); transactions == 1 != errors.Is(err, errCut) ||
				transactions > 1 && err != nil {
				t.Fatalf("delete: %v", err)
			}
			_, err := s.Get(t.Context(), s.id("alice"), p.ID)
			wantFault(t, err, social.CodeNotFound)
			if transactions == 1 {
				db.left = 100
				s.work(t)
			}
			if db.widest > outbox.RedactPageSize {
				t.Errorf("one transaction emptied %d announcements, want at most %d", db.widest, outbox.RedactPageSize)
			}
			entries := 0
			for _, r := range s.Outbox(t) {
				switch {
				case r.Op == storage.OpRedact:
					entries++
				case r.Type == social.EventPostDeleted && r.Redacted:
					t.Errorf("the end of the post was emptied too: %v", r)
				case r.Type != social.EventPostDeleted && !r.Redacted:
					t.Fatalf("still announced: %v", r)
				}
			}
			if entries != 3 {
				t.Errorf("%d redact entries, want one for each page", entries)
			}
			s.Read(t, func(q storage.Querier) error {
				var n int
				err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM post_redactions`).Scan(&n)
				if n != 0 {
					t.Errorf("%d redactions are not finished", n)
				}
				return err
			})
		})
	}
}
