package reading

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// pollReads bounds the reads of the log for one page: a client that filters hard asks again, from where the page
// got to.
const pollReads = 32

// comeBack is what a client waits that met a server which is starting, stopping or full.
const comeBack = 2 * time.Second

// Polls answers GET /v1/events to those who poll, from the log. Safe for concurrent use.
type Polls struct {
	log         plugins.History
	audiences   *Audiences
	connections *Connections
	wakeups     *wakeups
	draining    atomic.Bool
	drained     chan struct{} // closed by Drain: nobody waits any longer
	drain       sync.Once
}

// NewPolls makes it without side effects.
func NewPolls(log plugins.History, audiences *Audiences, connections *Connections) *Polls {
	return &Polls{log: log, audiences: audiences, connections: connections, wakeups: newWakeups(), drained: make(chan struct{})}
}

// Hear wakes those who wait for one of these events. It is part of the tail.
func (s *Polls) Hear(events []social.Event) { s.wakeups.tell(events) }

// Drain answers those who wait and refuses those who come.
func (s *Polls) Drain() {
	s.draining.Store(true)
	s.drain.Do(func() { close(s.drained) })
}

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
	b = append(b, `],"next":"`...)
	b, _ = p.Next.AppendText(b)
	b = append(b, `","more":`...)
	if p.More {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	b = append(b, `,"head":"`...)
	b, _ = p.Head.AppendText(b)
	b = append(b, `","oldest":"`...)
	b, _ = p.Oldest.AppendText(b)
	return append(b, `"}`...)
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
func (s *Polls) Poll(ctx context.Context, person social.ID, q plugins.EventsQuery) (Page, error) {
	after, err := s.startOf(q)
	if err != nil {
		return Page{}, err
	}
	a, through, err := s.audienceUpTo(ctx, person, q)
	if err != nil {
		return Page{}, err
	}
	return s.page(ctx, a, through, after, after, q)
}

// audienceUpTo gives what a person reads, and the position up to which that holds: the head from before the question.
// A follow, or the end of one, that stands behind it may not be in the answer, and what follows it is not judged.
func (s *Polls) audienceUpTo(ctx context.Context, person social.ID, q plugins.EventsQuery) (social.Audience, social.Cursor, error) {
	through := s.log.Head()
	a, err := s.audiences.Audience(ctx, person)
	return a.ForPosts(q.Posts), through, err
}

// LongPoll answers at the first event, at the deadline, when the server drains, or when the connection is ended:
// as the oldest over the cap with an empty page, with its right revoked by a fault. It registers for wake-ups
// first and reads second, so no event falls between.
func (s *Polls) LongPoll(ctx context.Context, actor social.Actor, q plugins.EventsQuery) (Page, error) {
	begin, err := s.startOf(q)
	if err != nil {
		return Page{}, err
	}
	var revoked atomic.Bool
	ended := make(chan struct{})
	done, ok := s.connections.Open(actor, func(why plugins.ByeReason) {
		revoked.Store(why == plugins.ByeRevoked)
		close(ended)
	})
	if !ok {
		return Page{}, &social.Fault{Code: social.CodeOverloaded, Detail: "Too many streams are open here.", RetryAfter: comeBack}
	}
	defer done()
	w := &waiter{wake: make(chan struct{}, 1)}
	s.wakeups.watch(w, []social.Stream{{Kind: social.To, User: actor.UserID}}) // changes of the audience come here
	defer s.wakeups.leave(w)
	a, _, err := s.audienceUpTo(ctx, actor.UserID, q)
	if err != nil {
		return Page{}, err
	}
	s.wakeups.watch(w, streamsOf(a)) // what comes behind the first look wakes
	deadline := time.NewTimer(q.Wait)
	defer deadline.Stop()

	for after := begin; ; {
		a, through, err := s.audienceUpTo(ctx, actor.UserID, q)
		if err != nil {
			return Page{}, err
		}
		s.wakeups.watch(w, streamsOf(a))
		page, err := s.page(ctx, a, through, begin, after, q)
		if revoked.Load() {
			return Page{}, errRevoked
		}
		if err != nil || len(page.Items) > 0 {
			return page, err
		}
		after = page.Next
		if page.More {
			continue
		}
		select {
		case <-w.wake:
		case <-deadline.C:
			return page, nil
		case <-s.drained:
			return page, nil
		case <-ctx.Done():
			return page, nil
		case <-ended:
			if revoked.Load() {
				return Page{}, errRevoked
			}
			return page, nil
		}
	}
}

// errRevoked answers a long poll whose session or token ended while it waited.
var errRevoked = social.NewFault(social.CodeInvalidToken, "This session or token has ended.")

// startOf resolves where to read from; what cannot be honoured is cursor_gone.
func (s *Polls) startOf(q plugins.EventsQuery) (social.Cursor, error) {
	if s.draining.Load() || s.log.Head().IsZero() {
		return social.Cursor{}, &social.Fault{Code: social.CodeUnavailable, Detail: "The server is starting or stopping.", RetryAfter: comeBack}
	}
	after, _, gap := q.Start(s.log.Head(), s.log.Oldest())
	if gap != nil {
		return social.Cursor{}, cursorGone(gap)
	}
	return after, nil
}

// page reads until it is full, nothing is left up to through, or the budget is used up. begin is where the client's
// page began, after where this look begins.
func (s *Polls) page(ctx context.Context, a social.Audience, through, begin, after social.Cursor, q plugins.EventsQuery) (Page, error) {
	p := Page{Next: after, after: begin}
	for reads := 0; reads < pollReads && p.Next.Seq < through.Seq && len(p.Items) < q.Limit; reads++ {
		got, err := s.log.Read(ctx, a, p.Next, max(q.Limit-len(p.Items), 32))
		var gap *social.GapError
		switch {
		case errors.As(err, &gap) && len(p.Items) > 0:
			reads = pollReads // what is here is good; the gap is met by the next request
			continue
		case errors.As(err, &gap):
			return Page{}, cursorGone(gap)
		case err != nil:
			return Page{}, err
		}
		p.take(got, through, q)
	}
	p.Head, p.Oldest = s.log.Head(), s.log.Oldest()
	p.More = p.Next.Seq < through.Seq
	return p, nil
}

// take adds what the client wants of a read, as far as it was judged and up to the limit. Next stops at the last item
// when something behind it has no place any more.
func (p *Page) take(got social.EventPage, through social.Cursor, q plugins.EventsQuery) {
	p.Next = got.Through
	if got.Through.Seq > through.Seq {
		p.Next = through
	}
	shown := slices.DeleteFunc(slices.Clone(got.Events), func(e social.Event) bool { return e.Cursor.Seq > through.Seq || !q.Shows(e) })
	if room := q.Limit - len(p.Items); len(shown) > room {
		shown = shown[:room]
		p.Next = shown[room-1].Cursor
	}
	p.Items = append(p.Items, shown...)
}

func cursorGone(gap *social.GapError) error {
	return &social.Fault{Code: social.CodeCursorGone, Detail: "Events after this position cannot be given.", Gap: gap}
}

func streamsOf(a social.Audience) []social.Stream {
	out := make([]social.Stream, len(a.Sources))
	for i, source := range a.Sources {
		out[i] = source.Stream
	}
	return out
}
