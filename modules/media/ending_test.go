package media_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// TestAvatar: one that was replaced stays until no kept event names it.
func TestAvatar(t *testing.T) {
	a := open(t)
	first, second := a.send(t, a.alice), a.send(t, a.alice)
	file, err := a.wear(t, first.ID)
	if err != nil || "https://social.example/media/"+file != *first.PreviewURL {
		t.Fatalf("%q, %v; want %s", file, err, *first.PreviewURL)
	}
	if again, err := a.wear(t, first.ID); err != nil || again != file {
		t.Errorf("once more: %q, %v", again, err)
	}
	if _, err := a.wear(t, social.NewID()); !hasField(err, "/avatar_media_id", social.FieldNotFound) {
		t.Errorf("none: %v", err)
	}
	var named int64
	a.InTx(t, func(tx storage.Tx) (err error) {
		named, err = outbox.Add(t.Context(), tx, outbox.Announcement{Stream: social.Stream{Kind: social.By,
			User: a.alice.UserID}, Type: social.EventPostCreated, Time: a.Clock.Now(), Data: []byte(`{}`)})
		return err
	})
	if _, err := a.wear(t, second.ID); err != nil {
		t.Fatal(err)
	}
	floor := func(at int64) {
		a.InTx(t, func(tx storage.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE log_state SET floor = $1 WHERE id = 1`, at)
			return err
		})
		a.Advance(48 * time.Hour)
		a.work(t)
	}
	if floor(named - 1); !a.shown(t, first) || !a.shown(t, second) {
		t.Error("an avatar that an event names is gone")
	}
	if floor(named); a.shown(t, first) || !a.shown(t, second) {
		t.Error("an avatar that no event names is there, or the present one is not")
	}
	if file, err := a.wear(t, social.ID{}); err != nil || file != "" {
		t.Errorf("none: %q, %v", file, err)
	}
	if floor(named + 5); len(a.kept(t)) != 0 {
		t.Errorf("kept are %v", a.kept(t))
	}
}

// TestEndedAccount: everything of it is out of sight at once, also what was being made, and gone when the jobs have
// run.
func TestEndedAccount(t *testing.T) {
	a := open(t)
	bob := social.Actor{UserID: social.NewID()}
	stays := a.send(t, bob)
	var mine []social.Media
	for range 70 { // more than a page
		mine = append(mine, a.send(t, a.alice))
	}
	if _, err := a.wear(t, mine[3].ID); err != nil {
		t.Fatal(err)
	}
	a.SetPatience(0)
	free := a.HoldTurns(t)
	if _, err := a.Upload(t.Context(), a.alice, media.Draft{}, drawn(t, 1), nil); err != nil {
		t.Fatal(err)
	}
	a.emit(t, event.UserDeleted{UserID: a.alice.UserID, At: a.Clock.Now()})
	for _, m := range mine {
		if a.shown(t, m) {
			t.Fatal("a picture of an ended account is shown before any job has run")
		}
	}
	a.work(t)
	free()
	a.Wait()
	a.work(t)
	if names := a.kept(t); len(names) != 2 || !a.shown(t, stays) {
		t.Errorf("kept are %v", names)
	}
}

// TestDiskFull: what cannot be kept is answered as a full store is, and nothing of it stays.
func TestDiskFull(t *testing.T) {
	a := open(t)
	a.send(t, a.alice)
	if err := os.RemoveAll(filepath.Join(a.dir, ".parts")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Upload(t.Context(), a.alice, media.Draft{}, drawn(t, 1), nil); err == nil || social.IsFault(err,
		social.CodeMediaRejected) {
		t.Errorf("%v", err)
	}
	a.Advance(25 * time.Hour)
	a.work(t)
	a.nothingIsLeft(t)
}
