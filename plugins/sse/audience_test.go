package sse

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// TestHeldByAQuestion: while one person's relation cannot be told, that person's connections stand still behind the
// control entry and nobody else does; afterwards nothing is missing and nothing is shown that must not be.
func TestHeldByAQuestion(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		mine, other := e.connect(t, 1, "now"), e.connect(t, 5, "now")
		block := make(chan struct{})
		e.w.onRelation = func(social.ID, social.ID) error { <-block; return nil }
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

// TestComingBackMeanwhile: a connection that begins after an unfollow was heard, and before its relation was read
// again, replays by the relation now: live was what the relation before allowed, and is over.
func TestComingBackMeanwhile(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.w.follow(1, 2, true)
		live, from := e.connect(t, 1, "now"), e.w.Head()
		post, note := e.w.post(2), e.w.notify(1)
		synctest.Wait()
		block := make(chan struct{})
		e.w.onRelation = func(social.ID, social.ID) error { <-block; return nil }
		gone := e.w.unfollow(1, 2)
		synctest.Wait()
		if got := idsIn(live); got != fmt.Sprint(post, note, gone) {
			t.Fatalf("live: got %s, want %d, %d and %d", got, post, note, gone)
		}
		late := e.connect(t, 1, from.String())
		synctest.Wait()
		close(block)
		synctest.Wait()
		last := e.w.notify(1)
		synctest.Wait()
		if got := idsIn(late); got != fmt.Sprint(note, gone, last) {
			t.Errorf("replayed: got %s, want %s without the post %d", got, fmt.Sprint(note, gone, last), post)
		}
	})
}

// idsIn lists the positions in a connection's body, as fmt.Sprint does.
func idsIn(p *pipe) string {
	var out []social.Position
	for _, line := range strings.Split(p.body(), "\n") {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			c, _ := social.ParseCursor(id)
			out = append(out, c.Seq)
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(out), "["), "]")
}

// TestDeletedIsNotShownLate: what was taken back before a slow reader came to it is not shown to that reader, though
// it is still in memory; everything else is.
func TestDeletedIsNotShownLate(t *testing.T) {
	for name, take := range map[string]func(e *engine, post, note social.Position){
		"post and notification": func(e *engine, post, note social.Position) {
			e.w.redact(post, by(2), social.EventPostDeleted, `{"id":"x"}`)
			e.w.redact(note, to(1), social.EventNotificationRemoved, `{"id":"y"}`)
		},
		"the whole account": func(e *engine, post, note social.Position) {
			e.w.mu.Lock()
			defer e.w.mu.Unlock()
			e.w.gone[post], e.w.gone[note] = true, true
			e.w.commitLocked(to(2), social.EventAccessRevoked, `{}`, true)
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
				note := e.w.commit(to(1), social.EventNotification, `{"id":"y"}`, id(2))
				e.w.notify(1)
				synctest.Wait()
				take(e, post, note)
				e.w.notify(1)
				synctest.Wait()
				slow.take(-1)
				synctest.Wait()
				if got, want := slow.body(), strings.Join(e.w.expected(1, social.PostsNotify, from), ""); got != want {
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
		e.w.commit(to(1), social.EventNotification, `{}`, id(2))
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
		synctest.Wait() // the tail has read them; what reads from now on is the page
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
		if got, want := c.body(), strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), ""); got != want {
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

func (h *slowHistory) Read(ctx context.Context, a social.Audience, after social.Cursor, limit int) (social.EventPage,
	error) {
	page, err := h.world.Read(ctx, a, after, limit)
	h.after()
	return page, err
}

// connectNow is connect without waiting for rest.
func (e *engine) connectNow(t *testing.T, n int, after string) *pipe {
	q, err := plugins.ParseEvents(plugins.Params{Query: [][2]string{{"after", after}},
		Header: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	e.take(nil, request{actor: social.Actor{UserID: id(n)}, query: q})
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

// slowAudiences waits between reading and answering.
type slowAudiences struct {
	*world
	after func()
}

func (a *slowAudiences) Audience(ctx context.Context, person social.ID) (social.Audience, error) {
	out, err := a.world.Audience(ctx, person)
	a.after()
	return out, err
}

func (a *slowAudiences) Relation(ctx context.Context, person, other social.ID) (s social.Source, ok, hidden bool,
	err error) {
	s, ok, hidden, err = a.world.Relation(ctx, person, other)
	a.after()
	return s, ok, hidden, err
}

// TestEndWhileAsked: an account ends while a question about a follower is under way, whose answer is from before. The
// follower is told all the same, by each way of asking, though their mode shows no posts of that person.
func TestEndWhileAsked(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, e *engine, hold func()) *pipe{
		"who connects": func(t *testing.T, e *engine, hold func()) *pipe {
			e.w.follow(1, 2, false)
			synctest.Wait()
			hold()
			return e.connectNow(t, 1, "now")
		},
		"who has just followed": func(t *testing.T, e *engine, hold func()) *pipe {
			c := e.connect(t, 1, "now")
			hold()
			e.w.follow(1, 2, false)
			return c
		},
		"whose follows are read anew": func(t *testing.T, e *engine, hold func()) *pipe {
			e.w.follow(1, 2, false)
			c := e.connect(t, 1, "now")
			hold()
			e.w.commit(to(1), social.EventFollowChanged, `{}`) // it does not say whose
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				asking, goOn := make(chan struct{}), make(chan struct{})
				var held atomic.Bool
				e.env.Audiences = &slowAudiences{world: e.w, after: func() {
					if held.CompareAndSwap(true, false) {
						close(asking)
						<-goOn
					}
				}}
				c := ask(t, e, func() { held.Store(true) })
				<-asking
				end := e.w.end(2)
				synctest.Wait()
				close(goOn)
				synctest.Wait()
				if got := idsIn(c); !strings.HasSuffix(got, fmt.Sprint(end)) {
					t.Errorf("shown %s, and the account ended at %d", got, end)
				}
			})
		})
	}
}
