package posts_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// site is posts on a temporary store, with people and follows that are plain maps.
type site struct {
	*posts.Service
	*moduletest.Fixture
	users   *people
	follows *graph
	facts   *facts
	head    social.Cursor
}

func (s *site) Head() social.Cursor { return s.head }

func open(t testing.TB, names ...string) *site {
	return openWith(t, posts.DefaultConfig(), names...)
}

func openWith(t testing.TB, cfg posts.Config, names ...string) *site {
	t.Helper()
	return openOn(t, cfg, func(db storage.DB) storage.DB { return db }, names...)
}

// openGivingBack is open on a store that gives keys of undone transactions out again.
func openGivingBack(t testing.TB, names ...string) *site {
	t.Helper()
	return openOn(t, posts.DefaultConfig(), func(db storage.DB) storage.DB { return &givingBack{DB: db} }, names...)
}

func openOn(t testing.TB, cfg posts.Config, on func(storage.DB) storage.DB, names ...string) *site {
	t.Helper()
	s := &site{Fixture: moduletest.Open(t, posts.Migrations), users: &people{refs: map[social.ID]social.UserRef{}},
		follows: &graph{edges: map[[2]social.ID]social.FollowEdge{}}, facts: &facts{}}
	s.Service = posts.New(cfg, social.Site{PublicURL: "https://social.example"}, on(s.DB), s.Bus, s.Clock, s.Pages)
	s.Ports = posts.Ports{Users: s.users, People: s.users, Follows: s.follows, Log: s,
		Limits: social.Unlimited{}}
	s.Bus.React(s.Reactions()...)
	s.Bus.React(
		event.On("test: published", func(_ context.Context, _ storage.Tx,
			f event.PostPublished) error {
			return s.facts.add(f)
		}),
		event.On("test: edited", func(_ context.Context, _ storage.Tx, f event.PostEdited) error { return s.facts.add(f) }),
		event.On("test: removed", func(_ context.Context, _ storage.Tx, f event.PostRemoved) error { return s.facts.add(f) }),
		event.On("test: liked", func(_ context.Context, _ storage.Tx, f event.PostLiked) error { return s.facts.add(f) }),
		event.On("test: unliked", func(_ context.Context, _ storage.Tx, f event.PostUnliked) error { return s.facts.add(f) }),
	)
	for _, n := range names {
		s.users.add(n)
	}
	return s
}

// process is another process on the same store: it shares nothing but that with s.
func (s *site) process(cfg posts.Config) *site {
	other := *s
	other.Service = posts.New(cfg, social.Site{PublicURL: "https://social.example"}, s.DB, s.Bus, s.Clock, s.Pages)
	other.Ports = s.Ports
	return &other
}

// id gives a person by name; "" is nobody.
func (s *site) id(name string) social.ID { return s.users.id(name) }

func (s *site) actor(name string) social.Actor {
	return social.Actor{UserID: s.id(name), Role: social.RoleUser}
}

// write publishes and fails the test if it cannot.
func (s *site) write(t testing.TB, who string, d posts.Draft) posts.Post {
	t.Helper()
	p, err := s.Publish(t.Context(), s.actor(who), d, nil)
	if err != nil {
		t.Fatalf("%s writes %q: %v", who, d.Text, err)
	}
	return p
}

func (s *site) say(t testing.TB, who, text string) posts.Post {
	t.Helper()
	return s.write(t, who, posts.Draft{Text: text})
}

func (s *site) answer(t testing.TB, who string, to posts.Post, text string) posts.Post {
	t.Helper()
	return s.write(t, who, posts.Draft{Text: text, ReplyTo: to.ID})
}

func (s *site) remove(t testing.TB, who string, p posts.Post) {
	t.Helper()
	if err := s.Delete(t.Context(), s.actor(who), p.ID, ""); err != nil {
		t.Fatalf("%s deletes %q: %v", who, p.Text, err)
	}
}

func (s *site) like(t testing.TB, who string, p posts.Post, on bool) posts.LikeState {
	t.Helper()
	l, err := s.Like(t.Context(), s.actor(who), p.ID, on)
	if err != nil {
		t.Fatalf("%s likes %q: %v", who, p.Text, err)
	}
	return l
}

// end deletes an account as users does.
func (s *site) end(t testing.TB, who string) {
	t.Helper()
	id := s.id(who)
	s.InTx(t, func(tx storage.Tx) error {
		return s.Bus.Emit(t.Context(), tx, event.UserDeleted{UserID: id, At: s.Clock.Now()})
	})
	s.users.remove(id)
	s.follows.drop(id)
}

// work runs the background work until there is none.
func (s *site) work(t testing.TB) {
	t.Helper()
	for _, j := range s.Jobs() {
		for more := true; more; {
			var err error
			if more, err = j.Run(t.Context()); err != nil {
				t.Fatalf("%s: %v", j.Name, err)
			}
		}
	}
}

// texts reads a list to its end, page by page.
func texts(t testing.TB, limit int, page func(q social.PageQuery) (social.List[posts.Post], error)) []string {
	t.Helper()
	out := []string{}
	for q := (social.PageQuery{Limit: limit}); ; {
		l, err := page(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Items {
			text := p.Text
			if p.Deleted {
				text = "(deleted)"
			}
			out = append(out, text)
		}
		if l.Next == nil {
			return out
		}
		q.Cursor = *l.Next
	}
}

func (s *site) home(t testing.TB, who string) []string {
	t.Helper()
	return texts(t, 3, func(q social.PageQuery) (social.List[posts.Post], error) {
		l, _, err := s.Home(t.Context(), s.id(who), q)
		return l, err
	})
}

func (s *site) comments(t testing.TB, who string, p posts.Post, newest bool) []string {
	t.Helper()
	return texts(t, 2, func(q social.PageQuery) (social.List[posts.Post], error) {
		return s.Comments(t.Context(), s.id(who), p.ID, newest, q)
	})
}

func (s *site) by(t testing.TB, who, author string, comments bool) []string {
	t.Helper()
	return texts(t, 2, func(q social.PageQuery) (social.List[posts.Post], error) {
		return s.ByAuthor(t.Context(), s.id(who), s.id(author), false, comments, q)
	})
}

func (s *site) get(t testing.TB, who string, p posts.Post) posts.Post {
	t.Helper()
	got, err := s.Get(t.Context(), s.id(who), p.ID)
	if err != nil {
		t.Fatalf("%s gets %q: %v", who, p.Text, err)
	}
	return got
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func wantFault(t testing.TB, err error, code social.Code) {
	t.Helper()
	if !social.IsFault(err, code) {
		t.Errorf("got %v, want the fault %s", err, code)
	}
}

func wantField(t testing.TB, err error, pointer string, code social.FieldCode) {
	t.Helper()
	f, ok := err.(*social.Fault)
	if !ok || f.Code != social.CodeValidationFailed || len(f.Fields) != 1 || f.Fields[0].Pointer != pointer ||
		f.Fields[0].Code != code {
		t.Errorf("got %v (%+v), want %s refused as %s", err, f, pointer, code)
	}
}

// golden compares JSON with a file, ids and times replaced by what they stand for.
func golden(t *testing.T, file string, data json.RawMessage, names map[string]string) {
	t.Helper()
	text := string(data)
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

// people are users as a map.
type people struct {
	mu   sync.RWMutex
	refs map[social.ID]social.UserRef
}

func (p *people) add(name string) social.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := social.NewID()
	p.refs[id] = social.UserRef{ID: id, Username: name, DisplayName: strings.ToUpper(name[:1]) + name[1:]}
	return id
}

func (p *people) remove(id social.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.refs, id)
}

func (p *people) id(name string) social.ID {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id, r := range p.refs {
		if r.Username == name {
			return id
		}
	}
	if name != "" {
		panic(fmt.Sprintf("nobody is called %q", name))
	}
	return social.ID{}
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

func (p *people) RefsByName(_ context.Context, _ storage.Querier, names []string) (map[string]social.UserRef, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := map[string]social.UserRef{}
	for _, r := range p.refs {
		if slices.Contains(names, r.Username) {
			out[r.Username] = r
		}
	}
	return out, nil
}

func (p *people) Views(ctx context.Context, q storage.Querier, _ social.ID, ids []social.ID) ([]social.User, error) {
	refs, err := p.Refs(ctx, q, ids)
	var out []social.User
	for _, id := range ids {
		if r, ok := refs[id]; ok {
			out = append(out, social.User{ID: r.ID, Username: r.Username})
		}
	}
	return out, err
}

// graph is who follows whom, as a map.
type graph struct {
	mu    sync.RWMutex
	edges map[[2]social.ID]social.FollowEdge
}

func (s *site) follow(who, whom string) {
	s.follows.mu.Lock()
	defer s.follows.mu.Unlock()
	s.follows.edges[[2]social.ID{s.id(who), s.id(whom)}] = social.FollowEdge{User: s.id(whom), Bell: true}
}

func (s *site) unfollow(who, whom string) {
	s.follows.mu.Lock()
	defer s.follows.mu.Unlock()
	delete(s.follows.edges, [2]social.ID{s.id(who), s.id(whom)})
}

func (g *graph) drop(id social.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for pair := range g.edges {
		if pair[0] == id || pair[1] == id {
			delete(g.edges, pair)
		}
	}
}

func (g *graph) Following(_ context.Context, _ storage.Querier, follower social.ID) ([]social.FollowEdge, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []social.FollowEdge
	for pair, e := range g.edges {
		if pair[0] == follower {
			out = append(out, e)
		}
	}
	return out, nil
}

func (g *graph) IsFollowing(_ context.Context, _ storage.Querier, follower, followed social.ID) (bool, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	_, ok := g.edges[[2]social.ID{follower, followed}]
	return ok, nil
}

// facts records what was emitted. A transaction that runs more than once records more than once; tests that count
// look at the store as well.
type facts struct {
	mu   sync.Mutex
	list []event.Fact
}

func (f *facts) add(one event.Fact) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, one)
	return nil
}

func (f *facts) drain() []event.Fact {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.list
	f.list = nil
	return list
}

func factNames(list []event.Fact) []string {
	out := []string{}
	for _, f := range list {
		out = append(out, f.FactName())
	}
	return out
}
