package e2e_test

import (
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// chaosTries is how often a delivery is attempted in TestWebhookChaos before it is dead.
const chaosTries = 6

// chaosHook is where the endpoints of many people are: /<name>. Three of ten attempts fail, by a status or by a
// connection that ends; some deliveries are doomed and never taken.
type chaosHook struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	rng      *rand.Rand
	verify   map[string]*webhooks.Webhook // by path
	seen     map[string]*chaosDelivery    // by id
	attempts int
	failed   int
	reached  chan struct{} // closed when so many ids are over
	over, at int
}

type chaosDelivery struct {
	path, body string
	fails      int
	taken      int
	doomed     bool
}

func newChaosHook(t testing.TB, rng *rand.Rand) *chaosHook {
	h := &chaosHook{t: t, rng: rng, verify: map[string]*webhooks.Webhook{}, seen: map[string]*chaosDelivery{}}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *chaosHook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the program was killed
	}
	switch h.judge(r, string(body)) {
	case http.StatusNoContent:
		w.WriteHeader(http.StatusNoContent)
	case http.StatusInternalServerError:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		panic(http.ErrAbortHandler)
	}
}

// judge notes an attempt and gives its status; 0 = the connection ends.
func (h *chaosHook) judge(r *http.Request, body string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attempts++
	id := r.Header.Get("webhook-id")
	if err := h.verify[r.URL.Path].Verify([]byte(body), r.Header); err != nil {
		h.t.Errorf("%s: %v", id, err)
	}
	d := h.seen[id]
	if d == nil {
		d = &chaosDelivery{path: r.URL.Path, body: body, doomed: h.rng.IntN(200) == 0}
		h.seen[id] = d
	}
	if d.path != r.URL.Path || d.body != body {
		h.t.Errorf("%s came to %s as %s, and to %s as %s", id, d.path, d.body, r.URL.Path, body)
	}
	if d.doomed || d.taken == 0 && d.fails < chaosTries-2 && h.rng.IntN(10) < 3 {
		h.failed++
		if d.fails++; d.doomed && d.fails == chaosTries {
			h.end()
		}
		return http.StatusInternalServerError * h.rng.IntN(2)
	}
	if d.taken++; d.taken == 1 {
		h.end()
	}
	return http.StatusNoContent
}

func (h *chaosHook) end() {
	if h.over++; h.over == h.at {
		close(h.reached)
	}
}

// when is closed when n more deliveries are over.
func (h *chaosHook) when(n int) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.reached = h.over+n, make(chan struct{})
	return h.reached
}

// tarpitHost accepts, and never answers. It counts what is open at once.
func tarpitHost(t testing.TB) (url string, most func() int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var work sync.WaitGroup
	open, peak := 0, 0
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open++
			peak = max(peak, open)
			mu.Unlock()
			work.Go(func() {
				_, _ = io.Copy(io.Discard, c) // until the other side gives up
				_ = c.Close()
				mu.Lock()
				open--
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return peak }
}

// TestWebhookChaos (P18): people's posts go to the endpoints of many, three attempts of ten fail, and the program is
// killed between. Each delivery is taken or a dead letter, under one id with the same bytes on every attempt, signed;
// and what is made beside a dead endpoint and a person whose twenty endpoints never answer is delivered all the same.
// The full form is `make webhook-chaos`; it also tells what the two cost the others, beside two neighbours with as many
// endpoints that answer.
func TestWebhookChaos(t *testing.T) {
	seed, rng := luck(t)
	const readers = 20
	posts := max(10, number(t, "DELIVERIES", 600)/readers) / 5 // of each phase
	w := startWorld(t, nil, readers+3)
	healthy, author, dead, hostile := w.People[:readers], w.People[readers], w.People[readers+1], w.People[readers+2]
	quick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer quick.Close()
	w.stop()
	schedule := strings.TrimSuffix(strings.Repeat("10ms,", chaosTries-1), ",")
	c := newChild(t, w.Data, "BELFRY_CHANNELS_WEBHOOK_ALLOW_PRIVATE=true", "BELFRY_CHANNELS_WEBHOOK_ALLOW_HTTP=true",
		"BELFRY_DELIVERY_SCHEDULE="+schedule, "BELFRY_DELIVERY_SEND_TIMEOUT=3s", "BELFRY_LOG_LEVEL=error")
	c.mustStart()
	h := newChaosHook(t, rng)
	endpoint := func(m member, url string) (out struct{ ID, Secret string }) {
		decode(t, newCaller(c.URL, m.Token).must(t, 201, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
			"settings": map[string]any{"url": url}, "types": []string{"post"}}), &out)
		return out
	}
	for _, m := range healthy {
		e := endpoint(m, h.URL+"/"+m.Name)
		wh, err := webhooks.NewWebhook(e.Secret)
		if err != nil {
			t.Fatal(err)
		}
		h.verify["/"+m.Name] = wh
	}
	everybodyFollows(t, c.URL, append([]member{dead, hostile}, healthy...), []member{author})
	me := newCaller(c.URL, author.Token)
	said := 0
	phase := func(between func(done <-chan struct{})) time.Duration {
		began, done := time.Now(), h.when(posts*readers)
		for range posts {
			said++
			me.must(t, 201, "POST", "/v1/posts", map[string]any{"text": "number " + strconv.Itoa(said)})
		}
		between(done)
		select {
		case <-done:
		case <-time.After(deadline + time.Duration(posts*readers)*10*time.Millisecond):
			t.Fatal("the end of the phase did not come")
		}
		return time.Since(began)
	}
	alone := phase(func(<-chan struct{}) {})
	var remove []func()
	guest := func(m member, url string) string {
		id := endpoint(m, url).ID
		remove = append(remove, func() { newCaller(c.URL, m.Token).must(t, 204, "DELETE", "/v1/me/endpoints/"+id, nil) })
		return id
	}
	removeAll := func() {
		for _, f := range remove {
			f()
		}
		remove = nil
	}
	guest(dead, quick.URL)
	for range 20 {
		guest(hostile, quick.URL)
	}
	among := phase(func(<-chan struct{}) {})
	removeAll()
	pit, most := tarpitHost(t)
	guest(dead, "http://"+freePort(t)+"/")
	for i := range 20 {
		id := guest(hostile, fmt.Sprintf("%s/%d", pit, i))
		for range 4 {
			newCaller(c.URL, hostile.Token).must(t, 202, "POST", "/v1/me/endpoints/"+id+"/test", nil)
		}
	}
	beside := phase(func(<-chan struct{}) {})
	kills := 0
	killed := phase(func(done <-chan struct{}) {
		for range 3 {
			select {
			case <-done:
				return
			default:
			}
			c.kill()
			kills++
			c.mustStart()
		}
	})
	removeAll()
	again := phase(func(<-chan struct{}) {})
	awaitDead(t, c, healthy)
	c.term()
	if code := c.exit(deadline); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.out)
	}
	taken, given := h.check(t, openStore(t, c.Data), 5*posts*readers)
	// Two, and beside each one whose end the host has not seen yet.
	if got := most(); got > 4 {
		t.Errorf("%d connections at once for a person whose endpoints never answer, want 4 at most", got)
	}
	report(t, "webhook-chaos", seed, map[string]any{"deliveries": taken + given, "succeeded": taken, "dead": given,
		"attempts": h.attempts, "failed_by_the_hook": h.failed, "kills": kills, "tarpit_open_at_most": most(),
		"seconds_alone": alone.Seconds(), "seconds_beside_answering": among.Seconds(),
		"seconds_beside_hostile": beside.Seconds(), "seconds_with_kills": killed.Seconds(),
		"seconds_alone_again": again.Seconds()})
}

// awaitDead waits until nothing of these people's deliveries is pending: the hook cannot tell a dead letter from one
// that is attempted once more.
func awaitDead(t testing.TB, c *child, people []member) {
	t.Helper()
	late := time.After(deadline)
	for _, m := range people {
		who := newCaller(c.URL, m.Token)
		var list struct{ Items []struct{ ID string } }
		decode(t, who.must(t, 200, "GET", "/v1/me/endpoints", nil), &list)
		path := "/v1/me/endpoints/" + list.Items[0].ID + "/deliveries?state=pending&limit=1"
		for {
			decode(t, who.must(t, 200, "GET", path, nil), &list)
			if len(list.Items) == 0 {
				break
			}
			select {
			case <-late:
				t.Fatalf("a delivery of %s is pending for ever", m.Name)
			default:
			}
		}
		who.http.CloseIdleConnections()
	}
}

// check holds what the store has against what the hook took. It returns how many succeeded and how many are dead.
func (h *chaosHook) check(t testing.TB, db *sql.DB, want int) (taken, dead int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := map[string]bool{}
	each(t, db, `SELECT lower(hex(d.id)), d.state, d.attempts FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
		WHERE e.settings LIKE $1 || '/%'`, func(rows *sql.Rows) error {
		var hex, state string
		var attempts int
		if err := rows.Scan(&hex, &state, &attempts); err != nil {
			return err
		}
		id := hex[:8] + "-" + hex[8:12] + "-" + hex[12:16] + "-" + hex[16:20] + "-" + hex[20:]
		ids[id] = true
		d := h.seen[id]
		switch {
		case d == nil:
			t.Errorf("%s is %s and was never sent", id, state)
		case state == "succeeded" && d.taken > 0:
			taken++
		case state == "dead" && d.taken == 0 && attempts == chaosTries && d.fails >= chaosTries:
			dead++
		default:
			t.Errorf("%s is %s after %d attempts; the hook took it %d times and failed it %d times", id, state, attempts,
				d.taken, d.fails)
		}
		return nil
	}, `{"url":"`+h.URL)
	if len(ids) != want || len(h.seen) != want {
		t.Errorf("%d deliveries in the store, %d at the hook, want %d", len(ids), len(h.seen), want)
	}
	return taken, dead
}
