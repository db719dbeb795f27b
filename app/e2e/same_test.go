package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestSameBytes (P25): live, replayed and polled, the same id has the same bytes, for people who follow nobody,
// one, and two hundred.
func TestSameBytes(t *testing.T) {
	_, rng := luck(t)
	events := number(t, "EVENTS", 2000)
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100"}, 203)
	nobody, one, many, authors := w.People[0], w.People[1], w.People[2], w.People[3:]
	parallel(8, len(authors), func(i int) {
		path := "/v1/users/" + authors[i].ID.String() + "/follow"
		newCaller(w.URL, many.Token).must(t, 200, "PUT", path, nil)
		if i == 0 {
			newCaller(w.URL, one.Token).must(t, 200, "PUT", path, nil)
		}
	})
	g := newGate()
	g.set(true)
	live := map[string]*reader{}
	for _, m := range []member{nobody, one, many} {
		for _, mode := range []string{"all", "notify"} {
			r := newReader(w.URL, m, mode, first, g, rng)
			r.only, r.cut = "stream", 0
			live[m.Name+mode] = r
			go r.run(t.Context())
		}
	}
	host := newCaller(w.URL, w.Service)
	clients := make([]*caller, len(authors))
	for i, a := range authors {
		clients[i] = newCaller(w.URL, a.Token)
		clients[i].http = host.http // one pool of connections
	}
	kinds := make([]int, events)
	for i := range kinds {
		kinds[i] = rng.IntN(10)
	}
	parallel(16, events, func(i int) {
		author := i % len(authors)
		if kinds[i] < 3 {
			author = 0
		}
		switch to := []member{nobody, one, many}[i%3]; kinds[i] {
		case 7: // awkward to frame
			clients[author].must(t, 201, "POST", "/v1/posts",
				map[string]any{"text": fmt.Sprintf("line %d\nid: 9-9\nevent: bye\n\u2028\ufeff\"\\ 🔔 @%s", i, to.Name)})
		case 8, 9:
			host.must(t, http.StatusCreated, "POST", "/v1/notifications", map[string]any{"receiver": to.ID.String(),
				"type": "word", "content": strings.Repeat("x", 1+i%1900)})
		default:
			clients[author].must(t, 201, "POST", "/v1/posts", map[string]any{"text": fmt.Sprintf("post %d", i),
				"visibility": []string{"public", "followers", "mentioned"}[i%7%3]})
		}
	})
	s := newStorm(w.URL, w.People[:3], w.Service, g)
	var all []*reader
	for _, r := range live {
		all = append(all, r)
	}
	s.end(t, all...)
	x := readTruth(t, openStore(t, w.Data))
	if len(x.rows) < events {
		t.Errorf("%d entries, want %d", len(x.rows), events)
	}
	total := 0
	for _, r := range live {
		for _, road := range []string{"stream", "poll"} {
			again := newReader(w.URL, r.Who, r.Mode, first, g, rng)
			again.only, again.cut = road, 0
			again.run(t.Context())
			sameEvents(t, r, again)
			total += x.checkAll(t, &again.history)
		}
		total += x.checkAll(t, &r.history)
	}
	t.Logf("%d events, compared %d times", len(x.rows), total)
}

// sameEvents compares what came live with what came later, byte for byte.
func sameEvents(t *testing.T, live, again *reader) {
	t.Helper()
	if len(live.Got) != len(again.Got) {
		t.Errorf("%s posts=%s: %d live, %d by %s", live.Who.Name, live.Mode, len(live.Got), len(again.Got), again.only)
		return
	}
	for i, d := range live.Got {
		if d.JSON != again.Got[i].JSON {
			t.Errorf("%s posts=%s:\nlive %s\n%s %s", live.Who.Name, live.Mode, d.JSON, again.only, again.Got[i].JSON)
			return
		}
	}
}

// parallel calls do for 0..n-1 from a few goroutines.
func parallel(goroutines, n int, do func(int)) {
	var work sync.WaitGroup
	for g := range goroutines {
		work.Go(func() {
			for i := g; i < n; i += goroutines {
				do(i)
			}
		})
	}
	work.Wait()
}
