package sse

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/goccy/go-yaml"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

func unmarshal(text string, into any) error {
	return yaml.UnmarshalWithOptions([]byte(text), into, yaml.Strict())
}

// The tests of this file are named after weaknesses of well-known tutorials; each fails on the tutorial's way.

// A clock gives many events one id, and replay loses them.
func TestW01OneTickManyEvents(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	for range 1000 { // the clock of the test world stands still
		w.notify(1)
	}
	c := s.open(1, "?after=oldest")
	c.expect("ready")
	for i, got := range c.ids(1000) {
		if got != fmt.Sprintf("1-%d", i+1) {
			t.Fatalf("event %d has id %s", i, got)
		}
	}
}

// Ids compared as text: 1-9 after 1-10.
func TestW02IDsAreNumbers(t *testing.T) {
	w := newWorld()
	for range 12 {
		w.notify(1)
	}
	s := serve(t, w, testConfig())
	c := s.open(1, "", "Last-Event-ID: 1-9")
	c.expect("ready")
	if got := strings.Join(c.ids(3), " "); got != "1-10 1-11 1-12" {
		t.Errorf("got %s", got)
	}
}

// Look-up by prefix: person 1 reads what is for 10 and 100.
func TestW07PrefixLeak(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	c := s.live(1, "?posts=all")
	for _, n := range []int{10, 100, 256, 257, 11} {
		w.notify(n)
		w.post(n)
	}
	own := w.notify(1)
	if got := c.ids(1)[0]; got != cursorOf(1, own) {
		t.Errorf("person 1 was shown %s, want %s first", got, cursorOf(1, own))
	}
}

// A failed send ends the loop over a person's connections: the others get nothing.
func TestW13OneBrokenConnection(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		first, broken, panics, last := e.connect(t, 1, "now"), e.connect(t, 1, "now"), e.connect(t, 1, "now"),
			e.connect(t, 1, "now")
		broken.leave() // the hub has not heard of it when it writes
		panics.mu.Lock()
		panics.full = true // a write panics
		panics.mu.Unlock()
		p := e.w.notify(1)
		synctest.Wait()
		for _, c := range []*pipe{first, last} {
			if !strings.Contains(c.body(), "id: "+cursorOf(1, p)) {
				t.Errorf("got %q", c.body())
			}
		}
		if !panics.closed() {
			t.Error("the connection whose write panicked is still there")
		}
	})
}

// A broken stream raises an error into the request of whoever acts. Publish returns whatever the sockets do.
func TestW14WriterIsNotHeldUp(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		for range 20 {
			e.pipes.room = 1 << 10
			e.connect(t, 1, "now").take(0)
		}
		for range 3000 {
			e.w.notify(1)
		}
		e.w.settle() // with time standing still: nothing here waited for a client
	})
}

// One slot a person: the second tab silently replaces the first.
func TestW15TwoTabs(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	tabs := []*client{s.live(1, ""), s.live(1, ""), s.live(1, "")}
	p := w.notify(1)
	for i, c := range tabs {
		if got := c.ids(1)[0]; got != cursorOf(1, p) {
			t.Errorf("tab %d got %s", i, got)
		}
	}
}

// Clean-up by person: closing the old tab removes the new one's entry.
func TestW16ClosingOneTab(t *testing.T) {
	w := newWorld()
	w.follow(1, 2, true)
	s := serve(t, w, testConfig())
	for range 20 {
		old := s.live(1, "")
		fresh := s.open(1, "")
		old.conn.Close()
		fresh.expect("ready")
		s.seats.await(1)
		s.idle()
		p, q := w.notify(1), w.post(2)
		if got := fresh.ids(2); got[0] != cursorOf(1, p) || got[1] != cursorOf(1, q) {
			t.Fatalf("the new tab got %v, want %d and %d", got, p, q)
		}
		fresh.conn.Close()
		s.seats.await(0)
	}
}

// Last-Event-ID is read and ignored; nothing is kept while nobody is connected.
func TestW19MissedWhileAway(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	c := s.live(1, "")
	first := w.notify(1)
	last := c.ids(1)[0]
	c.conn.Close()
	s.seats.await(0)
	var want []string
	for range 5 {
		want = append(want, cursorOf(1, w.notify(1)))
	}
	again := s.open(1, "", "Last-Event-ID: "+last)
	again.expect("ready")
	if got := again.ids(5); strings.Join(got, " ") != strings.Join(want, " ") || last != cursorOf(1, first) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A first event with an id that is no position poisons the browser's cursor; coming back with it is silent loss.
func TestW20PoisonedID(t *testing.T) {
	w := newWorld()
	w.notify(1)
	cfg := testConfig()
	cfg.Aliases = frames.PresetNames()
	s := serve(t, w, cfg)
	for _, path := range []string{"/v1/events", "/connect", "/sub", "/api/v1/users/alarm/subscribe"} {
		c := s.ask("GET", path, stream, "Test-User: 1")
		b, _, err := c.next()
		if at, bad := social.ParseCursor(b.id); err != nil || bad != nil || at != w.Head() {
			t.Errorf("%s: the first id is %q, want a true position", path, b.id)
		}
		for _, poisoned := range []string{"id", "42_1631593143664"} {
			c := s.ask("GET", path, stream, "Test-User: 1", "Last-Event-ID: "+poisoned)
			if b, _, _ := c.next(); b.id != "" {
				t.Errorf("%s: %q was taken for %s", path, poisoned, b.id)
			}
			if b := c.expect("gap"); !strings.Contains(b.data, `"reason":"invalid"`) || b.id != w.Head().String() {
				t.Errorf("%s: %q", path, b.raw)
			}
		}
	}
}

// An event with a name and no data fires no listener in a browser.
func TestW21EveryBlockHasData(t *testing.T) {
	w := newWorld()
	cfg := testConfig()
	cfg.Aliases = frames.PresetNames()
	s := serve(t, w, cfg)
	for _, path := range []string{"/v1/events", "/connect", "/sub", "/api/v1/users/alarm/subscribe"} {
		c := s.ask("GET", path, stream, "Test-User: 1", "Last-Event-ID: nonsense")
		for _, data := range []string{`{}`, `{"text":""}`, `""`, `null`, `0`, `{"text":"\n"}`, `{"text":"   "}`} {
			w.commit(to(1), social.EventNotification, data)
		}
		for range 2 + 7 { // the strict parser refuses a block without data
			b, _, err := c.next()
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if strings.TrimSpace(b.data) == "" {
				t.Errorf("%s: %q", path, b.raw)
			}
		}
		c.conn.Close()
		s.seats.await(0)
	}
}

// Registered after the first send: what happens in between is lost. Here events come at every step of opening.
func TestW22NothingLostWhileOpening(t *testing.T) {
	w := newWorld()
	w.follow(1, 2, true)
	during := func() { w.notify(1); w.post(2); w.notify(3) }
	w.onAudience = func(social.ID) error { during(); return nil }
	w.onRead = func(social.Audience, social.Cursor) error { during(); return nil }
	cfg := testConfig()
	cfg.TailBytes = 4 << 10
	s := serve(t, w, cfg)
	for range 50 {
		from := w.Head()
		c := s.open(1, "", "Last-Event-ID: "+from.String())
		during()
		c.expect("ready")
		during()
		s.idle()
		want := w.expected(1, social.PostsNotify, from.Seq)
		for i := range want {
			if b, _, err := c.next(); err != nil || b.raw != want[i] {
				t.Fatalf("block %d of %d: got %q, %v; want %q", i, len(want), b.raw, err, want[i])
			}
		}
		c.conn.Close()
		s.seats.await(0)
	}
}

// A session that was revoked keeps its stream.
func TestW33RevokedStream(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	ended, kept := s.live(1, "", "Test-Token: 5"), s.live(1, "", "Test-Token: 6")
	p := w.notify(1)
	s.idle()
	s.seats.revoke(id(1), id(5))
	s.seats.await(1)
	q := w.notify(1)
	ended.expect(social.EventNotification)
	at := cursorOf(1, p)
	want := "id: " + at + "\nevent: bye\ndata: {\"reason\":\"revoked\",\"retry_ms\":null,\"cursor\":\"" + at + "\"}\n\n"
	if b := ended.expect("bye"); b.raw != want {
		t.Errorf("got %q", b.raw)
	}
	ended.end()
	if got := kept.ids(2); got[1] != cursorOf(1, q) {
		t.Errorf("the other session got %v", got)
	}
}
