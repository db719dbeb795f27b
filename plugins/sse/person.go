package sse

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/audience"
)

// person is one with at least one connection, or one whose last connection left a moment ago. The hub's
// goroutine owns it.
type person struct {
	audience.Person
	conns *connection // the first of them; connection.next

	version  uint32 // grows when a control entry arrives: an older page of the log is read again
	failures uint8  // of questions, in a row

	loaded bool // the audience has been read; nothing is shown before
	gone   bool // not in the index any more; answers under way are dropped
	asking bool // a question is waiting or under way
	held   bool // control entries are not answered yet: connections are served up to hold and no further

	hold social.Position
	asks *asks         // what the next question has to ask; nil = nothing
	left time.Duration // when the last connection left
}

// asks is what the next question about a person has to ask, and the position of the first entry that made it
// necessary (0 = none did).
type asks struct {
	reload  bool
	dirty   []social.ID
	dirtyAt social.Position
}

// manyRelations is how many single relations are asked for before the whole audience is.
const manyRelations = 32

// question is what a worker asks about a person, and what was found: the whole audience or single relations.
type question struct {
	person *person
	whole  bool
	others []social.ID

	audience  social.Audience
	relations []relation
}

// relation is the answer about one other person.
type relation struct {
	other           social.ID
	source          social.Source
	follows, hidden bool
}

// controlOf reads a control entry. ok is false for every other event. A zero other means that the entry does
// not say whose relation changed: then all of them are read again.
func controlOf(e social.Event) (other social.ID, ok bool) {
	if e.Stream.Kind != social.To || (e.Type != social.EventFollowChanged && e.Type != social.EventAudienceChanged) {
		return social.ID{}, false
	}
	var data struct {
		Other  string `json:"other"`
		UserID string `json:"user_id"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return social.ID{}, true
	}
	if data.Other == "" {
		data.Other = data.UserID
	}
	other, _ = social.ParseID(data.Other)
	return other, true
}

// control notes a control entry at pos: from here on nothing is judged for the person before the relation has
// been read again. A lingering person is forgotten instead.
func (h *hub) control(p *person, pos social.Position, other social.ID) {
	if p.conns == nil {
		h.forget(p)
		return
	}
	p.version++
	a := p.toAsk()
	if other.IsZero() || len(a.dirty) >= manyRelations {
		a.reload, a.dirty = true, nil
	}
	if !a.reload && !slices.Contains(a.dirty, other) {
		a.dirty = append(a.dirty, other)
	}
	if a.dirtyAt == 0 {
		a.dirtyAt = pos
	}
	if p.loaded && !p.held {
		p.held, p.hold = true, pos
		h.wake(p)
	}
	h.ask(p)
}

func (p *person) toAsk() *asks {
	if p.asks == nil {
		p.asks = &asks{}
	}
	return p.asks
}

// ask puts a person into the queue of those to be asked about, once.
func (h *hub) ask(p *person) {
	if p.asking || p.gone {
		return
	}
	p.asking = true
	h.askNext.push(p)
}

// question takes over what is to be asked about a person.
func (p *person) question() *question {
	q := &question{person: p, whole: !p.loaded}
	if p.asks != nil {
		q.whole, q.others = q.whole || p.asks.reload, p.asks.dirty
		p.asks = nil
	}
	return q
}

func (q *question) ask(ctx context.Context, env *plugins.Env) (err error) {
	if q.whole {
		q.audience, err = env.Audiences.Audience(ctx, q.person.ID)
		return err
	}
	for _, other := range q.others {
		r := relation{other: other}
		if r.source, r.follows, r.hidden, err = env.Audiences.Relation(ctx, q.person.ID, other); err != nil {
			return err
		}
		q.relations = append(q.relations, r)
	}
	return nil
}

func (q *question) applied(h *hub, err error) {
	h.asked--
	defer func() {
		if h.asked == 0 {
			h.ended = nil
		}
	}()
	q.person.asking = false
	switch {
	case q.person.gone:
	case err != nil:
		h.askAgain(q, err)
	default:
		h.answered(q)
	}
}

// answered applies an answer and lets the person's connections go on, up to the first control entry that came
// after the question.
func (h *hub) answered(q *question) {
	p := q.person
	p.failures = 0
	h.storeTrouble.Store(nil)
	before := p.Weight()
	if q.whole {
		h.audience.Install(p, q.audience, h.reach(p))
		p.loaded = true
	}
	for _, r := range q.relations {
		h.audience.Relate(p, r.other, r.source, r.follows, r.hidden)
	}
	for author, at := range h.ended {
		h.audience.End(author, at)
	}
	p.held, p.hold = false, 0
	if p.asks != nil {
		p.held, p.hold = p.asks.dirtyAt != 0, p.asks.dirtyAt
		h.ask(p)
	}
	if p.conns == nil {
		h.linger.weight += p.Weight() - before
		h.forgetSome()
	}
	for c := p.conns; c != nil; c = c.next {
		c.late = c.late && p.held
	}
	h.wake(p)
}

// endedAccount notes that an account has ended. An answer that is on its way may be from before and bring the author
// back as somebody who is there, so the end is noted again behind each.
func (h *hub) endedAccount(author social.ID, at social.Position) {
	h.audience.End(author, at)
	if h.asked > 0 {
		if h.ended == nil {
			h.ended = map[social.ID]social.Position{}
		}
		h.ended[author] = at
	}
}

// reach is the lowest position behind which something may have to be judged for a person. What was known stays
// known: who left may come back with the same position.
func (h *hub) reach(p *person) social.Position {
	from := p.From
	for c := p.conns; c != nil; c = c.next {
		from = min(from, c.delivered)
	}
	return from
}

// reaches reports whether enough is known of a person for a connection's position; if not, the rest is asked for.
// The person's other connections go on meanwhile.
func (h *hub) reaches(c *connection) bool {
	p := c.person
	if c.delivered >= p.From {
		return true
	}
	p.toAsk().reload = true
	h.ask(p)
	return false
}

// askAgain puts a question that failed back, for later; the person stays held. After some failures in a row the
// connections end: coming back later is better than a stream that says nothing.
func (h *hub) askAgain(q *question, err error) {
	p := q.person
	p.failures = min(p.failures+1, maxFailures)
	h.metrics.failures.Inc()
	h.storeTrouble.Store(&err)
	h.log.Warn("audience cannot be read", zap.Stringer("person", p.ID), zap.Uint8("failures", p.failures), zap.Error(err))
	if p.conns == nil {
		h.forget(p)
		return
	}
	again := p.toAsk()
	again.reload = again.reload || q.whole
	if !again.reload {
		again.dirty = append(q.others, again.dirty...)
	}
	if p.held {
		again.dirtyAt = p.hold
	}
	if p.failures == maxFailures { // whoever asks next asks for this as well
		for c := p.conns; c != nil; c = c.next {
			h.end(c, plugins.ByeOverload)
		}
		return
	}
	p.asking = true
	time.AfterFunc(backoff(int(p.failures)), func() {
		h.do(func() {
			if !p.gone {
				h.askNext.push(p)
			}
		})
	})
}

// wake has every connection of a person served; one that was idle looks at the tail.
func (h *hub) wake(p *person) {
	for c := p.conns; c != nil; c = c.next {
		if c.undelivered == 0 {
			c.delivered = max(c.delivered, h.before)
			c.undelivered = c.delivered + 1
		}
		h.serve(c)
	}
}

// maxFailures is how often in a row the store or the log may fail for one person before their connections end.
const maxFailures = 6

// backoff is the wait after the nth failure in a row: 50 ms doubling to 1.6 s.
func backoff(n int) time.Duration { return 50 * time.Millisecond << min(n-1, 5) }
