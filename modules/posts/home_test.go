package posts_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func TestHome(t *testing.T) {
	s := open(t, "me", "alice", "bob", "carl")
	s.follow("me", "alice")
	s.follow("me", "bob")
	s.head = social.Cursor{Epoch: 3, Seq: 44}
	a := s.say(t, "alice", "a1")
	s.say(t, "carl", "c1")
	s.answer(t, "bob", a, "no comments here")
	s.write(t, "bob", posts.Draft{Text: "b1 for followers", Visibility: event.Followers})
	s.write(t, "bob", posts.Draft{Text: "b2 for @me", Visibility: event.Mentioned})
	s.write(t, "bob", posts.Draft{Text: "b3 for @carl", Visibility: event.Mentioned})
	s.write(t, "carl", posts.Draft{Text: "c2 for @me", Visibility: event.Mentioned})
	s.write(t, "me", posts.Draft{Text: "m1 for @carl", Visibility: event.Mentioned})
	s.say(t, "me", "m2")
	want := []string{"m2", "m1 for @carl", "b2 for @me", "b1 for followers", "a1"}
	same(t, "home", s.home(t, "me"), want)
	same(t, "again, from memory", s.home(t, "me"), want)
	s.like(t, "me", a, true)
	s.answer(t, "me", a, "counted")
	l, _, err := s.Home(t.Context(), s.id("me"), social.PageQuery{Limit: 9})
	if p := l.Items[4]; err != nil || p.LikeCount != 1 || p.CommentCount != 2 || !p.Viewer.Liked {
		t.Errorf("counts in the timeline: %+v, %v", p, err)
	}
	l, _, err = s.Home(t.Context(), s.id("alice"), social.PageQuery{Limit: 9})
	if p := l.Items[0]; err != nil || p.LikeCount != 1 || p.Viewer.Liked {
		t.Errorf("alice, who does not like it, sees %+v, %v", p, err)
	}
	same(t, "carl follows nobody", s.home(t, "carl"), []string{"c2 for @me", "c1"})
	s.unfollow("me", "bob")
	same(t, "bob unfollowed", s.home(t, "me"), []string{"m2", "m1 for @carl", "a1"})
	s.remove(t, "alice", a)
	same(t, "a1 deleted", s.home(t, "me"), []string{"m2", "m1 for @carl"})
	if _, cursor, err := s.Home(t.Context(), s.id("me"), social.PageQuery{Limit: 1}); err != nil || cursor != s.head {
		t.Errorf("cursor %v, %v; want the head", cursor, err)
	}
}

// Pages stay put under inserts and deletions, forwards and backwards, and know their neighbours.
func TestHomePages(t *testing.T) {
	s := open(t, "me", "alice", "bob")
	s.follow("me", "alice")
	s.follow("me", "bob")
	for i := range 10 {
		s.say(t, []string{"alice", "bob"}[i%2], fmt.Sprint(i))
	}
	page := func(cursor *string) (social.List[posts.Post], []string) {
		t.Helper()
		q := social.PageQuery{Limit: 4}
		if cursor != nil {
			q.Cursor = *cursor
		}
		l, _, err := s.Home(t.Context(), s.id("me"), q)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range l.Items {
			out = append(out, p.Text)
		}
		return l, out
	}
	first, got := page(nil)
	same(t, "first", got, []string{"9", "8", "7", "6"})
	if first.Prev != nil {
		t.Error("something before the newest")
	}
	s.say(t, "alice", "new")
	second, got := page(first.Next)
	same(t, "second", got, []string{"5", "4", "3", "2"})
	s.remove(t, "alice", second.Items[1]) // "4"
	third, got := page(second.Next)
	same(t, "third", got, []string{"1", "0"})
	if third.Next != nil {
		t.Error("something behind the oldest")
	}
	back, got := page(third.Prev)
	same(t, "back from the third", got, []string{"6", "5", "3", "2"})
	_, got = page(back.Prev)
	same(t, "and once more", got, []string{"new", "9", "8", "7"})
	// H26: a cursor of somebody else, of another list, edited.
	for name, try := range map[string]func() error{
		"another person's": func() error {
			_, _, err := s.Home(t.Context(), s.id("bob"), social.PageQuery{Limit: 4, Cursor: *first.Next})
			return err
		},
		"another list's": func() error {
			_, err := s.ByAuthor(t.Context(), s.id("me"), s.id("alice"), false, false, social.PageQuery{Limit: 4,
				Cursor: *first.Next})
			return err
		},
		"edited": func() error {
			_, _, err := s.Home(t.Context(), s.id("me"), social.PageQuery{Limit: 4, Cursor: (*first.Next)[1:] +
				(*first.Next)[:1]})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantFault(t, try(), social.CodeInvalidCursor) })
	}
}

// Random writers and readers in several processes on one store, against plain slices. Some processes have little
// memory, so that all is loaded, kept and dropped.
func TestHomeModel(t *testing.T) {
	s := open(t)
	processes := []*site{s}
	for _, keys := range []int{0, 5, 300, 1 << 20} {
		cfg := posts.DefaultConfig()
		cfg.CachedKeys, cfg.CachedBytes = keys, keys*20
		processes = append(processes, s.process(cfg))
	}
	rapid.Check(t, func(r *rapid.T) {
		var names []string // new people each time, in a store that grows
		for _, n := range []string{"ann", "ben", "cid", "dan"} {
			names = append(names, fmt.Sprintf("%s%d", n, len(s.users.refs)))
			s.users.add(names[len(names)-1])
		}
		type entry struct {
			p        posts.Post
			who      string
			named    string
			likes    map[string]bool
			comments int
		}
		var all []entry
		follows := map[[2]string]bool{}
		who := rapid.SampledFrom(names)
		sees := func(reader string, e entry) bool {
			if e.who != reader && !follows[[2]string{reader, e.who}] {
				return false
			}
			return e.p.Visibility != event.Mentioned || e.who == reader || e.named == reader
		}
		for step := range rapid.IntRange(5, 40).Draw(r, "steps") {
			s := rapid.SampledFrom(processes).Draw(r, "process")
			switch op := rapid.SampledFrom([]string{"write", "write", "write", "burst", "delete", "follow", "like", "like",
				"comment", "read", "read", "read", "recent"}).Draw(r, "op"); op {
			case "write":
				e := entry{who: who.Draw(r, "author"), named: who.Draw(r, "named"), likes: map[string]bool{}}
				e.p = s.write(t, e.who, posts.Draft{Text: fmt.Sprintf("%d @%s", step, e.named),
					Visibility: rapid.SampledFrom([]event.Visibility{event.Public, event.Followers, event.Mentioned}).Draw(r,
						"visibility")})
				all = append(all, e)
			case "burst": // more than is loaded at first
				a := who.Draw(r, "author")
				for range rapid.SampledFrom([]int{1, 130}).Draw(r, "many") {
					all = append(all, entry{p: s.say(t, a, fmt.Sprintf("%d burst %d", step, len(all))), who: a,
						likes: map[string]bool{}})
				}
			case "delete":
				if len(all) > 0 {
					i := rapid.IntRange(0, len(all)-1).Draw(r, "which")
					s.remove(t, all[i].who, all[i].p)
					all = slices.Delete(all, i, i+1)
				}
			case "like", "comment":
				if len(all) == 0 {
					break
				}
				e, by := &all[rapid.IntRange(max(0, len(all)-5), len(all)-1).Draw(r, "which")], who.Draw(r, "by")
				switch {
				case !sees(by, *e) && e.p.Visibility != event.Public:
				case op == "like":
					if s.like(t, by, e.p, !e.likes[by]).Liked {
						e.likes[by] = true
					} else {
						delete(e.likes, by)
					}
				case s.answer(t, by, e.p, "a comment").ID != e.p.ID:
					e.comments++
				}
			case "follow":
				if pair := [2]string{who.Draw(r, "follower"), who.Draw(r, "followed")}; follows[pair] {
					delete(follows, pair)
					s.unfollow(pair[0], pair[1])
				} else if pair[0] != pair[1] {
					follows[pair] = true
					s.follow(pair[0], pair[1])
				}
			case "read":
				reader := who.Draw(r, "reader")
				var want []string
				for _, e := range slices.Backward(all) {
					if sees(reader, e) {
						want = append(want, fmt.Sprint(e.p.Text, len(e.likes), e.comments, e.likes[reader]))
					}
				}
				limit := rapid.SampledFrom([]int{1, 7, 100}).Draw(r, "limit")
				if len(want) > 30 {
					limit = 90
				}
				got := texts(t, limit, func(q social.PageQuery) (social.List[posts.Post], error) {
					l, _, err := s.Home(t.Context(), s.id(reader), q)
					for i, p := range l.Items {
						l.Items[i].Text = fmt.Sprint(p.Text, p.LikeCount, p.CommentCount, p.Viewer.Liked)
					}
					return l, err
				})
				if !slices.Equal(got, want) {
					r.Fatalf("home of %s: got %q, want %q", reader, got, want)
				}
			case "recent":
				reader, w := who.Draw(r, "reader"), social.Window{Rising: rapid.Bool().Draw(r, "rising"),
					Limit: rapid.IntRange(1, 9).Draw(r, "limit")}
				edges, _ := s.follows.Following(t.Context(), nil, s.id(reader))
				var want []string
				for i := range edges {
					if len(all) > 0 && rapid.Bool().Draw(r, "since") {
						edges[i].SinceKey = s.key(t, all[rapid.IntRange(0, len(all)-1).Draw(r, "since post")].p)
					}
				}
				s.Read(t, func(q storage.Querier) error {
					got, err := s.RecentBy(t.Context(), q, s.id(reader), edges, w)
					if err != nil {
						return err
					}
					ids := []social.ID{}
					for _, e := range all {
						ids = append(ids, e.p.ID)
					}
					infos, err := s.Info(t.Context(), q, ids)
					if err != nil {
						return err
					}
					list := slices.Clone(all)
					if !w.Rising {
						slices.Reverse(list)
					}
					for _, e := range list {
						for _, edge := range edges {
							if i := infos[e.p.ID]; edge.User == i.Author.ID && i.Key > edge.SinceKey && i.Visibility != event.Mentioned &&
								len(want) < w.Limit {
								want = append(want, i.Excerpt)
							}
						}
					}
					texts := []string(nil)
					for _, i := range got {
						texts = append(texts, i.Excerpt)
					}
					if !slices.Equal(texts, want) {
						r.Fatalf("recent for %s, %+v: got %q, want %q", reader, w, texts, want)
					}
					return nil
				})
			}
		}
	})
}

// A reader whose snapshot is older than what is kept in memory neither spoils it nor reads wrongly.
func TestOldSnapshotSpoilsNothing(t *testing.T) {
	s := open(t, "me", "alice", "bob")
	s.follow("me", "alice")
	s.follow("me", "bob")
	first := s.say(t, "bob", "b1")
	same(t, "bob's tail in memory", s.home(t, "bob"), []string{"b1"})
	edges := []social.FollowEdge{{User: s.id("alice")}, {User: s.id("bob")}}
	s.Read(t, func(q storage.Querier) error {
		var n int
		if err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM posts`).Scan(&n); err != nil { // the snapshot is taken here
			return err
		}
		old := func(when string) {
			t.Helper()
			got, err := s.RecentBy(t.Context(), q, s.id("me"), edges,
				social.Window{Limit: 1}) // loads alice from the old snapshot
			if err != nil || len(got) != 1 || got[0].Excerpt != "b1" {
				t.Errorf("%s the old snapshot shows %v, %v; want b1 alone", when, got, err)
			}
		}
		s.say(t, "alice", "a1")
		s.say(t, "bob", "b2")
		same(t, "bob reads in the meantime", s.home(t, "bob"), []string{"b2", "b1"})
		old("after two posts")
		s.remove(t, "bob", first)
		same(t, "bob reads again", s.home(t, "bob"), []string{"b2"})
		old("after a deletion")
		return nil
	})
	same(t, "home", s.home(t, "me"), []string{"b2", "a1"})
}

// What a transaction sees stays in it when it is undone.
func TestUndoneTransactionSpoilsNothing(t *testing.T) {
	undone := errors.New("undone")
	for name, warm := range map[string]bool{"with memory": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			s := openGivingBack(t, "me", "alice", "stranger")
			s.follow("me", "alice")
			s.say(t, "alice", "a1")
			if warm {
				s.home(t, "me")
			}
			seen := 0
			s.Bus.React(event.On("test: look and fail", func(ctx ctx, tx storage.Tx, f event.PostPublished) error {
				if f.Post.Excerpt != "a2" {
					return nil
				}
				got, err := s.RecentBy(ctx, tx, s.id("me"), []social.FollowEdge{{User: s.id("alice")}}, social.Window{Limit: 9})
				seen = len(got)
				return errors.Join(err, undone)
			}))
			if _, err := s.Publish(t.Context(), s.actor("alice"), posts.Draft{Text: "a2"}, nil); !errors.Is(err, undone) {
				t.Fatal(err)
			}
			if seen != 2 {
				t.Errorf("inside the transaction %d posts were seen, want 2", seen)
			}
			same(t, "home", s.home(t, "me"), []string{"a1"})
			s.say(t, "stranger", "s1") // gets the key that was given back
			same(t, "home after a stranger's post", s.home(t, "me"), []string{"a1"})
			s.say(t, "alice", "a3")
			same(t, "home after a write", s.home(t, "me"), []string{"a3", "a1"})
		})
	}
}

// key gives a post's order key.
func (s *site) key(t testing.TB, p posts.Post) (key int64) {
	s.Read(t, func(q storage.Querier) error {
		infos, err := s.Info(t.Context(), q, []social.ID{p.ID})
		key = infos[p.ID].Key
		return err
	})
	return key
}

// Writes that no reader of this process was told of are found all the same, few or many.
func TestManyWritesBetweenReads(t *testing.T) {
	s := open(t, "me", "alice")
	s.follow("me", "alice")
	want := 0
	var inside []event.PostInfo // what the last writing transaction saw
	s.Bus.React(event.On("test: look", func(ctx ctx, tx storage.Tx, f event.PostPublished) (err error) {
		if f.Post.Excerpt == "last" {
			inside, err = s.RecentBy(ctx, tx, s.id("me"), []social.FollowEdge{{User: s.id("alice")}}, social.Window{Limit: 2})
		}
		return err
	}))
	for _, n := range []int{1, 511, 512, 513, 514, 600} {
		for range n - 1 {
			s.say(t, "alice", "x")
		}
		last := s.say(t, "alice", "last")
		if len(inside) != min(want+n, 2) || inside[0].ID != last.ID || len(inside) == 2 && n > 1 && inside[1].Excerpt != "x" {
			t.Errorf("after %d more a transaction saw %+v", n, inside)
		}
		want += n
		if got := len(texts(t, 100, func(q social.PageQuery) (social.List[posts.Post], error) {
			l, _, err := s.Home(t.Context(), s.id("me"), q)
			return l, err
		})); got != want {
			t.Errorf("after %d more home has %d posts, want %d", n, got, want)
		}
	}
}

// Whoever is named by many strangers does not pay for it with each look at a full timeline.
func TestHomeStopsAmongStrangers(t *testing.T) {
	var asked queries
	s := openOn(t, posts.DefaultConfig(), func(db storage.DB) storage.DB { asked.DB = db; return &asked }, "me",
		"alice", "stranger")
	s.follow("me", "alice")
	for range 100 {
		s.write(t, "stranger", posts.Draft{Text: "look here, @me", Visibility: event.Mentioned})
	}
	s.write(t, "alice", posts.Draft{Text: "a0 for @me", Visibility: event.Mentioned})
	for _, text := range []string{"a1", "a2", "a3"} {
		s.say(t, "alice", text)
	}
	page, _, err := s.Home(t.Context(), s.id("me"), social.PageQuery{Limit: 2})
	if err != nil || len(page.Items) != 2 || page.Next == nil {
		t.Fatalf("first page: %d posts, %v", len(page.Items), err)
	}
	asked.count = 0
	if _, _, err := s.Home(t.Context(), s.id("me"), social.PageQuery{Limit: 2}); err != nil || asked.count > 3 {
		t.Errorf("a full page asks %d queries, %v; want changes, addressed posts and counts", asked.count, err)
	}
	page, _, err = s.Home(t.Context(), s.id("me"), social.PageQuery{Limit: 2, Cursor: *page.Next})
	if err != nil || len(page.Items) != 2 || page.Items[1].Text != "a0 for @me" {
		t.Errorf("second page: %+v, %v, want a1 and a0", page.Items, err)
	}
}

// queries counts what is read.
type queries struct {
	storage.DB
	count int
}

func (c *queries) Read(ctx ctx, fn func(q storage.Querier) error) error {
	return c.DB.Read(ctx, func(q storage.Querier) error { return fn(counting{q, c}) })
}

type counting struct {
	storage.Querier
	c *queries
}

func (q counting) Query(ctx ctx, text string, args ...any) (storage.Rows, error) {
	q.c.count++
	return q.Querier.Query(ctx, text, args...)
}
