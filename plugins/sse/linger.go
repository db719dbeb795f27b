package sse

import (
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/audience"
)

// The bounds of lingering: the time, so that after a lost network, max_age or a proxy's restart a person comes back
// without a question to the store; and the memory, in edges of 8 bytes and in leavings.
const (
	lingerFor    = time.Minute
	lingerWeight = 4 << 20
	lingerLeaves = 1 << 18
	forgetsATick = 64 // each costs the number of the person's follows
)

// lingering is the people who left a moment ago, in order, and their weight.
type lingering struct {
	queue  queue[leaving]
	weight int
}

// leaving is the moment at which a person's last connection left. It stands for nothing when they came back since.
type leaving struct {
	person *person
	at     time.Duration
}

// join gives a connection its person. A new person is asked about, now that the person's control entries are heard; so
// is a person about whom asking was given up.
func (h *hub) join(c *connection, id social.ID) {
	p := h.audience.Find(id)
	if p == nil {
		p = &person{Person: audience.Person{ID: id, From: h.head}}
		h.audience.Enter(p)
	} else if p.conns == nil {
		h.linger.weight -= p.Weight()
		h.metrics.kept.Dec()
	}
	if p.conns == nil {
		h.metrics.people.Inc()
	}
	if !p.asking && (!p.loaded || p.held) {
		p.toAsk().reload = true
		h.ask(p)
	}
	c.person, c.next, p.conns = p, p.conns, c
}

// leave takes a connection from its person. After the last one the person lingers: most come back. A person who leaves
// before the audience is known is still asked about: a page that was opened anew comes back at once.
func (h *hub) leave(c *connection) {
	p := c.person
	at := &p.conns
	for *at != c {
		if *at == nil {
			return
		}
		at = &(*at).next
	}
	*at, c.next = c.next, nil
	if !p.loaded {
		p.From = min(p.From, c.delivered)
	}
	if p.conns != nil {
		return
	}
	h.metrics.people.Dec()
	if h.draining {
		return // the whole index goes
	}
	p.left = h.now
	h.linger.queue.push(leaving{p, h.now})
	h.metrics.kept.Inc()
	h.linger.weight += p.Weight()
	h.forgetSome()
}

// forget takes a person without connections out of the index.
func (h *hub) forget(p *person) {
	h.linger.weight -= p.Weight()
	h.metrics.kept.Dec()
	h.audience.Leave(p)
	p.gone = true
}

// forgetFirst forgets the person who left first.
func (h *hub) forgetFirst() {
	l := h.linger.queue.pop()
	if p := l.person; !p.gone && p.conns == nil && p.left == l.at {
		h.forget(p)
	}
}

// forgetSome forgets people after lingerFor, some at a time, and the first to leave when too much lingers.
func (h *hub) forgetSome() {
	l := &h.linger
	for n := 0; l.queue.len() > 0; n++ {
		late := n < forgetsATick && h.now >= l.queue.first().at+lingerFor
		if !late && l.weight <= lingerWeight && l.queue.len() <= lingerLeaves {
			return
		}
		h.forgetFirst()
	}
}
