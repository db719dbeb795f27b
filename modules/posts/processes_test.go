package posts_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
)

// state is what a home page shows, as text.
func (s *site) state(t testing.TB, who string) string {
	t.Helper()
	l, _, err := s.Home(t.Context(), s.id(who), social.PageQuery{Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range l.Items {
		out = append(out, fmt.Sprintf("%s: %d likes, %d comments, mine %v", p.Text, p.LikeCount, p.CommentCount,
			p.Viewer.Liked))
	}
	return fmt.Sprintf("%q", out)
}

// What one process has answered, the next page of every process shows, whatever they keep in memory.
func TestOneProcessWritesAnotherReads(t *testing.T) {
	one := open(t, "me", "other", "gone")
	two := one.process(posts.DefaultConfig())
	one.follow("me", "other")
	one.follow("me", "gone")
	var of posts.Post
	like := func(who string, on bool) func() {
		return func() { one.like(t, who, of, on) }
	}
	for _, step := range []struct {
		name string
		act  func()
		want string
	}{
		{"nothing there", func() {}, `[]`},
		{"a post", func() { of = one.say(t, "me", "a") }, `["a: 0 likes, 0 comments, mine false"]`},
		{"a like", like("other", true), `["a: 1 likes, 0 comments, mine false"]`},
		{"my like", like("me", true), `["a: 2 likes, 0 comments, mine true"]`},
		{"a like taken back", like("other", false), `["a: 1 likes, 0 comments, mine true"]`},
		{"mine too", like("me", false), `["a: 0 likes, 0 comments, mine false"]`},
		{"a comment", func() { one.answer(t, "other", of, "c") }, `["a: 0 likes, 1 comments, mine false"]`},
		{"a like and the liker's end", func() { like("gone", true)(); one.end(t, "gone"); one.work(t) },
			`["a: 0 likes, 1 comments, mine false"]`},
		{"for a named person", func() { one.write(t, "other", posts.Draft{Text: "@me", Visibility: event.Mentioned}) },
			`["@me: 0 likes, 0 comments, mine false" "a: 0 likes, 1 comments, mine false"]`},
		{"an unfollow", func() { one.unfollow("me", "other") }, `["a: 0 likes, 1 comments, mine false"]`},
		{"a deletion", func() { one.remove(t, "me", of) }, `[]`},
	} {
		step.act()
		for name, process := range map[string]*site{"the process that wrote": one, "the other": two} {
			if got := process.state(t, "me"); got != step.want {
				t.Errorf("%s, by %s:\n got %s\nwant %s", step.name, name, got, step.want)
			}
		}
	}
}

// Posts come, are liked and go while people read in two processes. Each page is the state between two acts: not older
// than the last act that was answered before the page was asked for, not newer than the last that had begun at its
// end, and never a mixture.
func TestPageIsOneState(t *testing.T) {
	one := open(t, "me", "alice", "bob", "carl")
	for _, author := range []string{"alice", "bob", "carl"} {
		one.follow("me", author)
	}
	little := posts.DefaultConfig()
	little.CachedKeys, little.CachedBytes = 8, 2000
	processes := []*site{one, one.process(posts.DefaultConfig()), one.process(little)}
	type shown struct {
		post        posts.Post
		who         string
		likes, mine bool
	}
	var (
		mu     sync.Mutex
		states = []string{"[]"} // the state that the act under way leads to is there before it begins
		done   atomic.Int64     // acts that were answered
		ended  atomic.Bool
		all    []*shown // oldest first
	)
	begin := func() {
		var out []string
		for _, e := range slices.Backward(all) {
			n := 0
			if e.likes {
				n++
			}
			if e.mine {
				n++
			}
			out = append(out, fmt.Sprintf("%s: %d likes, 0 comments, mine %v", e.post.Text, n, e.mine))
		}
		mu.Lock()
		defer mu.Unlock()
		states = append(states, fmt.Sprintf("%q", out))
	}
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for n := i; !ended.Load() && !t.Failed(); n++ {
				first := done.Load()
				got := processes[n%len(processes)].state(t, "me")
				mu.Lock()
				may := states[first:]
				mu.Unlock()
				if !slices.Contains(may, got) {
					t.Errorf("after %d acts a page shows\n%s\nwhich is none of\n%q", first, got, may)
				}
			}
		})
	}
	for n := range 150 {
		writer := processes[n%2]
		act := func(do func()) {
			begin()
			do()
			done.Add(1)
			runtime.Gosched()
		}
		e := &shown{who: []string{"alice", "bob", "carl"}[n%3],
			post: posts.Post{Content: posts.Content{Text: fmt.Sprint("post ", n)}}}
		all = append(all, e)
		act(func() { e.post = writer.say(t, e.who, e.post.Text) })
		liked := all[len(all)/2]
		liked.likes = !liked.likes
		act(func() { writer.like(t, "bob", liked.post, liked.likes) })
		liked = all[0]
		liked.mine = !liked.mine
		act(func() { writer.like(t, "me", liked.post, liked.mine) })
		if len(all) > 5 {
			gone := all[n%len(all)]
			all = slices.DeleteFunc(all, func(o *shown) bool { return o == gone })
			act(func() { writer.remove(t, gone.who, gone.post) })
		}
	}
	ended.Store(true)
	readers.Wait()
}
