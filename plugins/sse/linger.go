package sse

import (
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/audience"
)

// What lingers of people who left: for how long, so that who lost the network, reached max_age or met a proxy's
// restart comes back without a question to the store; and how much, in edges of 8 bytes and in leavings.
const (
	lingerFor    = time.Minute
	lingerWeight = 4 << 20
	lingerLeaves = 1 << 18
	forgetsATick = 64 // each costs the number of the person's follows
)

// lingering is who left a moment ago, in order, and what they weigh.
type lingering struct {
	queue  queue[leaving]
	weight int
}

// leaving is the moment at which a person's last connection left. It stands for nothing when they came back since.
type leaving struct {
	person *person
	at     time.Duration
}

// join gives a connection its person. Who is not known is asked about, now that control entries of the person are
// heard; so is one about whom it was given up.
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

// leave takes a connection from its person. After the last one the person lingers: most come back. Who leaves
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
		p.From = min(p.From, h.needs(c))
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

// forgetFirst forgets the one who has been away longest.
func (h *hub) forgetFirst() {
	l := h.linger.queue.pop()
	if p := l.person; !p.gone && p.conns == nil && p.left == l.at {
		h.forget(p)
	}
}

// forgetSome forgets those away for too long, some at a time, and those away for longest when too much lingers.
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
