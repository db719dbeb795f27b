package sse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/audience"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// forgetAll forgets everybody who left, as if their time had come.
func (h *hub) forgetAll() {
	for h.linger.queue.len() > 0 {
		h.forgetFirst()
	}
}

// inHub runs fn on the hub's goroutine and waits for it.
func (e *engine) inHub(fn func(h *hub)) {
	done := make(chan struct{})
	e.hub.do(func() { fn(e.hub); close(done) })
	<-done
}

// questions counts what a world is asked.
type questions struct{ audiences, reads int }

func (e *engine) count() *questions {
	q := &questions{}
	e.w.onAudience = func(social.ID) error { q.audiences++; return nil }
	e.w.onRead = func(social.Audience, social.Cursor) error { q.reads++; return nil }
	return q
}

// TestReconnectAsksNobody: people who come back within a minute, with nothing new or with news, cost no question to
// the store and no read of the log.
func TestReconnectAsksNobody(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		q := e.count()
		e.w.follow(1, 2, true)
		synctest.Wait()
		from := e.w.Head()
		for n := range 20 {
			e.connect(t, 1, from.String()).leave()
			synctest.Wait()
			if n%2 == 0 {
				e.w.post(2)
				e.w.notify(1)
				e.w.notify(3)
			}
			time.Sleep(50 * time.Second)
		}
		c := e.connect(t, 1, from.String())
		if q.audiences != 1 || q.reads != 0 {
			t.Errorf("the store was asked %d times, the log %d times; want 1 and 0", q.audiences, q.reads)
		}
		if got, want := c.body(), strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), ""); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// TestGoneBeforeTheAnswer: who leaves while the store is being asked is not asked about again: the answer is there
// when they come back, for the position they had.
func TestGoneBeforeTheAnswer(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.post(2)
		from := e.w.Head()
		early := e.w.post(2)
		e.w.follow(1, 2, true)
		post := e.w.post(2)
		synctest.Wait()
		asked, answer := 0, make(chan struct{})
		e.w.onAudience = func(social.ID) error { asked++; <-answer; return nil }
		e.connect(t, 1, from.String()).leave()
		synctest.Wait()
		close(answer)
		synctest.Wait()
		c := e.connect(t, 1, from.String())
		if got, want := idsIn(c), fmt.Sprint(post-1, post); got != want || asked != 1 {
			t.Errorf("shown %s, want %s and not %d; asked %d times", got, want, early, asked)
		}
	})
}

// TestAskedAgainAfterGivingUp: who comes back after the store failed for them is asked about, whether anything of
// them was known before or not.
func TestAskedAgainAfterGivingUp(t *testing.T) {
	for _, known := range []bool{false, true} {
		inBubble(t, defaults, func(t *testing.T, e *engine) {
			if known {
				e.connect(t, 1, "now")
			}
			failing := true
			fail := func() error {
				if failing {
					return errAway
				}
				return nil
			}
			e.w.onAudience = func(social.ID) error { return fail() }
			e.w.onRelation = func(social.ID, social.ID) error { return fail() }
			e.w.follow(1, 2, true)
			c := e.connect(t, 1, "now")
			time.Sleep(time.Minute)
			if !c.closed() || !strings.Contains(c.body(), `"reason":"overload"`) {
				t.Fatalf("the store failed for a minute: %q", c.body())
			}
			failing = false
			again := e.connect(t, 1, "now")
			post := e.w.post(2)
			synctest.Wait()
			if got := idsIn(again); got != fmt.Sprint(post) {
				t.Errorf("known %v: shown %q, want %d", known, got, post)
			}
		})
	}
}

// TestForgotten: who is away longer than a minute, or whose relations change meanwhile, is asked about anew, and the
// index keeps nothing of them.
func TestForgotten(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, e *engine){
		"for long":           func(*testing.T, *engine) { time.Sleep(lingerFor + time.Second) },
		"and unfollows":      func(_ *testing.T, e *engine) { e.w.unfollow(1, 2) },
		"and is hidden from": func(_ *testing.T, e *engine) { e.w.hide(1, 2, true) },
		"as one of many": func(t *testing.T, e *engine) {
			e.inHub(func(h *hub) { h.linger.weight += lingerWeight })
			e.connect(t, 9, "now").leave()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				q := e.count()
				e.w.follow(1, 2, true)
				synctest.Wait()
				e.connect(t, 1, "now").leave()
				synctest.Wait()
				away(t, e)
				synctest.Wait()
				e.inHub(func(h *hub) {
					if people, authors := h.audience.Size(); people != 0 || authors != 0 {
						t.Error("still known")
					}
				})
				before := q.audiences
				c := e.connect(t, 1, "now")
				post, note := e.w.post(2), e.w.notify(1)
				synctest.Wait()
				want := fmt.Sprint(post, note)
				if e.w.hidden[pair{id(1), id(2)}] || len(e.w.edges) == 0 {
					want = fmt.Sprint(note)
				}
				if got := idsIn(c); got != want || q.audiences != before+1 {
					t.Errorf("shown %s, want %s; asked %d times", got, want, q.audiences-before)
				}
			})
		})
	}
}

// TestLeavingIsBounded: however many people come and go, what is kept of them has an end, and then nothing is left.
func TestLeavingIsBounded(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		e.inHub(func(h *hub) {
			for n := range lingerLeaves + 100 {
				k := &connection{hub: h, sock: &pipe{room: -1}, release: func() {}}
				h.admit(k, id(n%3+1))
				k.person.loaded, k.person.asking = true, false
				h.left(k)
			}
			if h.linger.queue.len() > lingerLeaves {
				t.Errorf("%d leavings are remembered, at most %d", h.linger.queue.len(), lingerLeaves)
			}
		})
		for range 2 {
			time.Sleep(lingerFor)
		}
		e.inHub(func(h *hub) { h.forgetAll() })
		e.inHub(func(h *hub) {
			if people, authors := h.audience.Size(); h.linger.weight != 0 || people != 0 || authors != 0 {
				t.Errorf("left: weight %d, %d people, %d authors", h.linger.weight, people, authors)
			}
		})
	})
}

// TestEarlierPlace: a second device comes with a lower id than the first one had. Since when each follow holds has
// to be asked again for it, and what stands before a follow is shown to neither.
func TestEarlierPlace(t *testing.T) {
	for _, tail := range []social.Size{4 << 10, 1 << 20} { // from the log, from memory
		cfg := defaults
		cfg.TailBytes = tail
		inBubble(t, cfg, func(t *testing.T, e *engine) {
			q := e.count()
			from := e.w.Head()
			for n := range 30 {
				e.w.post(2)
				e.w.notify(1)
				if n == 10 || n == 20 {
					e.w.follow(1, 2, true)
				}
			}
			synctest.Wait()
			first := e.connect(t, 1, "now")
			second := e.connect(t, 1, from.String())
			if q.audiences != 2 {
				t.Errorf("asked %d times, want 2", q.audiences)
			}
			e.w.post(2)
			synctest.Wait()
			if got, want := second.body(), strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), ""); got != want {
				t.Errorf("got  %s\nwant %d blocks", idsIn(second), strings.Count(want, "event: "))
			}
			if n := strings.Count(first.body(), "event: "); n != 1 {
				t.Errorf("the first device was shown %d", n)
			}
			e.connect(t, 1, from.String())
			if q.audiences != 2 {
				t.Errorf("what is known was asked for again")
			}
		})
	}
}

// TestFarBehind: who lacks much is served from the log, and from memory behind it; the order and the bytes are the
// same.
func TestFarBehind(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		const near = 256
		e.inHub(func(h *hub) { h.nearBy = near })
		q := e.count()
		for n := range 20 {
			e.w.follow(1, 100+n, n%2 == 0)
		}
		e.w.hide(1, 104, true)
		synctest.Wait()
		from := e.w.Head()
		for n := range 10 * near { // of people who are followed, one in three
			e.w.post(100 + n%60)
			if n%100 == 0 {
				e.w.notify(1)
				e.w.notify(2)
			}
		}
		synctest.Wait()
		c := e.connect(t, 1, from.String())
		if q.reads == 0 {
			t.Error("the log was not read")
		}
		if got, want := c.body(), strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), ""); got != want || want == "" {
			t.Errorf("got %d blocks, want %d, or in another order", strings.Count(got, "event: "),
				strings.Count(want, "event: "))
		}
		reads, last := q.reads, e.w.notify(1)
		synctest.Wait()
		if !strings.HasSuffix(idsIn(c), fmt.Sprint(last)) || q.reads != reads {
			t.Errorf("caught up: the log was read %d times more", q.reads-reads)
		}
	})
}

// TestFanOutIsBuiltOnce: what a thousand readers lack alike is put together once, and marking and serving them
// allocates nothing.
func TestFanOutIsBuiltOnce(t *testing.T) {
	const readers, posts = 1000, 40
	w := newWorld()
	for n := range readers {
		w.follow(n+10, 1, n%2 == 0)
	}
	h := newHub(defaults, envOf(w), func() float64 { return 0 })
	h.begin(w.head)
	out := newSink()
	for n := range readers {
		a, _ := w.Audience(t.Context(), id(n+10))
		c := &connection{hub: h, want: frames.All, mode: audience.All, sock: &drain{out}, delivered: w.head,
			release: func() {}}
		h.admit(c, id(n+10))
		(&question{person: c.person, whole: true, audience: a}).applied(h, nil)
	}
	h.askNext = queue[*person]{}
	serve := func() {
		for h.line.len() > 0 {
			h.step()
		}
	}
	serve()
	round := func(count int) (events []social.Event, made []frames.Frame, size int) {
		for range count {
			w.commit(by(1), social.EventPostCreated, `{}`, id(1))
			e := w.events[len(w.events)-1]
			f := frames.Of(e)
			events, made, size = append(events, e), append(made, f), size+len(blockOf(e))
		}
		return events, made, size
	}
	events, made, size := round(posts)
	built, bytes, writes := h.joined.Built, out.bytes.Load(), out.writes.Load()
	h.dispatched(events, made)
	serve()
	if got := h.joined.Built - built; got != uint64(size) {
		t.Errorf("%d bytes were put together for %d of frames", got, size)
	}
	if got := out.bytes.Load() - bytes; got != int64(size)*readers {
		t.Errorf("%d bytes went out, want %d", got, size*readers)
	}
	if got := out.writes.Load() - writes; got != readers {
		t.Errorf("%d writes for %d readers", got, readers)
	}
	rounds := make(chan []social.Event, 200)
	for range cap(rounds) {
		e, _, _ := round(1)
		rounds <- e
	}
	perRound := testing.AllocsPerRun(100, func() {
		e := <-rounds
		h.dispatched(e, []frames.Frame{frames.Of(e[0])})
		serve()
	})
	if perRound > 8 { // encoding, and the tail's growth now and then; nothing for each of 1,000 readers
		t.Errorf("%.1f allocations for a post to %d readers", perRound, readers)
	}
}

// TestPagesAreUsedAgain: reading the log again and again uses the same memory.
func TestPagesAreUsedAgain(t *testing.T) {
	cfg := defaults
	cfg.TailBytes, cfg.CatchUpWorkers = 4<<10, 2
	inBubble(t, cfg, func(t *testing.T, e *engine) {
		from := e.w.Head()
		for range 3000 {
			e.w.commit(to(1), social.EventNotification, `"`+strings.Repeat("x", 200)+`"`)
		}
		synctest.Wait()
		var open []*pipe
		for range 5 {
			open = append(open, e.connect(t, 1, from.String()))
		}
		want := strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), "")
		for _, c := range open {
			if c.body() != want {
				t.Error("a reader from the log was shown something else")
			}
		}
		e.inHub(func(h *hub) {
			large := func(pg *page) bool { return cap(pg.joined.Bytes()) > 4*frames.MaxJoin }
			if len(h.spare) > cfg.CatchUpWorkers || slices.ContainsFunc(h.spare, large) {
				t.Errorf("%d pages for %d workers", len(h.spare), cfg.CatchUpWorkers)
			}
		})
	})
}
