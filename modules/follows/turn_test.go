package follows_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// learn reads whom a person follows as a timeline does.
func (s *site) learn(t testing.TB, who string) {
	t.Helper()
	turn := s.Turn()
	s.Read(t, func(q storage.Querier) error {
		_, err := s.FollowingSince(t.Context(), q, s.id(who), turn)
		return err
	})
}

// at is what memory says of a person at a turn.
func (s *site) at(who string, turn uint64) (names []string, known bool) {
	list, known := s.FollowingAt(s.id(who), turn)
	for _, e := range list {
		names = append(names, s.users.name(e.User))
	}
	return names, known
}

func (s *site) wantKnown(t *testing.T, when, who string, names ...string) {
	t.Helper()
	if got, known := s.at(who, s.Turn()); !known || !slices.Equal(got, names) {
		t.Errorf("%s: %s follows %v (known: %v), want %v", when, who, got, known, names)
	}
}

func (s *site) wantUnknown(t *testing.T, when, who string) {
	t.Helper()
	if got, known := s.at(who, s.Turn()); known {
		t.Errorf("%s: memory says that %s follows %v", when, who, got)
	}
}

func TestFollowingAt(t *testing.T) {
	s := open(t, "bob", "alice", "carl")
	s.wantUnknown(t, "nobody asked", "bob")
	s.follow(t, "bob", "alice", follows.Wishes{})
	s.learn(t, "bob")
	s.wantKnown(t, "read", "bob", "alice")
	s.wantUnknown(t, "nobody asked", "carl")

	before := s.Turn()
	s.Bus.React(event.On("test: look", func(ctx, storage.Tx, event.FollowStarted) error {
		s.wantUnknown(t, "under way", "bob")
		return nil
	}))
	s.follow(t, "bob", "carl", follows.Wishes{})
	s.wantUnknown(t, "changed", "bob")
	s.learn(t, "bob")
	s.wantKnown(t, "read again", "bob", "alice", "carl")
	if got, known := s.at("bob", before); known {
		t.Errorf("memory says that bob followed %v before the change", got)
	}

	s.Read(t, func(old storage.Querier) error {
		turn := s.Turn()
		if _, err := s.Service.Following(t.Context(), old, s.id("alice")); err != nil { // the snapshot is taken here
			return err
		}
		s.unfollow(t, "bob", "alice")
		_, err := s.FollowingSince(t.Context(), old, s.id("bob"), turn)
		s.wantUnknown(t, "read in a snapshot from before the change", "bob")
		return err
	})
	s.Read(t, func(q storage.Querier) error {
		_, err := s.FollowingSince(t.Context(), q, s.id("bob"), 0)
		s.wantUnknown(t, "nobody knows how old the snapshot is", "bob")
		return err
	})
}

// The end of an account begins in a transaction of which follows does not see the end.
func TestFollowingAtWhenAccountsEnd(t *testing.T) {
	s := open(t, "bob", "alice", "carl")
	s.follow(t, "bob", "alice", follows.Wishes{})
	s.follow(t, "bob", "carl", follows.Wishes{})
	s.learn(t, "bob")

	undone := errors.New("undone")
	err := s.DB.InTx(t.Context(), func(tx storage.Tx) error {
		return errors.Join(undone, s.Bus.Emit(t.Context(), tx, event.UserDeleted{UserID: s.id("carl"), At: s.Clock.Now()}))
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	s.learn(t, "bob")
	s.wantUnknown(t, "nobody has seen that it was undone", "bob")
	s.work(t)
	s.learn(t, "bob")
	s.wantKnown(t, "undone", "bob", "alice", "carl")

	s.Read(t, func(old storage.Querier) error {
		turn := s.Turn()
		if _, err := s.Service.Following(t.Context(), old, social.NewID()); err != nil { // the snapshot is taken here
			return err
		}
		s.end(t, "carl")
		_, err := s.FollowingSince(t.Context(), old, s.id("bob"), turn)
		s.wantUnknown(t, "ended", "bob")
		return err
	})
	s.work(t)
	s.learn(t, "alice")
	s.wantUnknown(t, "nobody has asked since", "bob")
	s.learn(t, "bob")
	s.wantKnown(t, "all is done", "bob", "alice")
}
