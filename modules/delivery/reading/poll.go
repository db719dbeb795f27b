package reading

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

const (
	// pollReads bounds the reads of the log for one page: a client that filters hard asks again, from where the page
	// got to.
	pollReads = 32
	// comeBack is what a client waits that met a server which is starting, stopping or full.
	comeBack = 2 * time.Second
)

// errRevoked answers a long poll whose session or token ended while it waited.
var errRevoked = social.NewFault(social.CodeInvalidToken, "This session or token has ended.")

// Polls answers GET /v1/events to those who poll, from the log. Safe for concurrent use.
type Polls struct {
	log         plugins.History
	audiences   *Audiences
	connections *Connections
	wakeups     wakeups
	drained     chan struct{} // closed by Drain: nobody waits any longer
	drain       func()
}

func NewPolls(log plugins.History, audiences *Audiences, connections *Connections) *Polls {
	drained := make(chan struct{})
	return &Polls{log: log, audiences: audiences, connections: connections, drained: drained,
		drain:   sync.OnceFunc(func() { close(drained) }),
		wakeups: wakeups{byStream: map[social.Stream]map[*waiter]struct{}{}}}
}

// Hear wakes those who wait for one of these events. It is part of the tail.
func (p *Polls) Hear(events []social.Event) { p.wakeups.wake(events) }

// Drain answers those who wait and refuses those who come.
func (p *Polls) Drain() { p.drain() }

// Page is the answer to a poll and to a long poll.
type Page struct {
	Items  []social.Event
	Next   social.Cursor // where to ask from next
	More   bool          // ask again at once
	Head   social.Cursor
	Oldest social.Cursor
	after  social.Cursor // where this one began
}

// AppendJSON appends the body; items are the bytes that every other road sends.
func (p Page) AppendJSON(b []byte) []byte {
	b = append(b, `{"items":[`...)
	for i, e := range p.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = e.AppendJSON(b)
	}
	return fmt.Appendf(b, `],"next":"%s","more":%t,"head":"%s","oldest":"%s"}`, p.Next, p.More, p.Head, p.Oldest)
}

// ETag names the last item, else where the page began.
func (p Page) ETag() string {
	last := p.after
	if len(p.Items) > 0 {
		last = p.Items[len(p.Items)-1].Cursor
	}
	return `"e-` + last.String() + `"`
}

// Poll answers once, from what is in the log.
func (p *Polls) Poll(ctx context.Context, person social.ID, q plugins.EventsQuery) (Page, error) {
	after, err := p.startOf(q)
	if err != nil {
		return Page{}, err
	}
	a, through, err := p.audienceUpTo(ctx, person, q)
	if err != nil {
		return Page{}, err
	}
	return p.page(ctx, a, through, after, after, q)
}

// LongPoll answers at the first event, at the deadline, when the server drains, or when the connection is ended:
// as the oldest over the cap with an empty page, with its right revoked by a fault. It registers for wake-ups
// first and reads second, so no event falls between.
func (p *Polls) LongPoll(ctx context.Context, actor social.Actor, q plugins.EventsQuery) (Page, error) {
	begin, err := p.startOf(q)
	if err != nil {
		return Page{}, err
	}
	var revoked atomic.Bool
	ended := make(chan struct{})
	done, ok := p.connections.Open(actor, func(why plugins.ByeReason) {
		revoked.Store(why == plugins.ByeRevoked)
		close(ended)
	})
	if !ok {
		return Page{}, &social.Fault{Code: social.CodeOverloaded, Detail: "Too many streams are open here.",
			RetryAfter: comeBack}
	}
	defer done()
	w := &waiter{wake: make(chan struct{}, 1)}
	defer p.wakeups.watch(w, nil)
	deadline := time.NewTimer(q.Wait)
	defer deadline.Stop()

	for after := begin; ; {
		a, through, err := p.audienceUpTo(ctx, actor.UserID, q)
		if err != nil {
			return Page{}, err
		}
		if p.wakeups.watch(w, a.Sources) {
			continue // what was durable before is behind through: look again
		}
		page, err := p.page(ctx, a, through, begin, after, q)
		if err == nil && len(page.Items) == 0 && !page.More {
			select {
			case <-w.wake:
				after = page.Next
				continue
			case <-deadline.C:
			case <-p.drained:
			case <-ctx.Done():
			case <-ended:
			}
		}
		switch {
		case revoked.Load():
			return Page{}, errRevoked
		case err == nil && len(page.Items) == 0 && page.More:
			after = page.Next
		default:
			return page, err
		}
	}
}

// audienceUpTo gives what a person reads, and the position up to which that holds: the head from before the question.
// A follow, or the end of one, that stands behind it may not be in the answer, and what follows it is not judged.
func (p *Polls) audienceUpTo(ctx context.Context, person social.ID,
	q plugins.EventsQuery) (social.Audience, social.Cursor, error) {
	through := p.log.Kept().Newest()
	a, err := p.audiences.Audience(ctx, person)
	return a.ForPosts(q.Posts), through, err
}

// startOf resolves where to read from; what cannot be honoured is cursor_gone.
func (p *Polls) startOf(q plugins.EventsQuery) (social.Cursor, error) {
	select {
	case <-p.drained:
		return social.Cursor{}, errUnavailable
	default:
	}
	kept := p.log.Kept()
	if kept.IsZero() {
		return social.Cursor{}, errUnavailable
	}
	after, _, gap := q.Start(kept)
	if gap != nil {
		return social.Cursor{}, cursorGone(gap)
	}
	return after, nil
}

var errUnavailable = &social.Fault{Code: social.CodeUnavailable, Detail: "The server is starting or stopping.",
	RetryAfter: comeBack}

func cursorGone(gap *social.GapError) error {
	return &social.Fault{Code: social.CodeCursorGone, Detail: "Events after this position cannot be given.", Gap: gap}
}

// page reads until it is full, nothing is left up to through, or the budget is used up. begin is where the client's
// page began, after where this look begins.
func (p *Polls) page(ctx context.Context, a social.Audience, through, begin, after social.Cursor,
	q plugins.EventsQuery) (Page, error) {
	out := Page{Next: after, after: begin}
	for reads := 0; reads < pollReads && out.Next.Seq < through.Seq && len(out.Items) < q.Limit; reads++ {
		got, err := p.log.Read(ctx, a, out.Next, max(q.Limit-len(out.Items), 32))
		var gap *social.GapError
		if errors.As(err, &gap) {
			if len(out.Items) > 0 {
				break // what is here is good; the next request meets the gap
			}
			return Page{}, cursorGone(gap)
		}
		if err != nil {
			return Page{}, err
		}
		out.take(got, through, q)
	}
	kept := p.log.Kept()
	out.Head, out.Oldest = kept.Newest(), kept.Oldest()
	out.More = out.Next.Seq < through.Seq
	return out, nil
}

// take adds what the client wants of a read, as far as it was judged and up to the limit. Next stops at the last item
// when something behind it has no place any more.
func (p *Page) take(got social.EventPage, through social.Cursor, q plugins.EventsQuery) {
	p.Next = got.Through
	if got.Through.Seq > through.Seq {
		p.Next = through
	}
	shown := slices.DeleteFunc(slices.Clone(got.Events), func(e social.Event) bool {
		return e.Cursor.Seq > through.Seq || !q.Shows(e)
	})
	if room := q.Limit - len(p.Items); len(shown) > room {
		shown = shown[:room]
		p.Next = shown[room-1].Cursor
	}
	p.Items = append(p.Items, shown...)
}
