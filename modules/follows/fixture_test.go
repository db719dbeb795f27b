package follows_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// site is follows on a temporary store, with people that are a plain map.
type site struct {
	*follows.Service
	*moduletest.Fixture
	users *people

	mu    sync.Mutex
	facts []event.Fact
}

func open(t testing.TB, names ...string) *site { return openWith(t, follows.DefaultConfig(), names...) }

func openWith(t testing.TB, cfg follows.Config, names ...string) *site {
	t.Helper()
	return openOn(t, cfg, func(db storage.DB) storage.DB { return db }, names...)
}

// openGivingBack is open on a store that gives keys of undone transactions out again.
func openGivingBack(t testing.TB, names ...string) *site {
	t.Helper()
	return openOn(t, follows.DefaultConfig(), func(db storage.DB) storage.DB { return &givingBack{DB: db} }, names...)
}

func openOn(t testing.TB, cfg follows.Config, on func(storage.DB) storage.DB, names ...string) *site {
	t.Helper()
	s := &site{Fixture: moduletest.Open(t, follows.Migrations), users: &people{refs: map[social.ID]social.UserRef{},
		ids: map[string]social.ID{}}}
	s.Service = follows.New(cfg, on(s.DB), s.Bus, s.Clock, s.Pages)
	s.Ports.Users = s.users
	s.Bus.React(s.Reactions()...)
	s.Bus.React(
		event.On("test: started", func(_ context.Context, _ storage.Tx, f event.FollowStarted) error { return s.note(f) }),
		event.On("test: ended", func(_ context.Context, _ storage.Tx, f event.FollowEnded) error { return s.note(f) }),
	)
	for _, n := range names {
		s.users.add(n)
	}
	return s
}

func (s *site) note(f event.Fact) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts = append(s.facts, f)
	return nil
}

func (s *site) drain() []event.Fact {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.facts
	s.facts = nil
	return list
}

func (s *site) id(name string) social.ID { return s.users.id(name) }

func (s *site) actor(name string) social.Actor { return social.Actor{UserID: s.id(name)} }

func (s *site) follow(t testing.TB, who, whom string, w follows.Wishes) social.Relationship {
	t.Helper()
	r, err := s.Follow(t.Context(), s.actor(who), s.id(whom), w)
	if err != nil {
		t.Fatalf("%s follows %s: %v", who, whom, err)
	}
	return r
}

func (s *site) unfollow(t testing.TB, who, whom string) social.Relationship {
	t.Helper()
	r, err := s.Unfollow(t.Context(), s.actor(who), s.id(whom))
	if err != nil {
		t.Fatalf("%s unfollows %s: %v", who, whom, err)
	}
	return r
}

func (s *site) end(t testing.TB, name string) { s.endAt(t, name, 1) }

// endAt ends an account whose user.deleted has a position.
func (s *site) endAt(t testing.TB, name string, p social.Position) {
	t.Helper()
	id := s.id(name)
	s.InTx(t, func(tx storage.Tx) error {
		return s.Bus.Emit(t.Context(), tx, event.UserDeleted{UserID: id, At: s.Clock.Now(), Position: p})
	})
	s.users.remove(name)
}

// ended gives the names of those whose end a person is to be told of, in order, each with what it stands behind.
func (s *site) ended(t testing.TB, who string) (list []string) {
	t.Helper()
	s.Read(t, func(q storage.Querier) error {
		edges, err := s.Ended(t.Context(), q, s.id(who))
		for _, e := range edges {
			list = append(list, fmt.Sprint(s.users.name(e.User), " ", e.Since))
		}
		return err
	})
	slices.Sort(list)
	return list
}

func (s *site) work(t testing.TB) (turns int) {
	t.Helper()
	for more := true; more; turns++ {
		var err error
		if more, err = s.Jobs()[0].Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return turns
}

// following gives the names a person follows, by the port.
func (s *site) following(t testing.TB, who string) []string {
	t.Helper()
	names := []string{}
	s.Read(t, func(q storage.Querier) error {
		list, err := s.Service.Following(t.Context(), q, s.id(who))
		for _, e := range list {
			names = append(names, s.users.name(e.User))
		}
		return err
	})
	return names
}

// page is Page in a snapshot of its own.
func (s *site) page(t testing.TB, viewer, person social.ID, following bool,
	p social.PageQuery) (l social.List[social.ID], err error) {
	s.Read(t, func(q storage.Querier) error {
		l, err = s.Page(t.Context(), q, viewer, person, following, p)
		return nil
	})
	return l, err
}

func (s *site) list(t testing.TB, who string, following bool, limit int) []string {
	t.Helper()
	names := []string{}
	for q := (social.PageQuery{Limit: limit}); ; {
		l, err := s.page(t, social.ID{}, s.id(who), following, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range l.Items {
			names = append(names, s.users.name(id))
		}
		if l.Next == nil {
			return names
		}
		q.Cursor = *l.Next
	}
}

func wantFault(t testing.TB, err error, code social.Code) {
	t.Helper()
	if !social.IsFault(err, code) {
		t.Errorf("got %v, want the fault %s", err, code)
	}
}

func golden(t *testing.T, file, text string, names map[string]string) {
	t.Helper()
	for id, name := range names {
		text = strings.ReplaceAll(text, id, "<"+name+">")
	}
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text+"\n" != string(want) {
		t.Errorf("%s:\ngot  %s\nwant %s", file, text, want)
	}
}

// people are users as a map. Names stay known after the end of an account, for the tests.
type people struct {
	mu   sync.RWMutex
	refs map[social.ID]social.UserRef
	ids  map[string]social.ID
}

func (p *people) add(name string) social.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := social.NewID()
	p.refs[id] = social.UserRef{ID: id, Username: name, DisplayName: name}
	p.ids[name] = id
	return id
}

func (p *people) remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.refs, p.ids[name])
}

func (p *people) id(name string) social.ID {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.ids[name]
}

func (p *people) name(id social.ID) string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for n, i := range p.ids {
		if i == id {
			return n
		}
	}
	return ""
}

func (p *people) Refs(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := map[social.ID]social.UserRef{}
	for _, id := range ids {
		if r, ok := p.refs[id]; ok {
			out[id] = r
		}
	}
	return out, nil
}
