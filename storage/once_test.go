package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

func open(t testing.TB) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName),
		Synchronous: sqlite.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := storage.MigrateAll(t.Context(), db, storage.OwnMigrations); err != nil {
		t.Fatal(err)
	}
	return db
}

type answer struct {
	ID   social.ID `json:"id"`
	Text string    `json:"text"`
}

// publish is a service that makes one thing a call, repeatable by key; made counts what became true.
func publish(ctx context.Context, db storage.DB, once *storage.Once, text string, made *atomic.Int64) (a answer,
	err error) {
	replayed := false
	err = db.InTx(ctx, func(tx storage.Tx) error {
		a = answer{ID: social.NewID(), Text: text}
		var err error
		if replayed, err = once.Begin(ctx, tx, &a); replayed || err != nil {
			return err
		}
		return once.Save(ctx, tx, a)
	})
	if err == nil && !replayed {
		made.Add(1)
	}
	return a, err
}

var (
	now    = social.TimeOf(time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC))
	person = social.Actor{UserID: social.ID{15: 1}}
	other  = social.Actor{UserID: social.ID{15: 2}}
)

// TestH27SameKeyAtOnce: one act, a hundred equal answers, all but one marked as replayed.
func TestH27SameKeyAtOnce(t *testing.T) {
	db := open(t)
	var made, replayed atomic.Int64
	answers := make(chan answer, 100)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			once := storage.NewOnce(person, now, "POST /v1/posts", "key", []byte(`{"text":"hello"}`))
			a, err := publish(t.Context(), db, once, "hello", &made)
			if err != nil {
				t.Error(err)
			}
			if once.Replayed() {
				replayed.Add(1)
			}
			answers <- a
		})
	}
	wg.Wait()
	close(answers)
	if made.Load() != 1 || replayed.Load() != 99 {
		t.Errorf("%d acts and %d replays, want 1 and 99", made.Load(), replayed.Load())
	}
	first := <-answers
	for a := range answers {
		if a != first {
			t.Errorf("answers differ: %v and %v", first, a)
		}
	}
}

func TestOnceScope(t *testing.T) {
	db := open(t)
	var made atomic.Int64
	call := func(a social.Actor, at social.Time, route, key, body string) (answer, error) {
		return publish(t.Context(), db, storage.NewOnce(a, at, route, key, []byte(body)), body, &made)
	}
	first, err := call(person, now, "POST /v1/posts", "key", "one")
	if err != nil {
		t.Fatal(err)
	}
	service := social.Actor{ServiceID: person.UserID}
	for name, again := range map[string]func() (answer, error){
		"another person":  func() (answer, error) { return call(other, now, "POST /v1/posts", "key", "one") },
		"a service token": func() (answer, error) { return call(service, now, "POST /v1/posts", "key", "one") },
		"another route":   func() (answer, error) { return call(person, now, "POST /v1/endpoints", "key", "one") },
		"another key":     func() (answer, error) { return call(person, now, "POST /v1/posts", "Key", "one") },
		"no key":          func() (answer, error) { return call(person, now, "POST /v1/posts", "", "one") },
		"a day later": func() (answer, error) {
			return call(person, now.Add(storage.OnceTTL), "POST /v1/posts",
				"key", "one")
		},
		"nobody is signed in": func() (answer, error) { return call(social.Actor{}, now, "POST /v1/posts", "key", "one") },
	} {
		if a, err := again(); err != nil || a.ID == first.ID {
			t.Errorf("%s: %v, %v, want an act of its own", name, a, err)
		}
	}
	if made.Load() != 8 {
		t.Errorf("%d acts, want 8", made.Load())
	}
	// The answer of "a day later" is the one kept now.
	if _, err := call(person, now.Add(storage.OnceTTL+time.Hour), "POST /v1/posts", "key", "two"); !social.IsFault(err,
		social.CodeIdempotencyMismatch) {
		t.Errorf("another body under the same key is answered %v", err)
	}
}

// TestOnceUndone: a refused act keeps no answer.
func TestOnceUndone(t *testing.T) {
	db := open(t)
	once := storage.NewOnce(person, now, "POST /v1/posts", "key", nil)
	refused := errors.New("refused")
	err := db.InTx(t.Context(), func(tx storage.Tx) error {
		if err := once.Save(t.Context(), tx, answer{}); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	var made atomic.Int64
	if _, err := publish(t.Context(), db, once, "hello", &made); err != nil || made.Load() != 1 || once.Replayed() {
		t.Errorf("after a refused act: %d acts, replayed %v, %v", made.Load(), once.Replayed(), err)
	}
}

func TestTrimAndEraseOnce(t *testing.T) {
	db := open(t)
	var made atomic.Int64
	for i := range 10 {
		at := now.Add(time.Duration(i) * time.Hour)
		for _, a := range []social.Actor{person, other} {
			if _, err := publish(t.Context(), db, storage.NewOnce(a, at, "POST /v1/posts", fmt.Sprint(i), nil), "",
				&made); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := func() (n int) {
		t.Helper()
		err := db.Read(t.Context(), func(q storage.Querier) error {
			return q.QueryRow(t.Context(), `SELECT count(*) FROM idempotency_keys`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	at := now.Add(storage.OnceTTL + 4*time.Hour) // five of ten have ended, of each person
	for i, want := range []struct {
		more bool
		kept int
	}{{true, 14}, {false, 10}, {false, 10}} {
		more, err := storage.TrimOnce(t.Context(), db, at, 6)
		if err != nil || more != want.more || kept() != want.kept {
			t.Errorf("trim %d: more %v, kept %d, %v, want %+v", i, more, kept(), err, want)
		}
	}
	if err := db.InTx(t.Context(), func(tx storage.Tx) error {
		return storage.EraseOnce(t.Context(), tx,
			person.UserID)
	}); err != nil {
		t.Fatal(err)
	}
	if got := kept(); got != 5 {
		t.Errorf("after erasing one of two people %d answers are kept, want 5", got)
	}
	pushed := storage.NewOnce(social.Actor{ServiceID: social.NewID()}, at, "POST /v1/notifications", "k", nil)
	pushed.About(other.UserID)
	if _, err := publish(t.Context(), db, pushed, "", &made); err != nil {
		t.Fatal(err)
	}
	if err := db.InTx(t.Context(), func(tx storage.Tx) error {
		return storage.EraseOnce(t.Context(), tx,
			other.UserID)
	}); err != nil {
		t.Fatal(err)
	}
	if got := kept(); got != 0 {
		t.Errorf("%d answers are kept of people who are gone, what a service pushed to one included", got)
	}
}

func TestServerKey(t *testing.T) {
	db := open(t)
	keys := make(chan []byte, 20)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			key, err := storage.ServerKey(t.Context(), db)
			if err != nil {
				t.Error(err)
			}
			keys <- key
		})
	}
	wg.Wait()
	first := <-keys
	if len(first) != storage.KeyLen || bytes.Equal(first, make([]byte, storage.KeyLen)) {
		t.Errorf("the key has %d bytes", len(first))
	}
	for range 19 {
		if key := <-keys; !bytes.Equal(key, first) {
			t.Error("two callers got different keys")
		}
	}
	if key, err := storage.ServerKey(t.Context(), open(t)); err != nil || bytes.Equal(key, first) {
		t.Errorf("another store has the same key, %v", err)
	}
	a, b := storage.DeriveKey(first, "one use"), storage.DeriveKey(first, "another use")
	if len(a) != storage.KeyLen || bytes.Equal(a, b) || bytes.Equal(a, first) || !bytes.Equal(a, storage.DeriveKey(first,
		"one use")) {
		t.Error("derived keys are not one for each label")
	}
	// RFC 5869, test case 3, gives the extract and expand steps without salt; its first 32 bytes with an empty label.
	want := []byte{0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a, 0x31,
		0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1, 0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d}
	if got := storage.DeriveKey(bytes.Repeat([]byte{0x0b}, 22), ""); !bytes.Equal(got, want) {
		t.Errorf("HKDF gives %x, want %x", got, want)
	}
}
