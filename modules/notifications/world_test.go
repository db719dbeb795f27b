package notifications_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// world is the module among plain stand-ins for the others. They answer from maps and keep no history.
type world struct {
	*moduletest.Fixture
	t     testing.TB
	s     *notifications.Service
	names map[string]social.UserRef
	ids   int // ids are given in order, so that golden files hold
	posts map[social.ID]event.PostInfo
	edges map[social.ID][]social.FollowEdge
	seen  *watcher
}

func newWorld(t testing.TB, change ...func(*notifications.Config)) *world {
	t.Helper()
	cfg := notifications.DefaultConfig()
	for _, c := range change {
		c(&cfg)
	}
	w := &world{Fixture: moduletest.Open(t, notifications.Migrations), t: t, names: map[string]social.UserRef{},
		posts: map[social.ID]event.PostInfo{}, edges: map[social.ID][]social.FollowEdge{}}
	site := social.Site{Name: "Belfry", PublicURL: "https://social.example"}
	w.seen = &watcher{DB: w.DB, queries: map[string][]any{}}
	w.s = notifications.New(cfg, w.seen, w.Clock, site, w.Pages, w.Log)
	w.s.Ports = notifications.Ports{Users: w, Posts: w, Follows: w, Log: w}
	w.Bus.React(w.s.Reactions()...)
	return w
}

func (w *world) id() social.ID {
	w.ids++
	id, err := social.ParseID(fmt.Sprintf("0198f3a0-0000-7000-8000-%012d", w.ids))
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// user gives a person by name, known from now on.
func (w *world) user(name string) social.UserRef {
	if _, ok := w.names[name]; !ok {
		w.names[name] = social.UserRef{ID: w.id(), Username: name, DisplayName: strings.ToUpper(name[:1]) + name[1:]}
	}
	return w.names[name]
}

func (w *world) now() social.Time { return w.Clock.Now() }

func (w *world) emit(list ...event.Fact) {
	w.t.Helper()
	w.InTx(w.t, func(tx storage.Tx) error {
		for _, f := range list {
			if err := w.Bus.Emit(w.t.Context(), w.seen.tx(tx), f); err != nil {
				return err
			}
		}
		return nil
	})
}

// post publishes; change may make it a comment, narrow it or name people.
func (w *world) post(author, text string, change ...func(*event.PostInfo)) event.PostInfo {
	w.t.Helper()
	p := event.PostInfo{ID: w.id(), Author: w.user(author), Visibility: event.Public, Excerpt: text, CreatedAt: w.now()}
	p.RootID, p.RootAuthor = p.ID, p.Author.ID
	for _, c := range change {
		c(&p)
	}
	w.InTx(w.t, func(tx storage.Tx) (err error) {
		if p.Key, err = tx.NextKey(w.t.Context()); err != nil {
			return err
		}
		w.posts[p.ID] = p
		return w.Bus.Emit(w.t.Context(), w.seen.tx(tx), event.PostPublished{Post: p})
	})
	return p
}

func under(to event.PostInfo) func(*event.PostInfo) {
	return func(p *event.PostInfo) {
		p.ReplyTo, p.ReplyAuthor, p.RootID, p.RootAuthor, p.Visibility = to.ID, to.Author.ID, to.RootID, to.RootAuthor,
			to.Visibility
	}
}

func naming(people ...social.UserRef) func(*event.PostInfo) {
	return func(p *event.PostInfo) {
		for _, u := range people {
			p.Mentions = append(p.Mentions, u.ID)
		}
	}
}

func only(v event.Visibility) func(*event.PostInfo) {
	return func(p *event.PostInfo) { p.Visibility = v }
}

func (w *world) like(who string, p event.PostInfo) {
	w.t.Helper()
	w.emit(event.PostLiked{Post: p, Liker: w.user(who), At: w.now()})
}

func (w *world) unlike(who string, p event.PostInfo) {
	w.t.Helper()
	w.emit(event.PostUnliked{Post: p, Liker: w.user(who).ID, At: w.now()})
}

func (w *world) remove(p event.PostInfo) {
	w.t.Helper()
	delete(w.posts, p.ID)
	w.InTx(w.t, func(tx storage.Tx) error {
		if err := outbox.Redact(w.t.Context(), tx, w.now(), outbox.Match{Object: p.ID}); err != nil {
			return err
		}
		return w.Bus.Emit(w.t.Context(), w.seen.tx(tx), event.PostRemoved{Post: p, At: w.now()})
	})
}

func (w *world) deleteUser(name string) {
	w.t.Helper()
	u := w.user(name)
	delete(w.names, name)
	w.emit(event.UserDeleted{UserID: u.ID, At: w.now()})
}

// follow makes an edge with the bell on and tells of it.
func (w *world) follow(follower, followed string) {
	w.t.Helper()
	a, b := w.user(follower), w.user(followed)
	w.InTx(w.t, func(tx storage.Tx) error {
		key, err := tx.NextKey(w.t.Context())
		if err != nil {
			return err
		}
		w.edges[a.ID] = append(slices.DeleteFunc(w.edges[a.ID], func(e social.FollowEdge) bool { return e.User == b.ID }),
			social.FollowEdge{User: b.ID, SinceKey: key, Bell: true})
		return w.Bus.Emit(w.t.Context(), w.seen.tx(tx), event.FollowStarted{Follower: a, Followed: b, At: w.now()})
	})
}

func (w *world) unfollow(follower, followed string) {
	w.t.Helper()
	a, b := w.user(follower), w.user(followed)
	w.edges[a.ID] = slices.DeleteFunc(w.edges[a.ID], func(e social.FollowEdge) bool { return e.User == b.ID })
	w.emit(event.FollowEnded{Follower: a.ID, Followed: b.ID, At: w.now()})
}

func (w *world) bell(follower, followed string, on bool) {
	for i, e := range w.edges[w.user(follower).ID] {
		if e.User == w.user(followed).ID {
			w.edges[w.user(follower).ID][i].Bell = on
		}
	}
}

func (w *world) list(who string, f notifications.Filter) []notifications.Notification {
	w.t.Helper()
	l, err := w.s.List(w.t.Context(), w.user(who).ID, f, social.PageQuery{Limit: 100})
	if err != nil {
		w.t.Fatalf("list of %s: %v", who, err)
	}
	return l.Items
}

func (w *world) counts(who string) notifications.Counts {
	w.t.Helper()
	c, err := w.s.Counts(w.t.Context(), w.user(who).ID)
	if err != nil {
		w.t.Fatalf("counts of %s: %v", who, err)
	}
	return c
}

// sweep runs the job until it has nothing left to do.
func (w *world) sweep() {
	w.t.Helper()
	for _, j := range w.s.Jobs() {
		for more := true; more; {
			var err error
			if more, err = j.Run(w.t.Context()); err != nil {
				w.t.Fatalf("%s: %v", j.Name, err)
			}
		}
	}
}

// events gives what stands in somebody's to: stream, and takes it out of the outbox.
func (w *world) events(who string) []moduletest.Row {
	w.t.Helper()
	to := social.Stream{Kind: social.To, User: w.user(who).ID}
	return slices.DeleteFunc(w.DrainOutbox(w.t),
		func(r moduletest.Row) bool { return r.Op != storage.OpAppend || r.Stream != to })
}

// told says in words what a list holds: the type, who, and the object's excerpt.
func told(list []notifications.Notification) []string {
	out := []string{}
	for _, n := range list {
		text := n.Type
		if n.Actor != nil {
			text += " by " + n.Actor.Username
		}
		if n.Object != nil && n.Object.Kind != event.KindUser {
			text += " on " + n.Object.Excerpt
		}
		out = append(out, text)
	}
	return out
}

func (w *world) wantTold(who string, want ...string) {
	w.t.Helper()
	if got := told(w.list(who, notifications.Filter{})); !slices.Equal(got, append([]string{}, want...)) {
		w.t.Errorf("%s was told %q, want %q", who, got, want)
	}
}

func (w *world) wantEvents(who string, want ...string) []moduletest.Row {
	w.t.Helper()
	list := w.events(who)
	var got []string
	for _, r := range list {
		got = append(got, r.Type)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("events to %s: %v, want %v", who, list, want)
	}
	return list
}

func (w *world) day(days float64) { w.Advance(time.Duration(days * float64(24*time.Hour))) }

// The ports.

func (w *world) Head() social.Cursor { return social.Cursor{Epoch: 1, Seq: 7} }

func (w *world) Refs(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	out := map[social.ID]social.UserRef{}
	for _, u := range w.names {
		if slices.Contains(ids, u.ID) {
			out[u.ID] = u
		}
	}
	return out, nil
}

func (w *world) RefsByName(_ context.Context, _ storage.Querier, names []string) (map[string]social.UserRef, error) {
	out := map[string]social.UserRef{}
	for _, n := range names {
		if u, ok := w.names[n]; ok {
			out[n] = u
		}
	}
	return out, nil
}

func (w *world) Info(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]event.PostInfo, error) {
	out := map[social.ID]event.PostInfo{}
	for _, id := range ids {
		if p, ok := w.posts[id]; ok {
			out[id] = p
		}
	}
	return out, nil
}

func (w *world) InfoFor(ctx context.Context, q storage.Querier, reader social.ID,
	ids []social.ID) (map[social.ID]event.PostInfo, error) {
	out, err := w.Info(ctx, q, ids)
	for id, p := range out {
		p.ByFollow = p.Visibility == event.Followers && reader != p.RootAuthor &&
			!slices.Contains(w.posts[p.RootID].Mentions, reader)
		out[id] = p
		follows, _ := w.IsFollowing(ctx, q, reader, p.RootAuthor)
		if p.ByFollow && !follows || p.Visibility == event.Mentioned && reader != p.RootAuthor &&
			!slices.Contains(w.posts[p.RootID].Mentions, reader) {
			delete(out, id)
		}
	}
	return out, err
}

func (w *world) RecentBy(_ context.Context, _ storage.Querier, _ social.ID, edges []social.FollowEdge,
	win social.Window) ([]event.PostInfo, error) {
	var out []event.PostInfo
	for _, p := range w.posts {
		for _, e := range edges {
			if e.User == p.Author.ID && p.Key > e.SinceKey && p.ReplyTo.IsZero() && p.Visibility != event.Mentioned &&
				(!win.Bound || win.Rising && p.Key > win.Key || !win.Rising && p.Key < win.Key) {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b event.PostInfo) int {
		if win.Rising {
			a, b = b, a
		}
		return cmp.Compare(b.Key, a.Key)
	})
	return out[:min(len(out), win.Limit)], nil
}

func (w *world) Following(_ context.Context, _ storage.Querier, follower social.ID) ([]social.FollowEdge, error) {
	return slices.Clone(w.edges[follower]), nil
}

func (w *world) IsFollowing(_ context.Context, _ storage.Querier, follower, followed social.ID) (bool, error) {
	return slices.ContainsFunc(w.edges[follower], func(e social.FollowEdge) bool { return e.User == followed }), nil
}
