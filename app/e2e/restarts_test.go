package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// polled is a page of a poll: the ids of its events, and the next cursor.
func (p *person) polled(query string) (ids []string, next string) {
	p.site.t.Helper()
	var page struct {
		Items []struct{ ID string }
		Next  string
	}
	p.want(200, "GET", "/v1/events"+query, nil, &page)
	for _, e := range page.Items {
		ids = append(ids, e.ID)
	}
	return ids, page.Next
}

// TestTwoRestarts: an id held live over two restarts, through bye, goes on by every road and by roads in turn: no gap,
// nothing is passed over, nothing comes twice. So does the mark of webhooks, which stood in the span of the first
// epoch: each notification is delivered once.
func TestTwoRestarts(t *testing.T) {
	s, heard := hooked(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	h := newHook(t, nil)
	endpoint, _ := alice.endpoint(h.URL, "types", []string{"like"})
	alice.follow(bob)
	mine := alice.post("mine")
	live, _ := alice.stream("?posts=all")
	like := func(post string) {
		bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
		h.next(t)
	}
	like(mine)
	live.await("notification")
	bob.post("no webhook is sent for this, so the mark stays behind")
	live.await("post.created")

	s.restart()
	held := live.await("bye").ID
	bob.post("in the second run")
	s.restart()
	bob.post("in the third run")
	like(alice.post("liked in the third run"))
	want, head := alice.polled("?posts=all&after=" + held)
	epochs := map[string]bool{}
	for _, id := range append(slices.Clone(want), held) {
		epoch, _, _ := strings.Cut(id, "-")
		epochs[epoch] = true
	}
	if len(want) != 4 || len(epochs) != 3 {
		t.Fatalf("after %s came %v, want four events of two further epochs", held, want)
	}

	long, _ := alice.polled("?posts=all&wait=5&after=" + held)
	first, _ := alice.stream("?posts=all", "Last-Event-ID: "+held)
	streamed := first.ids(len(want))
	mixed, next := alice.polled("?posts=all&limit=1&after=" + held)
	second, ready := alice.stream("?posts=all", "Last-Event-ID: "+next)
	if ready.ID != next {
		t.Errorf("the stream begins with %+v, want to go on after %s", ready, next)
	}
	mixed = append(mixed, second.ids(1)...)
	rest, _ := alice.polled("?posts=all&wait=5&after=" + mixed[1])
	for road, got := range map[string][]string{"long poll": long, "stream": streamed, "mixed": append(mixed, rest...)} {
		if !slices.Equal(got, want) {
			t.Errorf("by %s came %v, want %v", road, got, want)
		}
	}

	bob.post("new")
	got := first.ids(1)
	news, _ := alice.polled("?posts=all&after=" + head)
	if !slices.Equal(got, news) {
		t.Errorf("the new event is %v, the stream has %v", news, got)
	}
	if got := second.ids(len(rest) + 1); !slices.Equal(got, append(rest, news...)) {
		t.Errorf("the second stream goes on with %v, want %v and %v", got, rest, news)
	}
	heard.until(t, "both notifications are delivered", func() bool {
		list := alice.deliveries(endpoint)
		return len(list) == 2 && list[0].State == "succeeded" && list[1].State == "succeeded"
	})
	for _, d := range alice.deliveries(endpoint) {
		if len(d.Attempts) != 1 {
			t.Errorf("%d attempts of %s", len(d.Attempts), d.ID)
		}
	}
	if len(h.got) != 0 {
		t.Errorf("the hook was called %d times more", len(h.got))
	}
}

// ids are those of the next n blocks.
func (s *stream) ids(n int) (out []string) {
	s.t.Helper()
	for range n {
		out = append(out, s.next().ID)
	}
	return out
}
