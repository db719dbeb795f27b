package posts_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// openCounted is open on a store that counts what is read.
func openCounted(t *testing.T, names ...string) (*site, *moduletest.CountedDB) {
	counted := &moduletest.CountedDB{T: t}
	s := openOn(t, posts.DefaultConfig(), func(db storage.DB) storage.DB { counted.DB = db; return counted }, names...)
	counted.F = s.Fixture
	return s, counted
}

// many writes n posts in few transactions.
func (s *site) many(t *testing.T, n int, write func() error) {
	t.Helper()
	for range n {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHiddenCostsNothing: what a reader may not see costs them nothing that grows with it. Each list is filled with
// what the reader is not shown, ten times as much the second time. A list that is walked under a budget costs at most
// that; every other costs what it cost when there was nothing.
func TestHiddenCostsNothing(t *testing.T) {
	const n = 600 // more than social.ScanBudget
	type list func(s *site, reader social.ID, q social.PageQuery) (social.List[posts.Post], error)
	by := func(comments bool) list {
		return func(s *site, reader social.ID, q social.PageQuery) (social.List[posts.Post], error) {
			return s.ByAuthor(context.Background(), reader, s.id("mallory"), false, comments, q)
		}
	}
	home := func(s *site, reader social.ID, q social.PageQuery) (social.List[posts.Post], error) {
		l, _, err := s.Home(context.Background(), reader, q)
		return l, err
	}
	local := func(s *site, reader social.ID, q social.PageQuery) (social.List[posts.Post], error) {
		l, _, err := s.Local(context.Background(), reader, q)
		return l, err
	}
	tagged := func(s *site, reader social.ID, q social.PageQuery) (social.List[posts.Post], error) {
		return s.Tagged(context.Background(), reader, "bell", q)
	}
	below := func(s *site, top posts.Post, text string) func() error {
		return func() error {
			_, err := s.Publish(context.Background(), s.actor("mallory"), posts.Draft{Text: text, ReplyTo: top.ID}, nil)
			return err
		}
	}
	top := func(v event.Visibility, text string) func(s *site) func() error {
		return func(s *site) func() error {
			return func() error {
				_, err := s.Publish(context.Background(), s.actor("mallory"), posts.Draft{Text: text, Visibility: v}, nil)
				return err
			}
		}
	}
	closed := func(s *site) func() error {
		return below(s, s.write(t, "alice", posts.Draft{Text: "closed", Visibility: event.Followers}), "hidden")
	}
	for _, tt := range []struct {
		name, reader string
		budget       bool // a walk
		list         list
		write        func(s *site) func() error
	}{
		{"comments below a post for followers", "", false, by(true), closed},
		{"comments below a post for followers, posts alone", "", false, by(false), closed},
		{"the same for somebody", "viewer", true, by(true), closed},
		{"comments below a post for named people", "", false, by(true), func(s *site) func() error {
			return below(s, s.write(t, "mallory", posts.Draft{Text: "@alice", Visibility: event.Mentioned}), "hidden")
		}},
		{"posts for followers", "", false, by(false), top(event.Followers, "hidden")},
		{"posts for followers, for somebody", "viewer", false, by(true), top(event.Followers, "hidden @alice")},
		{"posts for named people", "", false, by(true), top(event.Mentioned, "hidden @alice")},
		{"posts for other people, for a follower", "fan", false, by(true), top(event.Mentioned, "hidden @alice")},
		{"posts for other people, in the home timeline", "fan", false, home, top(event.Mentioned, "hidden @alice")},
		{"posts for followers, in the local timeline", "", false, local, top(event.Followers, "hidden")},
		{"posts for followers, under a tag", "fan", false, tagged, top(event.Followers, "hidden #bell")},
		{"comments below a post for followers, under a tag", "", false, tagged, func(s *site) func() error {
			return below(s, s.write(t, "alice", posts.Draft{Text: "closed", Visibility: event.Followers}), "hidden #bell")
		}},
		{"a stranger's posts, in the home timeline", "viewer", false, home, top(event.Mentioned, "hidden @viewer")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, counted := openCounted(t, "alice", "mallory", "viewer", "fan")
			s.follow("mallory", "alice")
			s.follow("fan", "mallory")
			s.follow("viewer", "alice")
			s.unfollow("viewer", "alice")
			s.say(t, "mallory", "seen")
			write := tt.write(s)
			look := func() (social.List[posts.Post], int) {
				counted.Steps = 0
				page, err := tt.list(s, s.id(tt.reader), social.PageQuery{Limit: 2})
				if err != nil {
					t.Fatal(err)
				}
				return page, counted.Steps
			}
			_, empty := look()
			s.many(t, n, write)
			_, _ = look() // memory learns what has changed
			few, once := look()
			s.many(t, 9*n, write)
			_, _ = look()
			much, tenfold := look()
			t.Logf("steps: %d with nothing hidden, %d and %d with it", empty, once, tenfold)
			if most := 2*empty + 300; !tt.budget && max(once, tenfold) > most {
				t.Errorf("%d and %d steps, want at most %d", once, tenfold, most)
			}
			if most := once + once/10; tenfold > most {
				t.Errorf("%d steps for ten times as much, want at most %d", tenfold, most)
			}
			for _, page := range []social.List[posts.Post]{few, much} {
				if tt.budget && (len(page.Items) > 0 || page.Next == nil) {
					t.Errorf("%d items and next %v at the end of the budget", len(page.Items), page.Next)
				}
				if !tt.budget && page.Next != nil {
					t.Errorf("a page after all that is to be seen, which tells of what is not")
				}
			}
		})
	}
}

// TestGoneCostsNothing: comments below a comment that were deleted, and what a person leaves behind, are not walked for
// ever, and under a budget until a job has emptied them.
func TestGoneCostsNothing(t *testing.T) {
	s, counted := openCounted(t, "alice", "mallory", "viewer")
	post := s.say(t, "alice", "post")
	comment := s.answer(t, "alice", post, "comment")
	comments := func() (social.List[posts.Post], int) {
		counted.Steps = 0
		page, err := s.Comments(t.Context(), s.id("viewer"), comment.ID, true, social.PageQuery{Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		return page, counted.Steps
	}
	_, empty := comments()
	s.answer(t, "alice", comment, "stays")
	gone := make([]posts.Post, 600)
	for i := range gone {
		gone[i] = s.answer(t, "mallory", comment, "gone")
	}
	for _, p := range gone {
		s.remove(t, "mallory", p)
	}
	page, steps := comments()
	if len(page.Items) != 1 || page.Next != nil || steps > 2*empty+300 {
		t.Errorf("%d comments with %d steps, want one with about %d", len(page.Items), steps, empty)
	}
	for range 2000 {
		s.answer(t, "mallory", comment, "leaves")
	}
	s.end(t, "mallory")
	page, steps = comments()
	if len(page.Items) != 0 || page.Next == nil || steps > 200*social.ScanBudget {
		t.Errorf("%d comments, next %v, with %d steps while an account is emptied", len(page.Items), page.Next, steps)
	}
	same(t, "over all pages", s.comments(t, "viewer", comment, true), []string{"stays"})
	s.work(t)
	page, steps = comments()
	if len(page.Items) != 1 || page.Next != nil || steps > 2*empty+300 {
		t.Errorf("%d comments with %d steps afterwards, want one with about %d", len(page.Items), steps, empty)
	}
}

// TestLeftPublic: what an ended account wrote for everybody is walked under a budget until a job has emptied it.
func TestLeftPublic(t *testing.T) {
	s, counted := openCounted(t, "alice", "mallory")
	s.say(t, "alice", "stays #bell")
	for range 1200 {
		s.say(t, "mallory", "leaves #bell")
	}
	s.end(t, "mallory")
	for what, list := range map[string]func(q social.PageQuery) (social.List[posts.Post], error){
		"local": func(q social.PageQuery) (social.List[posts.Post], error) {
			l, _, err := s.Local(t.Context(), social.ID{}, q)
			return l, err
		},
		"tagged": func(q social.PageQuery) (social.List[posts.Post], error) {
			return s.Tagged(t.Context(), social.ID{}, "bell", q)
		},
	} {
		counted.Steps = 0
		page, err := list(social.PageQuery{Limit: 2})
		if err != nil || len(page.Items) != 0 || page.Next == nil || counted.Steps > 200*social.ScanBudget {
			t.Errorf("%s: %d posts, next %v, %v, with %d steps", what, len(page.Items), page.Next, err, counted.Steps)
		}
		same(t, what+" over all pages", texts(t, 2, list), []string{"stays #bell"})
	}
}

// TestListsModel: every list of every reader, over all its pages, forwards and back, is the plain list without what
// that reader may not see.
func TestListsModel(t *testing.T) {
	names := []string{"ann", "ben", "cleo", "dan"}
	rapid.Check(t, func(r *rapid.T) {
		s := open(t, names...)
		var all []posts.Post
		author := map[social.ID]string{}
		root := map[social.ID]posts.Post{}
		gone := map[social.ID]bool{}
		follows := map[[2]string]bool{}
		sees := func(reader string, p posts.Post) bool {
			top := root[p.ID]
			named := slices.ContainsFunc(top.Mentions, func(m posts.Mention) bool { return m.UserID == s.id(reader) })
			return p.Visibility == event.Public || reader == author[top.ID] || reader != "" && named ||
				p.Visibility == event.Followers && follows[[2]string{reader, author[top.ID]}]
		}
		who := rapid.SampledFrom(names)
		for i := range rapid.IntRange(1, 40).Draw(r, "acts") {
			a, b := who.Draw(r, "a"), who.Draw(r, "b")
			switch op := rapid.SampledFrom([]string{"post", "post", "comment", "comment", "comment", "follow", "unfollow",
				"delete", "edit"}).Draw(r, "op"); op {
			case "post":
				v := rapid.SampledFrom([]event.Visibility{event.Public, event.Followers, event.Mentioned}).Draw(r, "for")
				p := s.write(t, a, posts.Draft{Text: fmt.Sprint(i, " #bell @", b), Visibility: v})
				all, author[p.ID], root[p.ID] = append(all, p), a, p
			case "comment", "delete", "edit":
				if len(all) == 0 {
					continue
				}
				p := rapid.SampledFrom(all).Draw(r, "which")
				switch top := root[p.ID]; {
				case gone[p.ID] || gone[top.ID]:
				case op == "edit":
					now := s.edit(t, author[p.ID], p, text(fmt.Sprint(i, rapid.SampledFrom([]string{" ", " #bell"}).Draw(r, "tag"),
						" @", b)))
					all[slices.IndexFunc(all, func(o posts.Post) bool { return o.ID == p.ID })] = now
					for id, top := range root {
						if top.ID == p.ID {
							root[id] = now
						}
					}
				case op == "delete":
					s.remove(t, author[p.ID], p)
					gone[p.ID] = true
				case sees(a, p):
					c := s.answer(t, a, p, fmt.Sprint(i, " #bell"))
					all, author[c.ID], root[c.ID] = append(all, c), a, top
				}
			case "follow":
				if a != b {
					s.follow(a, b)
					follows[[2]string{a, b}] = true
				}
			case "unfollow":
				s.unfollow(a, b)
				delete(follows, [2]string{a, b})
			}
		}
		for _, reader := range append(names, "") {
			for _, a := range names {
				for _, comments := range []bool{false, true} {
					want := []string{}
					for _, p := range slices.Backward(all) {
						if author[p.ID] == a && !gone[p.ID] && (comments || p.ReplyTo == nil) && sees(reader, p) {
							want = append(want, p.Text)
						}
					}
					checkPages(r, fmt.Sprintf("what %s wrote (%v), for %q", a, comments, reader), want, 2,
						func(q social.PageQuery) (social.List[posts.Post], error) {
							return s.ByAuthor(t.Context(), s.id(reader), s.id(a), false, comments, q)
						})
				}
			}
			local, tagged := []string{}, []string{}
			for _, p := range slices.Backward(all) {
				if p.Visibility == event.Public && !gone[p.ID] {
					if len(p.Tags) > 0 {
						tagged = append(tagged, p.Text)
					}
					if p.ReplyTo == nil {
						local = append(local, p.Text)
					}
				}
			}
			checkPages(r, "the local timeline, for "+reader, local, 2,
				func(q social.PageQuery) (social.List[posts.Post], error) {
					l, _, err := s.Local(t.Context(), s.id(reader), q)
					return l, err
				})
			checkPages(r, "the tag, for "+reader, tagged, 2, func(q social.PageQuery) (social.List[posts.Post], error) {
				return s.Tagged(t.Context(), s.id(reader), "bell", q)
			})
			if reader == "" {
				continue
			}
			want := []string{}
			for _, p := range slices.Backward(all) {
				mine := author[p.ID] == reader || follows[[2]string{reader, author[p.ID]}]
				if mine && !gone[p.ID] && p.ReplyTo == nil && sees(reader, p) {
					want = append(want, p.Text)
				}
			}
			checkPages(r, "home of "+reader, want, 2, func(q social.PageQuery) (social.List[posts.Post], error) {
				l, _, err := s.Home(t.Context(), s.id(reader), q)
				return l, err
			})
		}
	})
}

// checkPages reads a list to its end and back to its beginning.
func checkPages(r *rapid.T, what string, want []string, limit int,
	page func(q social.PageQuery) (social.List[posts.Post], error)) {
	r.Helper()
	var forth, back []string
	q := social.PageQuery{Limit: limit}
	var last social.List[posts.Post]
	for {
		l, err := page(q)
		if err != nil {
			r.Fatal(err)
		}
		for _, p := range l.Items {
			forth = append(forth, p.Text)
		}
		if last = l; l.Next == nil {
			break
		}
		q.Cursor = *l.Next
	}
	for {
		for _, p := range slices.Backward(last.Items) {
			back = append(back, p.Text)
		}
		if last.Prev == nil {
			break
		}
		q.Cursor = *last.Prev
		var err error
		if last, err = page(q); err != nil {
			r.Fatal(err)
		}
	}
	slices.Reverse(back)
	if !slices.Equal(forth, want) && len(forth)+len(want) > 0 || !slices.Equal(back, forth) {
		r.Fatalf("%s: got %q, and back %q; want %q", what, forth, back, want)
	}
}
