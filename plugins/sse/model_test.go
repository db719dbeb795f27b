package sse

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

// device is a client that keeps its last id and everything it was shown, over any number of connections.
type device struct {
	site  *site
	n     int
	posts social.PostsMode

	conn    *client
	reader  sync.WaitGroup
	mu      sync.Mutex
	grown   sync.Cond
	last    string
	cutting bool
	shown   []block
	faults  []string
}

func newDevice(s *site, n int, posts social.PostsMode, from string) *device {
	d := &device{site: s, n: n, posts: posts, last: from}
	d.grown.L = &d.mu
	return d
}

func (d *device) connect() {
	d.mu.Lock()
	last := d.last
	d.mu.Unlock()
	d.conn = d.site.open(d.n, "?posts="+string(d.posts), "Last-Event-ID: "+last)
	d.reader.Go(func() { d.read(d.conn) })
}

// cut drops the connection where it is; a block that is half there is dropped with it.
func (d *device) cut() {
	if d.conn == nil {
		return
	}
	d.mu.Lock()
	d.cutting = true
	d.mu.Unlock()
	d.conn.conn.Close()
	d.reader.Wait()
	d.conn, d.cutting = nil, false
}

func (d *device) read(c *client) {
	for {
		b, _, err := c.next()
		if err != nil {
			d.mu.Lock()
			if !d.cutting || (errors.Is(err, errSyntax) && !errors.Is(err, errCut)) {
				d.faults = append(d.faults, err.Error())
			}
			d.grown.Broadcast()
			d.mu.Unlock()
			return
		}
		d.mu.Lock()
		was, _ := social.ParseCursor(d.last)
		is, err := social.ParseCursor(b.id)
		switch {
		case err != nil:
			d.faults = append(d.faults, "bad id "+b.raw)
		case b.event == "ready":
			if b.id != d.last {
				d.faults = append(d.faults, "resumed at "+b.id+" and not at "+d.last)
			}
		case b.event == "bye":
		case is.Seq <= was.Seq:
			d.faults = append(d.faults, fmt.Sprintf("%s after %s", b.id, d.last))
		default:
			d.shown = append(d.shown, b)
		}
		d.last = b.id
		d.grown.Broadcast()
		d.mu.Unlock()
	}
}

// until waits for the event at a position.
func (d *device) until(p social.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.faults) == 0 {
		if c, _ := social.ParseCursor(d.last); c.Seq >= p {
			return
		}
		d.grown.Wait()
	}
}

// fact is one event of the model, with the relations that held when it was committed.
type fact struct {
	raw    string
	typ    string
	stream social.Stream
	about  social.ID
	edges  map[pair]social.FollowEdge
	hides  map[pair]int // how often a relation changed between hidden and not; odd = hidden
}

// model tells what a person must, may and must never see.
type model struct {
	w     *world
	facts map[social.Position]fact
	hides map[pair]int
	ended bool // the account of the one who has no device
}

func (m *model) note(p social.Position, about social.ID) {
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	e := m.w.events[len(m.w.events)-1]
	raw := blockOf(e)
	f := fact{raw: raw, typ: e.Type, stream: e.Stream, about: about, edges: map[pair]social.FollowEdge{},
		hides: map[pair]int{}}
	for k, v := range m.w.edges {
		f.edges[k] = v
	}
	for k, v := range m.hides {
		f.hides[k] = v
	}
	m.facts[p] = f
}

// judge compares what a device was shown with the model. Live decides by the relation at that moment and replay by
// the relation now, so what was toggled in between may be there or not; everything else is certain.
func (m *model) judge(d *device, from social.Position) (problems []string) {
	seen := map[string]bool{}
	for _, b := range d.shown {
		seen[b.raw] = true
	}
	known := map[string]bool{}
	for p, f := range m.facts {
		if p <= from {
			continue
		}
		known[f.raw] = true
		must, may := m.expect(d, p, f)
		switch {
		case must && !seen[f.raw]:
			problems = append(problems, fmt.Sprintf("person %d misses %q", d.n, f.raw))
		case !may && seen[f.raw]:
			problems = append(problems, fmt.Sprintf("person %d was shown %q", d.n, f.raw))
		}
	}
	for raw := range seen {
		if !known[raw] {
			problems = append(problems, fmt.Sprintf("person %d was shown bytes of nothing: %q", d.n, raw))
		}
	}
	return append(problems, d.faults...)
}

func (m *model) expect(d *device, p social.Position, f fact) (must, may bool) {
	me := id(d.n)
	if f.typ == social.EventUserDeleted {
		_, followed := m.w.ended[pair{me, f.stream.User}]
		return followed, followed // whatever they want of posts
	}
	must = !m.w.gone[p]
	if f.stream.Kind == social.To {
		if f.stream.User != me {
			return false, false
		}
	} else if f.stream.User == me {
		if d.posts != social.PostsAll {
			return false, false
		}
	} else {
		k := pair{me, f.stream.User}
		then, followed := f.edges[k]
		if !followed || d.posts == social.PostsNone || (d.posts == social.PostsNotify && !then.Bell) {
			return false, false
		}
		must = must && m.w.edges[k] == then
	}
	if k := (pair{me, f.about}); !f.about.IsZero() {
		then, now := f.hides[k], m.hides[k]
		if then == now && then%2 == 1 {
			return false, false // hidden all the time
		}
		must = must && then == now
	}
	return must, true
}

// TestModel runs random people, relations, connections and disconnects against the model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.batch = rapid.IntRange(1, 5).Draw(rt, "batch")
		cfg := testConfig()
		cfg.TailBytes = social.Size(rapid.SampledFrom([]int{4 << 10, 6 << 10, 1 << 20}).Draw(rt, "tail"))
		cfg.Holder = rapid.SampledFrom(holders()).Draw(rt, "holder")
		cfg.CatchUpWorkers, cfg.AudienceWorkers = rapid.IntRange(1, 3).Draw(rt, "workers"),
			rapid.IntRange(1, 3).Draw(rt, "asking")
		near := rapid.SampledFrom([]int{0, 2, nearBy}).Draw(rt, "near by")
		s, stop := serveFor(rt, t, w, cfg, func(s *site) { s.channel.hub.nearBy = near })
		defer stop()
		m := &model{w: w, facts: map[social.Position]fact{}, hides: map[pair]int{}}
		const people = 4
		var devices []*device
		for n := 1; n <= people; n++ {
			for range rapid.IntRange(1, 2).Draw(rt, "devices") {
				mode := rapid.SampledFrom([]social.PostsMode{social.PostsAll, social.PostsNotify, social.PostsNone}).Draw(rt,
					"mode")
				devices = append(devices, newDevice(s, n, mode, "1-0"))
			}
		}
		for range rapid.IntRange(20, 120).Draw(rt, "steps") {
			m.step(rt, devices, people)
		}
		var last [people + 1]social.Position
		for n := 1; n <= people; n++ {
			last[n] = w.notify(n)
			m.note(last[n], social.ID{})
		}
		for _, d := range devices {
			if d.conn == nil {
				d.connect()
			}
			d.until(last[d.n])
			d.cut()
			if problems := m.judge(d, 0); len(problems) > 0 {
				rt.Fatalf("%s", strings.Join(problems, "\n"))
			}
		}
	})
}

func (m *model) step(rt *rapid.T, devices []*device, people int) {
	person := func(what string) int { return rapid.IntRange(1, people).Draw(rt, what) }
	author := func(what string) int { // one more, who reads nothing and whose account may end
		if m.ended {
			return person(what)
		}
		return rapid.IntRange(1, people+1).Draw(rt, what)
	}
	w := m.w
	switch rapid.SampledFrom([]string{"post", "post", "post", "notify", "notify", "follow", "unfollow", "hide", "skip",
		"connect", "connect", "cut", "delete", "forget", "end"}).Draw(rt, "step") {
	case "post":
		for range rapid.IntRange(1, 4).Draw(rt, "posts") {
			n := author("author")
			m.note(w.post(n), id(n))
		}
	case "notify":
		n, actor := person("receiver"), author("actor")
		m.note(w.commit(to(n), social.EventNotification, fmt.Sprintf(`{"from":%d}`, actor), id(actor)), id(actor))
	case "follow":
		n, other := person("who"), author("whom")
		if n != other {
			m.note(w.follow(n, other, rapid.Bool().Draw(rt, "bell")), social.ID{})
		}
	case "unfollow":
		n, other := person("who"), author("whom")
		if n != other {
			m.note(w.unfollow(n, other), social.ID{})
		}
	case "hide":
		n, other := person("who"), person("whom")
		if n != other {
			k := pair{id(n), id(other)}
			m.hides[k]++
			w.hide(n, other, m.hides[k]%2 == 1)
		}
	case "skip":
		w.skip(rapid.IntRange(1, 9).Draw(rt, "holes"))
	case "connect":
		if d := rapid.SampledFrom(devices).Draw(rt, "device"); d.conn == nil {
			d.connect()
		}
	case "cut":
		rapid.SampledFrom(devices).Draw(rt, "device").cut()
	case "end":
		if !m.ended && rapid.IntRange(0, 3).Draw(rt, "really") == 0 {
			m.ended = true
			m.note(w.end(people+1), social.ID{})
		}
	case "forget":
		devices[0].site.inHub(func(h *hub) { h.forgetAll() })
	case "delete":
		w.mu.Lock()
		var posts []social.Event
		for _, e := range w.events {
			if e.Type == social.EventPostCreated && !w.gone[e.Cursor.Seq] {
				posts = append(posts, e)
			}
		}
		w.mu.Unlock()
		if len(posts) > 0 {
			e := rapid.SampledFrom(posts).Draw(rt, "deleted")
			p := w.redact(e.Cursor.Seq, e.Stream, social.EventPostDeleted, `{"id":"`+e.Cursor.String()+`"}`)
			m.note(p, social.ID{})
		}
	}
}

// TestResume drops a connection 300 times, at random places of a steady stream, and comes back with ids of all
// kinds: nothing is lost, doubled or out of order, and an id that cannot be honoured gives a gap.
func TestResume(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		w.follow(1, 2, true)
		start := w.head
		cfg.TailBytes = 32 << 10
		s := serve(t, w, cfg)
		kick := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			i := 0
			for range kick {
				for range 8 {
					i++
					w.notify(1 + i%3)
					w.post(2)
				}
			}
		})
		rnd := rand.New(rand.NewPCG(1, 2))
		var got []string
		last := cursorOf(1, start)
		bad := []string{"1-0x", "9-4", cursorOf(1, 1<<60), "id", "\u2028", strings.Repeat("1", 200)}
		for i := range 300 {
			kick <- struct{}{}
			if i%10 == 9 { // a side trip with an id that is no good
				junk := bad[rnd.IntN(len(bad))]
				c := s.open(1, "", "Last-Event-ID: "+junk)
				if r := c.expect("ready"); r.id != "" {
					t.Fatalf("%q was honoured: %q", junk, r.raw)
				}
				c.expect("gap")
				c.conn.Close()
			}
			c := s.open(1, "", "Last-Event-ID: "+last)
			if r := c.expect("ready"); r.id != last {
				t.Fatalf("resumed at %s and not at %s", r.id, last)
			}
			for range rnd.IntN(8) { // there are always that many: each turn adds more
				b, _, err := c.next()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b.raw)
				last = b.id
			}
			c.conn.Close()
		}
		close(kick)
		writer.Wait()
		end, _ := social.ParseCursor(last)
		var want []string
		for _, raw := range w.expected(1, social.PostsNotify, start) {
			if c, _ := social.ParseCursor(raw[len("id: "):strings.IndexByte(raw, '\n')]); c.Seq <= end.Seq {
				want = append(want, raw)
			}
		}
		if strings.Join(got, "") != strings.Join(want, "") {
			t.Errorf("%d blocks were shown, want %d, or in another order", len(got), len(want))
		}
	})
}
