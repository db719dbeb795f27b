package sse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// TestHungQuestions: as long as a worker is free, people whose questions hang keep only themselves waiting.
func TestHungQuestions(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		hang := make(chan struct{})
		e.w.onAudience = func(p social.ID) error {
			if p == id(1) || p == id(2) || p == id(3) {
				<-hang
			}
			return nil
		}
		for n := 1; n <= 3; n++ {
			e.connect(t, n, "now")
		}
		c := e.connect(t, 4, "now")
		p := e.w.notify(4)
		synctest.Wait()
		if got := idsIn(c); got != fmt.Sprint(p) {
			t.Errorf("got %s, want %d", got, p)
		}
		close(hang)
	})
}

// TestAudienceFails: the person waits and gets everything once the store answers; the health tells meanwhile. When
// it never does, the connections end with a time to come back.
func TestAudienceFails(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		var away atomic.Bool
		away.Store(true)
		e.w.onAudience = func(social.ID) error {
			if away.Load() {
				return errAway
			}
			return nil
		}
		c := e.connect(t, 1, "now")
		p := e.w.notify(1)
		synctest.Wait()
		if e.Health() == nil || !errors.Is(e.Health(), errAway) {
			t.Errorf("health: %v", e.Health())
		}
		away.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := idsIn(c); got != fmt.Sprint(p) || e.Health() != nil {
			t.Errorf("got %s, want %d; health %v", got, p, e.Health())
		}
		e.w.onRelation = func(social.ID, social.ID) error { return errAway }
		q := e.w.follow(1, 2, true)
		e.w.notify(1)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if body := c.body(); !strings.Contains(body, "id: "+cursorOf(1, q)+"\nevent: bye\nretry: ") ||
			!strings.Contains(body, `"reason":"overload"`) {
			t.Errorf("got %q", body)
		}
	})
}

// TestLogFails: as above, for a reader behind the tail.
func TestLogFails(t *testing.T) {
	cfg := defaults
	cfg.TailBytes = 4 << 10
	inBubble(t, cfg, func(t *testing.T, e *engine) {
		for range 100 {
			e.w.notify(1)
		}
		var fails atomic.Int32
		fails.Store(2)
		e.w.onRead = func(social.Audience, social.Cursor) error {
			if fails.Add(-1) >= 0 {
				return errAway
			}
			return nil
		}
		c := e.connect(t, 1, "1-0")
		if !errors.Is(e.Health(), errAway) {
			t.Errorf("health: %v", e.Health())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := strings.Count(c.body(), "event: notification"); n != 100 || e.Health() != nil {
			t.Errorf("%d events, health %v", n, e.Health())
		}
		fails.Store(1000)
		d := e.connect(t, 1, "1-7")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if body := d.body(); !strings.HasPrefix(body, "id: 1-7\nevent: bye\nretry: ") {
			t.Errorf("got %q", body)
		}
	})
}

// TestPanics: a store and a log that panic cost nothing but time.
func TestPanics(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		var panics atomic.Int32
		panics.Store(2)
		boom := func() error {
			if panics.Add(-1) >= 0 {
				panic("boom")
			}
			return nil
		}
		e.w.onAudience = func(social.ID) error { return boom() }
		e.w.onRead = func(social.Audience, social.Cursor) error { return boom() }
		p := e.w.notify(1)
		c := e.connect(t, 1, "1-0")
		time.Sleep(time.Second)
		synctest.Wait()
		panics.Store(1)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := idsIn(c); got != fmt.Sprint(p) {
			t.Errorf("got %s, want %d", got, p)
		}
	})
}

// TestGapInMidStream: a reader slower than retention is told so, and goes on from what is kept.
func TestGapInMidStream(t *testing.T) {
	cfg := defaults
	cfg.TailBytes = 4 << 10
	inBubble(t, cfg, func(t *testing.T, e *engine) {
		e.pipes.room = 2 << 10
		c := e.connect(t, 1, "now")
		c.take(0)
		for range 200 {
			e.w.notify(1)
		}
		synctest.Wait()
		e.w.trim(150)
		c.take(-1)
		synctest.Wait()
		want := `id: 1-150
event: gap
data: {"from":"1-0","to":"1-150","reason":"expired","heal":` +
			`["/v1/notifications","/v1/notifications/counts","/v1/timelines/home"]}

` + strings.Join(e.w.expected(1, social.PostsNotify, 150), "")
		if got := c.body(); got != want {
			t.Errorf("got %.300q, want %.300q", got, want)
		}
	})
}

// TestNewRun: a stream goes on from one run of the server into the next, and so does a client with an id of the first.
func TestNewRun(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		c := e.connect(t, 1, "now")
		first := e.w.notify(1)
		synctest.Wait()
		e.w.newRun(77)
		second := e.w.notify(1)
		synctest.Wait()
		if got, want := c.body(), e.w.block(1, first)+e.w.block(77, second); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		for from, want := range map[string]string{"1-0": e.w.block(1, first) + e.w.block(77, second),
			"1-1": e.w.block(77, second), "77-2": ""} {
			c := e.connect(t, 1, from)
			synctest.Wait()
			if got := c.body(); got != want {
				t.Errorf("from %s: got  %q\nwant %q", from, got, want)
			}
		}
	})
}

// block is what notify's event looks like.
func (w *world) block(epoch uint32, p social.Position) string {
	b := blockOf(social.Event{Cursor: social.Cursor{Epoch: epoch, Seq: p}, Type: social.EventNotification, Time: testTime,
		Data: []byte(`{"id":"n1","text":"hello"}`)})
	return string(b)
}

// TestCaps: the oldest of a person's streams makes room, and a full house says when to come back.
func TestCaps(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	s.seats.perPerson, s.seats.total = 2, 4
	first, second := s.live(1, ""), s.live(1, "")
	third := s.live(1, "")
	if b := first.expect("bye"); !strings.Contains(b.data, `"reason":"too_many"`) || len(b.retry) < 5 || b.id != "1-0" {
		t.Errorf("got %q", b.raw)
	}
	first.end()
	first.conn.Close()
	s.seats.await(2)
	p := w.notify(1)
	if second.ids(1)[0] != cursorOf(1, p) || third.ids(1)[0] != cursorOf(1, p) {
		t.Error("those within the cap were disturbed")
	}
	s.live(2, "")
	s.live(3, "")
	over := func(why string) {
		t.Helper()
		c := s.open(4, "")
		if c.status != "HTTP/1.1 200 OK" || c.head.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: %s %v", why, c.status, c.head)
		}
		b := c.expect("bye")
		var ms int
		if n, _ := fmt.Sscanf(b.retry, "%d", &ms); n != 1 || ms < 5000 || ms > 30000 {
			t.Errorf("%s: retry %q", why, b.retry)
		}
		if want := fmt.Sprintf("event: bye\nretry: %d\ndata: {\"reason\":\"overload\",\"retry_ms\":%d,\"cursor\":null}\n\n",
			ms, ms); b.raw != want {
			t.Errorf("%s: got %q, want %q", why, b.raw, want)
		}
		c.end()
	}
	over("total cap")
	s.seats.total, s.seats.spendless = 100, true
	over("budget")
}

// TestEvictedWhileOpening: a right that ends before the stream has begun ends the stream.
func TestEvictedWhileOpening(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.env.Connections = evictAtOnce{}
		c := e.connect(t, 1, "now")
		e.w.notify(1)
		synctest.Wait()
		want := "id: 1-0\nevent: bye\ndata: {\"reason\":\"revoked\",\"retry_ms\":null,\"cursor\":\"1-0\"}\n\n"
		if got := c.body(); got != want {
			t.Errorf("got %q", got)
		}
	})
}

type evictAtOnce struct{}

func (evictAtOnce) Open(_ social.Actor, evict func(plugins.ByeReason)) (func(), bool) {
	evict(plugins.ByeRevoked)
	return func() {}, true
}
func (evictAtOnce) Spend(social.Actor, string) (time.Duration, bool) { return 0, true }

// TestAdmittedTooLate: a stream that gets through to the hub after the end has begun is sent away.
func TestAdmittedTooLate(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.hub.do(func() { e.hub.drain(nil) })
		c := e.connect(t, 1, "now")
		if got := c.body(); !strings.HasPrefix(got, "id: 1-0\nevent: bye\n") || !strings.Contains(got, `"reason":"restart"`) {
			t.Errorf("got %q", got)
		}
	})
}

// TestLife: Stop is safe without Start and more than once; nothing is taken before Start or after Stop.
func TestLife(t *testing.T) {
	w := newWorld()
	c := newChannel(testConfig(), envOf(w))
	ctx := context.Background()
	c.Publish([]social.Event{{}})
	c.Drain(ctx)
	for range 2 {
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	if err := c.Start(ctx); err == nil {
		t.Error("started after Stop")
	}
	c = newChannel(testConfig(), envOf(w))
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err == nil {
		t.Error("started twice")
	}
	c.Drain(ctx)
	for range 2 {
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	c.Publish([]social.Event{{}})
}

// TestGivenUpIsNotForgotten: a relation that could not be read before it was given up is read with the next one:
// what only that one says is not taken for the whole.
func TestGivenUpIsNotForgotten(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		e.connect(t, 1, "now")
		failing := true
		e.w.onRelation = func(social.ID, social.ID) error {
			if failing {
				return errAway
			}
			return nil
		}
		e.w.unfollow(1, 2)
		gaveUp := false
		for !gaveUp {
			time.Sleep(100 * time.Millisecond)
			e.inHub(func(h *hub) { gaveUp = h.audience.Find(id(1)).failures == maxFailures })
		}
		failing = false
		e.w.follow(1, 3, true)
		synctest.Wait()
		c := e.connect(t, 1, "now")
		e.w.post(2)
		post := e.w.post(3)
		synctest.Wait()
		if got := idsIn(c); got != fmt.Sprint(post) {
			t.Errorf("shown %s, want %d", got, post)
		}
	})
}

// TestLongOutage: however often in a row the store fails for somebody, they are served when it is back.
func TestLongOutage(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		failing := true
		e.w.onAudience = func(social.ID) error {
			if failing {
				return errAway
			}
			return nil
		}
		for range 300 {
			e.connect(t, 1, "now")
			time.Sleep(5 * time.Second)
		}
		failing = false
		time.Sleep(10 * time.Second)
		c := e.connect(t, 1, "now")
		note := e.w.notify(1)
		synctest.Wait()
		if got := idsIn(c); got != fmt.Sprint(note) {
			t.Errorf("shown %q, want %d", got, note)
		}
	})
}

// TestGapOfAFullClient: a gap for which the kernel has no room is told as soon as there is some, once.
func TestGapOfAFullClient(t *testing.T) {
	for _, room := range []int{0, 5} {
		inBubble(t, defaults, func(t *testing.T, e *engine) {
			e.w.notify(1)
			synctest.Wait()
			e.inHub(func(h *hub) { h.tail = frames.NewTail(1, h.head) }) // the log has to be read
			full := make(chan struct{})
			e.w.onRead = func(_ social.Audience, after social.Cursor) error {
				if <-full; after.Seq > 0 {
					return nil
				}
				return &social.GapError{From: after, To: e.w.Head(), Reason: social.GapDamaged}
			}
			c := e.connect(t, 1, "1-0")
			c.take(room)
			close(full)
			synctest.Wait()
			c.take(-1)
			synctest.Wait()
			if got := c.body(); strings.Count(got, "event: gap\n") != 1 {
				t.Errorf("room for %d bytes: %q", room, got)
			}
		})
	}
}
