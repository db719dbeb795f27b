package sse

import (
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// join gives a connection its person. Who is not known is asked about, now that control entries of the person are
// heard; so is one about whom it was given up.
func (h *hub) join(c *connection, id social.ID) {
	p := h.index.people[id]
	if p == nil {
		p = &person{id: id, from: h.head}
		h.index.enter(p)
	} else if p.conns == nil {
		h.kept -= p.weight()
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

// leave takes a connection from its person. After the last one the person is kept for a while: most come back. Who
// leaves before the audience is known is still asked about: a page that was opened anew comes back at once.
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
		p.from = min(p.from, h.needs(c))
	}
	if p.conns != nil {
		return
	}
	h.metrics.people.Dec()
	if h.draining {
		return // the whole index goes
	}
	p.left = h.now
	h.away.push(away{p, h.now})
	h.metrics.kept.Inc()
	h.keep(p.weight())
}

// keep notes what it costs to keep people who left, and forgets those away for longest when it is too much.
func (h *hub) keep(weight int) {
	h.kept += weight
	for h.away.len() > 0 && (h.kept > maxKept || h.away.len() > maxAway) {
		h.forgetFirst()
	}
}

// away is somebody whose last connection left at a moment. It stands for nothing when the person came back since.
type away struct {
	person *person
	at     time.Duration
}

// What is kept of people who left: for how long, so that who lost the network, reached max_age or met a proxy's
// restart comes back without a question to the store; and how much, in edges of 8 bytes and in leavings.
const (
	keepFor = time.Minute
	maxKept = 4 << 20
	maxAway = 1 << 18
)

// forgetsATick is how many people are forgotten in one tick at most: each costs the number of their follows.
const forgetsATick = 64

// weight is what it costs to keep a person, in edges.
func (p *person) weight() int { return len(p.follows) + 2*len(p.sinces) + 32 }

// forget takes somebody who is not here out of the index.
func (h *hub) forget(p *person) {
	h.kept -= p.weight()
	h.metrics.kept.Dec()
	h.index.leave(p)
	p.gone = true
}

// forgetFirst forgets the one who has been away longest.
func (h *hub) forgetFirst() {
	a := h.away.pop()
	if p := a.person; !p.gone && p.conns == nil && p.left == a.at {
		h.forget(p)
	}
}

// forgetOld forgets those who have been away too long.
func (h *hub) forgetOld() {
	for n := 0; n < forgetsATick && h.away.len() > 0 && h.now >= h.away.first().at+keepFor; n++ {
		h.forgetFirst()
	}
}
