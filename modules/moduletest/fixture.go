package moduletest

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// Fixture is what a module's New is given in tests.
type Fixture struct {
	DB    *sqlite.DB
	Clock social.Clock // stands still until Advance or SetTime; begins at Start
	Pages *social.PageCursors
	Log   *zap.Logger
	Bus   *event.Bus // without reactions

	now atomic.Int64 // nanoseconds
}

// Start is the time at which every Clock begins.
var Start = time.Date(2025, time.March, 1, 12, 0, 0, 0, time.UTC)

// Open makes an empty store with storage.OwnMigrations and those given, whose order does not matter. It is closed
// and checked when the test ends.
func Open(t testing.TB, list ...storage.Migrations) *Fixture {
	t.Helper()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(t.TempDir(), sqlite.FileName),
		Synchronous: sqlite.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	f := &Fixture{DB: db, Log: zaptest.NewLogger(t), Bus: &event.Bus{}}
	t.Cleanup(func() { f.close(t) })
	if err := storage.MigrateAll(ctx, db, append(list, storage.OwnMigrations)...); err != nil {
		t.Fatal(err)
	}
	key, err := storage.ServerKey(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	f.Pages = social.NewPageCursors(storage.DeriveKey(key, "page cursors"))
	f.Clock = func() time.Time { return time.Unix(0, f.now.Load()).UTC() }
	f.SetTime(Start)
	return f
}

// Advance moves the clock by d, backwards too.
func (f *Fixture) Advance(d time.Duration) { f.now.Add(int64(d)) }

// SetTime sets the clock.
func (f *Fixture) SetTime(to time.Time) { f.now.Store(to.UnixNano()) }

// InTx runs fn in a transaction and fails the test if it does not commit.
func (f *Fixture) InTx(t testing.TB, fn func(tx storage.Tx) error) {
	t.Helper()
	if err := f.DB.InTx(t.Context(), fn); err != nil {
		t.Fatalf("transaction: %v", err)
	}
}

// Read runs fn on the reader pool and fails the test on an error.
func (f *Fixture) Read(t testing.TB, fn func(q storage.Querier) error) {
	t.Helper()
	if err := f.DB.Read(t.Context(), fn); err != nil {
		t.Fatalf("read: %v", err)
	}
}

func (f *Fixture) close(t testing.TB) {
	if err := f.DB.Check(context.Background()); err != nil { // the test's own context has ended by now
		t.Errorf("the store is damaged at the end of the test: %v", err)
	}
	if err := f.DB.Close(); err != nil {
		t.Errorf("close the store: %v", err)
	}
}
