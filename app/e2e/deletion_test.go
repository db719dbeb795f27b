package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestHalfDoneDeletion (I26): a deletion that was cut off behind its first page is finished before the first stream is
// answered: no replay shows what REST says is gone.
func TestHalfDoneDeletion(t *testing.T) {
	const word, told = "zebraword", 1250
	var armed, refusing atomic.Bool
	hooks := app.Hooks{SQLite: func(p sqlite.Point) error {
		switch {
		case p == sqlite.PointCommitted && armed.Load():
			refusing.Store(true)
		case p == sqlite.PointBegin && refusing.Load():
			return fmt.Errorf("no page more: %w", storage.ErrFull)
		}
		return nil
	}}
	w := startWorld(t, nil, 2, withHooks(hooks))
	alice := newCaller(w.URL, w.People[0].Token)
	var post struct{ ID string }
	decode(t, alice.must(t, 201, "POST", "/v1/posts", map[string]any{"text": "a " + word}), &post)
	id, err := social.ParseID(post.ID)
	if err != nil {
		t.Fatal(err)
	}
	like := func() json.RawMessage {
		return fmt.Appendf(nil, `{"id":%[1]q,"receiver_id":%[1]q,"type":"like","actor":null,"object":{"kind":"post",
			"id":%[2]q,"url":"x","excerpt":"a %[3]s","preview_url":null},
			"group":{"key":%[1]q,"count":1,"actors":[]},"text":"","content":null,
			"url":"x","data":null,"is_read":false,"seen_at":null,"read_at":null,"archived_at":null,
			"created_at":"2025-01-01T00:00:00.000Z","updated_at":"2025-01-01T00:00:00.000Z"}`, w.People[0].ID, post.ID, word)
	}
	err = w.db.InTx(t.Context(), func(tx storage.Tx) error { // as many likes announce it
		for range told {
			err := outbox.Announce(t.Context(), tx, outbox.Announcement{
				Stream: social.Stream{Kind: social.To, User: w.People[0].ID}, Type: social.EventNotification, Object: id, Time: 1,
				Data: like()})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	replay := func() int {
		return strings.Count(joined(everything(t, w.URL, w.People[0], "all")), word)
	}
	if n := replay(); n < told {
		t.Fatalf("the word is replayed %d times before the deletion", n)
	}
	armed.Store(true)
	if status, _, err := alice.ask("DELETE", "/v1/posts/"+post.ID, nil); status != 507 || err != nil {
		t.Fatalf("the deletion was answered %d, %v", status, err)
	}
	w.set["server.listen"] = strings.TrimPrefix(w.URL, "http://")
	w.stop()
	armed.Store(false)
	refusing.Store(false)
	w.start()
	alice.must(t, 404, "GET", "/v1/posts/"+post.ID, nil)
	if n := replay(); n > 0 {
		t.Errorf("the post is gone, and its word is replayed %d times", n)
	}
}
