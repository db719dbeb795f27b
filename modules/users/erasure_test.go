package users_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/outbox"
)

// The end of an account erases everything of the person from the log, and yet every node hears that their streams
// have to end, though both reach the log together.
func TestDeleteIsHeardBehindTheErasure(t *testing.T) {
	w := open(t)
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "log.bolt"))
	log, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := outbox.Reconcile(t.Context(), w.DB, log); err != nil {
		t.Fatal(err)
	}
	relay := outbox.NewRelay(w.DB, log, w.Clock, w.Log)
	begin := log.Head()
	id := w.register(t, "alice").User.ID
	w.InTx(t, func(tx storage.Tx) error {
		_, err := outbox.Add(t.Context(), tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: id},
			Type:  social.EventPostCreated,
			Actor: id, About: []social.ID{id}, Time: w.Clock.Now(), Data: []byte(`{"text":"hello"}`)})
		return err
	})
	if err := w.users.Delete(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if err := relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for erase := outbox.EraseJob(w.DB, log); ; {
		more, err := erase.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		w.Advance(time.Minute)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // only ever reached by a failure
	defer cancel()
	for events, err := range log.Tail(ctx, begin) {
		if err != nil {
			t.Fatal(err)
		}
		if len(events) != 2 || events[0].Type != social.EventAccessRevoked || !events[0].Internal ||
			events[0].Stream.User != id || string(events[0].Data) != "{}" ||
			events[1].Type != social.EventUserDeleted || events[1].Internal ||
			events[1].Stream != (social.Stream{Kind: social.By, User: id}) ||
			string(events[1].Data) != `{"id":"`+id.String()+`"}` {
			t.Errorf("the tail gives %v, want the end of access, the end of the account, and nothing else", events)
		}
		break
	}
}
