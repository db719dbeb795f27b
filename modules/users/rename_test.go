package users_test

import (
	"context"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

// around is a store that does something inside each transaction, behind its work, and right after its commit.
type around struct {
	storage.DB
	within func(q storage.Querier)
	after  func()
}

func (a *around) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	err := a.DB.InTx(ctx, func(tx storage.Tx) error {
		err := fn(tx)
		a.within(tx)
		return err
	})
	a.after()
	return err
}

// TestNamesFollowTheStore: a name is never older than what the store says, neither to the transaction that changes it,
// nor to whoever asks the moment after its commit.
func TestNamesFollowTheStore(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*users.Service, social.Actor) error
		want   string // "" = nobody
	}{
		"profile": {func(s *users.Service, a social.Actor) error {
			fresh := "Alice II"
			return second(s.UpdateMe(t.Context(), a, users.ProfileChange{DisplayName: users.Change[string]{Set: true,
				Value: &fresh}}))
		}, "Alice II"},
		"end": {func(s *users.Service, _ social.Actor) error { return s.Delete(t.Context(), "alice") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			a := w.actor(t, w.register(t, "alice"))
			db := &around{DB: w.DB}
			s := users.New(users.DefaultConfig(), social.Site{}, db, w.Bus, w.Clock, w.Pages, w.Log)
			ask := func(q storage.Querier) string {
				refs, err := s.Refs(t.Context(), q, []social.ID{a.UserID})
				if err != nil {
					t.Error(err)
				}
				return refs[a.UserID].DisplayName
			}
			w.Read(t, func(q storage.Querier) error {
				if got := ask(q); got != "alice" {
					t.Errorf("before the change the person is called %q", got)
				}
				return nil
			})
			see := func(when string, q storage.Querier) {
				if got := ask(q); got != tt.want {
					t.Errorf("%s the person is called %q, want %q", when, got, tt.want)
				}
			}
			db.within = func(q storage.Querier) { see("inside the transaction", q) }
			db.after = func() {
				w.Read(t, func(q storage.Querier) error { see("right after the commit", q); return nil })
			}
			if err := tt.change(s, a); err != nil {
				t.Fatal(err)
			}
			w.Read(t, func(q storage.Querier) error { see("later", q); return nil })
		})
	}
}

// TestNamesOfSeveralProcesses: what one process remembers never hides what another wrote, nor shows it to a snapshot
// from before.
func TestNamesOfSeveralProcesses(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	process := func() *users.Service {
		return users.New(users.DefaultConfig(), social.Site{}, w.DB, w.Bus, w.Clock, w.Pages, w.Log)
	}
	one, other := process(), process()
	want := func(s *users.Service, q storage.Querier, when, name string) {
		t.Helper()
		refs, err := s.Refs(t.Context(), q, []social.ID{a.UserID})
		if got := refs[a.UserID].DisplayName; err != nil || got != name {
			t.Errorf("%s the person is called %q, %v, want %q", when, got, err, name)
		}
	}
	w.Read(t, func(before storage.Querier) error {
		want(one, before, "at first", "alice")
		fresh := "Alice II"
		change := users.ProfileChange{DisplayName: users.Change[string]{Set: true, Value: &fresh}}
		if _, err := other.UpdateMe(t.Context(), a, change); err != nil {
			return err
		}
		w.Read(t, func(q storage.Querier) error {
			want(one, q, "after another process changed it", "Alice II")
			want(other, q, "to who changed it", "Alice II")
			return nil
		})
		want(one, before, "in a snapshot from before, where memory is newer,", "alice")
		want(other, before, "likewise", "alice")
		w.Read(t, func(q storage.Querier) error {
			want(one, q, "where memory is older", "Alice II")
			return nil
		})
		return nil
	})
}
