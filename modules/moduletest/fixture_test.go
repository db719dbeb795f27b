package moduletest_test

import (
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

func TestFixture(t *testing.T) {
	f := moduletest.Open(t)
	if got := f.Clock(); !got.Equal(moduletest.Start) {
		t.Errorf("clock begins at %v, want %v", got, moduletest.Start)
	}
	f.Advance(time.Hour)
	if got := f.Clock.Now().Sub(social.TimeOf(moduletest.Start)); got != time.Hour {
		t.Errorf("clock moved by %v, want an hour", got)
	}
	author, other, post := social.NewID(), social.NewID(), social.NewID()
	f.InTx(t, func(tx storage.Tx) error {
		_, err := outbox.Add(t.Context(), tx,
			outbox.Announcement{Stream: social.Stream{Kind: social.By, User: author}, Type: "post.created", Actor: author,
				Object: post,
				About:  []social.ID{author, other, author}, Time: f.Clock.Now(), Data: []byte(`{"text":"hello"}`)},
			outbox.Announcement{Stream: social.Stream{Kind: social.To, User: other}, Type: "audience.changed", Internal: true,
				Time: f.Clock.Now(), Data: []byte(`{}`)})
		return err
	})
	rows := f.Outbox(t)
	if len(rows) != 2 {
		t.Fatalf("outbox has %v, want 2 rows", rows)
	}
	first := rows[0]
	if first.Op != storage.OpAppend || first.Type != "post.created" || first.Actor != author || first.Object != post ||
		len(first.About) != 2 || first.About[1] != other || string(first.Data) != `{"text":"hello"}` || first.Redacted ||
		first.Internal || first.Time != f.Clock.Now() {
		t.Errorf("first row is %+v", first)
	}
	if !rows[1].Internal || !rows[1].Actor.IsZero() {
		t.Errorf("second row is %+v, want an internal one by nobody", rows[1])
	}
	f.InTx(t, func(tx storage.Tx) error {
		return outbox.Redact(t.Context(), tx, f.Clock.Now(), outbox.Match{Object: post})
	})
	rows = f.DrainOutbox(t)
	if len(rows) != 3 || !rows[0].Redacted || rows[0].Data != nil || rows[1].Redacted ||
		rows[2].Op != storage.OpRedact || rows[2].Object != post {
		t.Errorf("after a redaction the outbox has %v", rows)
	}
	if rest := f.Outbox(t); len(rest) != 0 {
		t.Errorf("after draining the outbox has %v", rest)
	}
}
