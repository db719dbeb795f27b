package outbox_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// A start writes nothing, a run that gives no position leaves no row, and no number comes twice.
func TestEpochsAreOfRuns(t *testing.T) {
	h := newHome(t, t.TempDir())
	seen := map[uint32]int{}
	for n := range 6 {
		h.start(false)
		if n%2 == 1 {
			h.write()
			h.write()
		}
		h.stop(false)
		h.start(false)
		if got := len(h.log.Kept().Epochs); got != 1+(n+1)/2 {
			t.Errorf("after %d runs the table has %d rows", n+1, got)
		}
		for _, e := range h.log.Kept().Epochs {
			seen[e.Number]++
		}
		h.stop(false)
	}
	if len(seen) != 4 || seen[0] != 0 {
		t.Errorf("the numbers are %v", slices.Sorted(maps.Keys(seen)))
	}
}

// An act that is undone gives no position, alone and beside others in one commit.
func TestEpochOfUndoneActs(t *testing.T) {
	h := newHome(t, t.TempDir())
	h.start(false)
	defer h.stop(false)
	refused := errors.New("refused")
	for range 3 {
		err := h.db.InTx(h.ctx, func(tx storage.Tx) error {
			if err := outbox.Erase(h.ctx, tx, 1, person(1)); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
	}
	h.must(h.relay.CatchUp(h.ctx))
	if k := h.log.Kept(); len(k.Epochs) != 1 || k.Head != 0 {
		t.Errorf("after undone acts: %+v", k)
	}
	h.write()
	h.resume()
	if k := h.log.Kept(); len(k.Epochs) != 2 || k.Epochs[1].After != 0 {
		t.Errorf("after the first act: %+v", k)
	}
}

// A database that was put back beside the write-ahead log of another moment is not served.
func TestMixedDatabaseIsRefused(t *testing.T) {
	h := newHome(t, t.TempDir())
	h.start(false)
	h.write()
	h.must(h.db.Fits(h.ctx))
	h.must(h.db.InTx(h.ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(h.ctx, `DELETE FROM outbox`)
		return err
	}))
	if err := h.db.Fits(h.ctx); !errors.Is(err, sqlite.ErrMixed) {
		t.Errorf("got %v", err)
	}
	h.must(h.db.InTx(h.ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(h.ctx, `UPDATE log_state SET floor = 1`)
		return err
	}))
	h.must(h.db.Fits(h.ctx))
	h.stop(true)
}
