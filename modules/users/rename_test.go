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
