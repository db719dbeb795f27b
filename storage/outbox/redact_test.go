package outbox_test

import (
	"context"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// TestRedactPage: a redaction in pages empties what was in the outbox when it began, a page at a time, and leaves
// alone what is announced of the same object meanwhile.
func TestRedactPage(t *testing.T) {
	db := openStore(t)
	post := id(8)
	add := func(n int) {
		inTx(t, db, func(ctx context.Context, tx storage.Tx) error {
			for range n {
				_, err := outbox.Add(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.To, User: id(1)},
					Type:  "notification",
					Actor: id(2), Object: post, Data: []byte(`{}`)})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	full := func() (n int) {
		for _, r := range read(t, db) {
			if r.op == storage.OpAppend && r.data != nil {
				n++
			}
		}
		return n
	}
	add(2*outbox.RedactPageSize + 1)
	var rest int64
	for pages, want := range []int{outbox.RedactPageSize + 1, 3 + 1, 3} {
		inTx(t, db, func(ctx context.Context, tx storage.Tx) (err error) {
			rest, err = outbox.RedactPage(ctx, tx, at, outbox.Match{Object: post, Before: rest})
			return err
		})
		if pages == 0 {
			add(3)
			want += 3
		}
		if got := full(); got != want {
			t.Errorf("%d announcements are left after page %d, want %d", got, pages+1, want)
		}
		if (rest == 0) != (pages == 2) {
			t.Errorf("page %d says that the rest is before %d", pages+1, rest)
		}
	}
	inTx(t, db, func(ctx context.Context, tx storage.Tx) error {
		return outbox.Redact(ctx, tx, at, outbox.Match{Object: post})
	})
	if got := full(); got != 0 {
		t.Errorf("a redaction of everything leaves %d", got)
	}
}
