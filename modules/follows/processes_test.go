package follows_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/storage"
)

// process is another process on the same store: it shares nothing but that with s.
func (s *site) process(cfg follows.Config) *site {
	other := &site{Fixture: s.Fixture, users: s.users}
	other.Service = follows.New(cfg, s.DB, s.Bus, s.Clock, s.Pages)
	other.Ports = s.Ports
	return other
}

// What one process has answered, every process says at once, whatever it has kept.
func TestOneProcessWritesAnotherReads(t *testing.T) {
	one := open(t, "bob", "alice", "carl")
	two := one.process(follows.DefaultConfig())
	want := func(when string, names ...string) {
		t.Helper()
		for name, process := range map[string]*site{"the process that wrote": one, "the other": two} {
			if got := process.following(t, "bob"); !slices.Equal(got, names) {
				t.Errorf("%s, by %s bob follows %v, want %v", when, name, got, names)
			}
		}
	}
	want("at first")
	one.follow(t, "bob", "alice", follows.Wishes{})
	want("after a follow", "alice")
	two.follow(t, "bob", "carl", follows.Wishes{})
	want("after another", "alice", "carl")
	two.unfollow(t, "bob", "alice")
	want("after an unfollow", "carl")
	one.follow(t, "bob", "alice", follows.Wishes{})
	want("after it began anew", "carl", "alice")

	undone := errors.New("undone")
	err := one.DB.InTx(t.Context(), func(tx storage.Tx) error {
		err := one.Bus.Emit(t.Context(), tx, event.UserDeleted{UserID: one.id("carl"), At: one.Clock.Now()})
		inside, err2 := one.Service.Following(t.Context(), tx, one.id("bob"))
		if len(inside) != 1 {
			t.Errorf("in the transaction of carl's end bob follows %v", inside)
		}
		return errors.Join(undone, err, err2)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	want("after an end that was undone", "carl", "alice")
	one.Read(t, func(old storage.Querier) error {
		if _, err := two.Service.Following(t.Context(), old, one.id("bob")); err != nil { // the snapshot is taken here
			return err
		}
		one.end(t, "carl")
		want("after carl's end", "alice")
		list, err := two.Service.Following(t.Context(), old, one.id("bob"))
		if len(list) != 2 {
			t.Errorf("a snapshot from before carl's end shows %v", list)
		}
		return err
	})
	one.work(t)
	want("after the work", "alice")
	one.Read(t, func(old storage.Querier) error {
		if _, err := two.Service.Following(t.Context(), old, one.id("bob")); err != nil {
			return err
		}
		one.unfollow(t, "bob", "alice")
		want("after the last unfollow")
		_, err := one.Service.Following(t.Context(), old, one.id("bob"))
		want("after a look into an old snapshot")
		return err
	})
}
