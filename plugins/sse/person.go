package sse

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/plugins"
)

// person is somebody with at least one connection. The hub's goroutine owns it.
type person struct {
	id     modules.ID
	conns  []*connection
	since  modules.Position // of the own to: stream
	edges  []edge           // sorted by author
	hidden map[modules.ID]struct{}

	loaded bool // the audience has been read; nothing is shown before
	gone   bool // the last connection has left; answers under way are dropped
	asking bool // a question is waiting or under way

	// held: control entries are not answered yet. Connections are served up to hold and no further.
	held bool
	hold modules.Position

	// What the next question has to ask, and the position of the first entry that made it necessary.
	reload   bool
	dirty    []modules.ID
	dirtyAt  modules.Position
	version  uint32 // grows when a control entry arrives: an older page of the log is read again
	failures int
}

// manyRelations is how many single relations are asked for before the whole audience is.
const manyRelations = 32

// question is what a worker asks about a person.
type question struct {
	person *person
	whole  bool
	others []modules.ID
}

// relation is the answer about one other person.
type relation struct {
	other           modules.ID
	source          modules.Source
	follows, hidden bool
}

// answer is what a worker found; whole or single relations.
type answer struct {
	audience  modules.Audience
	relations []relation
	err       error
}

// controlOf reads a control entry. ok is false for every other event. A zero other means that the entry does
// not say whose relation changed: then all of them are read again.
func controlOf(e modules.Event) (other modules.ID, ok bool) {
	if e.Stream.Kind != modules.To || (e.Type != event.FollowChanged && e.Type != event.AudienceChanged) {
		return modules.ID{}, false
	}
	var data struct {
		Other  string `json:"other"`
		UserID string `json:"user_id"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return modules.ID{}, true
	}
	if data.Other == "" {
		data.Other = data.UserID
	}
	other, _ = modules.ParseID(data.Other)
	return other, true
}

// control notes a control entry at pos: from here on nothing is judged for the person before the relation has
// been read again.
func (h *hub) control(p *person, pos modules.Position, other modules.ID) {
	p.version++
	if other.IsZero() || len(p.dirty) >= manyRelations {
		p.reload, p.dirty = true, nil
	}
	if !p.reload && !slices.Contains(p.dirty, other) {
		p.dirty = append(p.dirty, other)
	}
	if p.dirtyAt == 0 {
		p.dirtyAt = pos
	}
	if p.loaded && !p.held {
		p.held, p.hold = true, pos
		h.wake(p)
	}
	h.ask(p)
}

// ask puts a person into the line of those to be asked about, once.
func (h *hub) ask(p *person) {
	if p.asking || p.gone {
		return
	}
	p.asking = true
	h.askNext = append(h.askNext, p)
}

// question takes over what is to be asked about a person.
func (p *person) question() question {
	q := question{person: p, whole: p.reload || !p.loaded, others: p.dirty}
	p.reload, p.dirty, p.dirtyAt = false, nil, 0
	return q
}

// answered applies an answer and lets the person's connections go on, up to the first control entry that came
// after the question.
func (h *hub) answered(q question, a answer) {
	p := q.person
	p.asking = false
	if p.gone {
		return
	}
	if a.err != nil {
		h.askAgain(q, a.err)
		return
	}
	p.failures = 0
	h.storeTrouble.clear()
	if q.whole {
		h.index.install(p, a.audience)
		p.loaded = true
	}
	for _, r := range a.relations {
		h.index.relate(p, r.other, r.source, r.follows, r.hidden)
	}
	p.held, p.hold = p.dirtyAt != 0, p.dirtyAt
	if p.held {
		h.ask(p)
	}
	for _, c := range p.conns {
		c.late = c.late && p.held
	}
	h.wake(p)
}

// askAgain puts a question that failed back, for later; the person stays held where they are. After some
// failures in a row the connections end: coming back later is better than a stream that says nothing.
func (h *hub) askAgain(q question, err error) {
	p := q.person
	p.failures++
	h.metrics.failures.Inc()
	h.storeTrouble.set(err)
	h.log.Warn("audience cannot be read", zap.Stringer("person", p.id), zap.Int("failures", p.failures), zap.Error(err))
	if p.failures >= maxFailures {
		for _, c := range slices.Clone(p.conns) {
			h.end(c, plugins.ByeOverload)
		}
		return
	}
	p.reload = p.reload || q.whole
	if !p.reload {
		p.dirty = append(q.others, p.dirty...)
	}
	if p.loaded {
		p.dirtyAt = p.hold
	}
	p.asking = true
	h.after(backoff(p.failures), func() {
		if !p.gone {
			h.askNext = append(h.askNext, p)
		}
	})
}

// wake has every connection of a person served that is not idle, or looks at it when it was.
func (h *hub) wake(p *person) {
	for _, c := range p.conns {
		if c.undelivered == 0 {
			c.delivered = max(c.delivered, h.before)
			c.undelivered = c.delivered + 1
		}
		h.serve(c)
	}
}

// join gives the person a connection belongs to; the first one has the audience asked for, now that control
// entries of the person are heard.
func (h *hub) join(id modules.ID) *person {
	p := h.index.people[id]
	if p == nil {
		p = &person{id: id}
		h.index.people[id] = p
		h.metrics.people.Inc()
		h.ask(p)
	}
	return p
}

// leave takes a connection from its person, and the person from the index after the last one.
func (h *hub) leave(c *connection) {
	p := c.person
	if i := slices.Index(p.conns, c); i >= 0 {
		p.conns = slices.Delete(p.conns, i, i+1)
	}
	if len(p.conns) == 0 && !p.gone {
		p.gone = true
		h.index.clear(p)
		delete(h.index.people, p.id)
		h.metrics.people.Dec()
	}
}

// askAbout runs a question; it is called by the asking workers.
func askAbout(ctx context.Context, from plugins.Audiences, q question) (a answer) {
	if q.whole {
		a.audience, a.err = from.Audience(ctx, q.person.id)
		return a
	}
	for _, other := range q.others {
		r := relation{other: other}
		r.source, r.follows, r.hidden, a.err = from.Relation(ctx, q.person.id, other)
		if a.err != nil {
			return a
		}
		a.relations = append(a.relations, r)
	}
	return a
}

// maxFailures is how often in a row the store or the log may fail for one person before their connections end.
const maxFailures = 6

// backoff is the wait after the nth failure in a row: 50 ms doubling to 1.6 s.
func backoff(n int) time.Duration { return 50 * time.Millisecond << min(n-1, 5) }
