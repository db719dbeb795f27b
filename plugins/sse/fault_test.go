package sse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/plugins"
)

// TestHeldByAQuestion: while one person's relation cannot be told, that person's connections stand still behind the
// control entry and nobody else does; afterwards nothing is missing and nothing is shown that must not be.
func TestHeldByAQuestion(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		mine, other := e.connect(t, 1, "now"), e.connect(t, 5, "now")
		block := make(chan struct{})
		e.w.onRelation = func(modules.ID, modules.ID) error { <-block; return nil }
		before := e.w.post(2)
		gone := e.w.unfollow(1, 2)
		after := e.w.post(2) // committed after the unfollow: must never be shown
		begun := e.w.follow(1, 3, true)
		post := e.w.post(3) // committed after the follow: must be shown
		own := e.w.notify(1)
		theirs := e.w.notify(5)
		synctest.Wait()
		if got := idsIn(mine); got != fmt.Sprint(before, gone) {
			t.Errorf("held: got %s, want %d and %d", got, before, gone)
		}
		if got := idsIn(other); got != fmt.Sprint(theirs) {
			t.Errorf("another person: got %s, want %d", got, theirs)
		}
		close(block)
		synctest.Wait()
		if got := idsIn(mine); got != fmt.Sprint(before, gone, begun, post, own) {
			t.Errorf("let go: got %s, want %s without %d", got, fmt.Sprint(before, gone, begun, post, own), after)
		}
	})
}

// idsIn lists the positions in a connection's body.
func idsIn(p *pipe) string {
	var out []modules.Position
	for _, line := range strings.Split(p.body(), "\n") {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			c, _ := modules.ParseCursor(id)
			out = append(out, c.Seq)
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(out), "["), "]")
}

// Sprint puts no space between strings only; positions are numbers, so idsIn and fmt.Sprint agree.

// TestHungQuestions: as long as a worker is free, people whose questions hang keep only themselves waiting.
func TestHungQuestions(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		hang := make(chan struct{})
		e.w.onAudience = func(p modules.ID) error {
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
		e.w.onAudience = func(modules.ID) error {
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
		e.w.onRelation = func(modules.ID, modules.ID) error { return errAway }
		q := e.w.follow(1, 2, true)
		e.w.notify(1)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if body := c.body(); !strings.Contains(body, "id: "+cursorOf(1, q)+"\nevent: bye\nretry: ") || !strings.Contains(body, `"reason":"overload"`) {
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
		e.w.onRead = func(modules.Audience, modules.Cursor) error {
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
		e.w.onAudience = func(modules.ID) error { return boom() }
		e.w.onRead = func(modules.Audience, modules.Cursor) error { return boom() }
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
data: {"from":"1-0","to":"1-150","reason":"expired","heal":["/v1/notifications","/v1/notifications/counts","/v1/timelines/home"]}

` + strings.Join(e.w.expected(1, modules.PostsNotify, 150), "")
		if got := c.body(); got != want {
			t.Errorf("got %.300q, want %.300q", got, want)
		}
	})
}

// TestDeletedIsNotShownLate: what was taken back before a slow reader came to it is not shown to that reader, though
// it is still in memory; everything else is.
func TestDeletedIsNotShownLate(t *testing.T) {
	for name, take := range map[string]func(e *engine, post, note modules.Position){
		"post and notification": func(e *engine, post, note modules.Position) {
			e.w.redact(post, by(2), event.PostDeletedEvent, `{"id":"x"}`)
			e.w.redact(note, to(1), event.NotificationRemoved, `{"id":"y"}`)
		},
		"the whole account": func(e *engine, post, note modules.Position) {
			e.w.mu.Lock()
			defer e.w.mu.Unlock()
			e.w.gone[post], e.w.gone[note] = true, true
			e.w.commitLocked(to(2), event.AccessRevoked, `{}`, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				e.w.follow(1, 2, true)
				from := e.w.Head().Seq
				e.pipes.room = 2 << 10
				slow := e.connect(t, 1, "now")
				slow.take(0)
				e.w.notify(1)
				post := e.w.post(2)
				note := e.w.commit(to(1), event.Notification, `{"id":"y"}`, id(2))
				e.w.notify(1)
				synctest.Wait()
				take(e, post, note)
				e.w.notify(1)
				synctest.Wait()
				slow.take(-1)
				synctest.Wait()
				if got, want := slow.body(), strings.Join(e.w.expected(1, modules.PostsNotify, from), ""); got != want {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			})
		})
	}
}

// TestHiddenIsNotShownLate: what stood before a block is not shown after it, however slow the reader is.
func TestHiddenIsNotShownLate(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		e.pipes.room = 2 << 10
		slow := e.connect(t, 1, "now")
		slow.take(0)
		first := e.w.notify(1)
		e.w.post(2)
		e.w.commit(to(1), event.Notification, `{}`, id(2))
		synctest.Wait()
		e.w.hide(1, 2, true)
		e.w.post(2)
		last := e.w.notify(1)
		synctest.Wait()
		slow.take(-1)
		synctest.Wait()
		if got := idsIn(slow); got != fmt.Sprint(first, last) {
			t.Errorf("got %s, want %d and %d", got, first, last)
		}
		e.w.hide(1, 2, false)
		again := e.w.post(2)
		synctest.Wait()
		if got := idsIn(slow); got != fmt.Sprint(first, last, again) {
			t.Errorf("unhidden: got %s", got)
		}
	})
}

// TestPageForAnOlderAudience: a page of the log that was read before a relation changed is not written after it.
func TestPageForAnOlderAudience(t *testing.T) {
	cfg := defaults
	cfg.TailBytes = 4 << 10
	inBubble(t, cfg, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		from := e.w.Head()
		for range 60 {
			e.w.notify(1)
			e.w.post(2)
		}
		reading, goOn := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := &slowHistory{world: e.w, after: func() { once.Do(func() { close(reading); <-goOn }) }}
		e.env.History = slow
		c := e.connectNow(t, 1, from.String())
		<-reading
		e.w.unfollow(1, 2)
		synctest.Wait()
		close(goOn)
		synctest.Wait()
		if got, want := c.body(), strings.Join(e.w.expected(1, modules.PostsNotify, from.Seq), ""); got != want {
			t.Errorf("got %d events, %d of them posts of one who is not followed any more; want %d",
				strings.Count(got, "event: "), strings.Count(got, "post.created"), strings.Count(want, "event: "))
		}
	})
}

// slowHistory waits between reading and answering.
type slowHistory struct {
	*world
	after func()
}

func (h *slowHistory) Read(ctx context.Context, a modules.Audience, after modules.Cursor, limit int) (modules.EventPage, error) {
	page, err := h.world.Read(ctx, a, after, limit)
	h.after()
	return page, err
}

// connectNow is connect without waiting for rest.
func (e *engine) connectNow(t *testing.T, n int, after string) *pipe {
	q, err := plugins.ParseEvents(plugins.Params{Query: [][2]string{{"after", after}}, Header: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	e.take(nil, request{actor: modules.Actor{UserID: id(n)}, query: q})
	return e.pipes.last
}

// TestLogAheadOfDispatch: the log may already hold what was not dispatched. What a control entry in between has
// ended is not read from it.
func TestLogAheadOfDispatch(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		c := e.connect(t, 1, "now")
		e.w.post(2)
		synctest.Wait()
		from := e.w.Head()
		e.w.mu.Lock()
		dispatched := e.w.dispatched
		e.w.dispatched = 1 << 40 // the tail of the log is late
		e.w.mu.Unlock()
		e.w.unfollow(1, 2)
		e.w.post(2)
		own := e.w.notify(1)
		late := e.connect(t, 1, "1-0") // the person's relations are known, as of before
		synctest.Wait()
		if strings.Contains(late.body(), "id: "+cursorOf(1, from.Seq+2)) {
			t.Error("a post committed after the unfollow was shown")
		}
		e.w.mu.Lock()
		e.w.dispatched = dispatched
		e.w.changed.Broadcast()
		e.w.mu.Unlock()
		synctest.Wait()
		for _, p := range []*pipe{c, late} {
			if got := idsIn(p); !strings.HasSuffix(got, fmt.Sprint(own)) || strings.Contains(got, fmt.Sprint(own-1)) {
				t.Errorf("got %s", got)
			}
		}
	})
}

// TestNewEpoch: a log that begins anew under us is one gap for everybody.
func TestNewEpoch(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		c := e.connect(t, 1, "now")
		first := e.w.notify(1)
		synctest.Wait()
		e.w.mu.Lock()
		e.w.epoch, e.w.events, e.w.head, e.w.floor, e.w.dispatched = 77, nil, 3, 3, 3
		e.w.mu.Unlock()
		e.w.notify(2)
		synctest.Wait()
		p := e.w.notify(1)
		synctest.Wait()
		want := e.w.block(1, first) + "id: 77-4\nevent: gap\ndata: {\"from\":\"" + cursorOf(1, first) + `","to":"77-4","reason":"epoch","heal":` +
			`["/v1/notifications","/v1/notifications/counts","/v1/timelines/home"]}` + "\n\n" + e.w.block(77, p)
		if got := c.body(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// block is what notify's event looks like.
func (w *world) block(epoch uint32, p modules.Position) string {
	b, _ := appendEvent(nil, modules.Event{Cursor: modules.Cursor{Epoch: epoch, Seq: p}, Type: event.Notification, Time: testTime, Data: []byte(`{"id":"n1","text":"hello"}`)})
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
		if want := fmt.Sprintf("event: bye\nretry: %d\ndata: {\"reason\":\"overload\",\"retry_ms\":%d,\"cursor\":null}\n\n", ms, ms); b.raw != want {
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
		if got := c.body(); got != "id: 1-0\nevent: bye\ndata: {\"reason\":\"revoked\",\"retry_ms\":null,\"cursor\":\"1-0\"}\n\n" {
			t.Errorf("got %q", got)
		}
	})
}

type evictAtOnce struct{}

func (evictAtOnce) Open(_ modules.Actor, evict func(plugins.ByeReason)) (func(), bool) {
	evict(plugins.ByeRevoked)
	return func() {}, true
}
func (evictAtOnce) Spend(modules.Actor, string) (time.Duration, bool) { return 0, true }

// TestLife: Stop is safe without Start and more than once; nothing is taken before Start or after Stop.
func TestLife(t *testing.T) {
	w := newWorld()
	c := newChannel(testConfig(), envOf(w))
	ctx := context.Background()
	c.Publish([]modules.Event{{}})
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
	c.Publish([]modules.Event{{}})
}
