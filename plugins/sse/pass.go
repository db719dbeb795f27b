package sse

import (
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// scanBudget bounds how many frames of the tail one pass looks at. nearBy is how many frames behind a connection may
// be for each to be looked at; who is further behind is told by their streams (hub.nearBy).
const (
	scanBudget = 4096
	nearBy     = 256
)

// outcome is what is left to do for a connection once its write was taken whole.
type outcome uint8

const (
	wait    outcome = iota // for an answer that is under way
	goOn                   // there is more
	settled                // it has everything it may have now
	readLog                // what it lacks is not in the tail
)

// pass serves one connection: first the rest of a block that is half out, then what it lacks, joined into one
// write that does not block; or bye.
func (h *hub) pass(c *connection) {
	if c.finished || c.stalled {
		return
	}
	j := &h.joined
	if c.halfOut() {
		j.reset()
		j.add(c.slow.rest, c.slow.restPos)
		if !h.write(c, j) {
			return
		}
	}
	if c.ending() {
		h.part(c)
		return
	}
	j.begin(c.preset)
	then, through := h.gather(c, j)
	if !h.write(c, j) {
		return
	}
	switch then {
	case goOn:
		h.advance(c, through)
		h.serve(c)
	case settled:
		h.advance(c, through)
		if !c.person.held {
			c.undelivered = 0
		}
	case readLog:
		h.advance(c, through)
		h.readLater(c)
	}
}

// gather puts what the tail has for a connection into the write. through is how far it was judged.
func (h *hub) gather(c *connection, j *joined) (then outcome, through social.Position) {
	p := c.person
	if c.undelivered == 0 || c.reading || !p.loaded || c.late || (c.slow != nil && c.slow.tryAt > 0) || !h.reaches(c) {
		return wait, 0
	}
	limit := h.limit(p)
	if c.epoch != h.epoch || c.delivered < min(h.tail.floor, limit) {
		return readLog, c.delivered
	}
	through = c.delivered
	judge := judge{c: c}
	from := h.tail.after(max(c.delivered, c.undelivered-1))
	places, told := h.missed(c, from)
	for n := 0; ; n++ {
		i := from + n
		if told && n < len(places) {
			i = int(places[n])
		} else if told {
			return settled, limit
		}
		if i == len(h.tail.frames) || h.tail.frames[i].pos > limit {
			return settled, limit
		}
		f := &h.tail.frames[i]
		if judge.shows(f) {
			if h.tail.isStale(f) {
				return readLog, through
			}
			if !j.addFrame(f) {
				return goOn, through
			}
		}
		through = f.pos
		if n >= scanBudget {
			return goOn, through
		}
	}
}

// missed gives the places of the frames from a place on that stand in the streams of a connection's person, rising.
// told is false when looking at every frame is as good: few have come since, or most are for the person.
func (h *hub) missed(c *connection, from int) (places []uint32, told bool) {
	if len(h.tail.frames)-from <= h.nearBy {
		return nil, false
	}
	p := c.person
	places = h.tail.missed(h.places[:0], h.tail.to[p.id], from, scanBudget)
	for _, e := range p.follows {
		if !c.mode.takes(e&1 == 1) {
			continue
		}
		place := e >> 1
		if place == own {
			place = h.index.authors.find(p.id)
		}
		places = h.tail.missed(places, h.index.authors.chains[place], from, scanBudget)
	}
	h.places = places
	slices.Sort(places)
	return places, len(places) <= scanBudget
}

// judge tells what is for one connection, by what is known of the person's relations now. Live decides with the
// same words, and so does every later look at the tail. It remembers its last answer: what a busy author has
// posted in a row is judged once.
type judge struct {
	c      *connection
	author uint32 // of the last frame; 0 = none
	edge   edge
	reads  bool
}

func (j *judge) shows(f *frame) bool {
	c := j.c
	if f.pos <= c.delivered || c.want&f.kind == 0 {
		return false
	}
	if f.author == 0 || f.author != j.author {
		j.author = f.author
		j.edge, j.reads = c.person.edge(f)
	}
	return j.reads && c.person.allows(f, j.edge, c.mode)
}

// advance moves a connection past what was judged for it.
func (h *hub) advance(c *connection, through social.Position) {
	c.delivered = max(c.delivered, through)
	c.undelivered = c.delivered + 1
}

// write gives the joined blocks to the socket and reports whether all was taken. What was not taken of a block
// that is half out is kept; whole blocks behind it are put together again later. So a slow reader costs at most
// one block.
func (h *hub) write(c *connection, j *joined) bool {
	buf := j.bytes()
	if len(buf) == 0 {
		return true
	}
	n, err := c.sock.Write(buf)
	if err != nil {
		h.cut(c, endedByPeer)
		return false
	}
	c.lastWrite = h.now
	begin, whole := 0, 0
	if n == len(buf) {
		whole = j.count
		c.delivered = max(c.delivered, j.marks[whole-1].pos)
	} else {
		for _, m := range j.blocks() {
			if n < m.end {
				break
			}
			c.delivered, begin = max(c.delivered, m.pos), m.end
			whole++
		}
	}
	h.took(n, whole)
	if s := c.slow; s != nil {
		s.written += int64(n)
	}
	if n == len(buf) {
		if s := c.slow; s != nil {
			s.rest, s.checkAt = nil, 0
			c.recovered()
		}
		return true
	}
	s := c.trouble()
	oldRest := whole == 0 && len(s.rest) > 0
	if !oldRest {
		s.rest, s.restSince = nil, h.now
	}
	if oldRest || n > begin {
		s.rest, s.restPos = append([]byte(nil), buf[n:j.marks[whole].end]...), j.marks[whole].pos
	}
	c.undelivered = c.delivered + 1
	h.stall(c)
	return false
}

// stall notes that the kernel is full. From now on the peer has to make progress.
func (h *hub) stall(c *connection) {
	c.stalled = true
	if s := c.trouble(); s.checkAt == 0 {
		s.written = 0
		s.taken, s.checkAt = c.sent(), h.now+h.cfg.ProgressTimeout
	}
	h.wheel.set(c, c.due(&h.cfg))
}

// part says bye, with the position really held, and ends the stream.
func (h *hub) part(c *connection) {
	if !c.byeOut {
		at, reason := h.cursor(c), c.slow.ending
		h.joined.reset()
		h.joined.add(appendBye(nil, reason, byeRetry(reason, h.random()), at), at.Seq)
		whole := h.write(c, &h.joined)
		c.byeOut = whole || c.halfOut()
		if !whole {
			return
		}
	}
	c.finished = true
	c.slow.finishAt = h.now + h.cfg.FinishTimeout
	h.wheel.set(c, c.slow.finishAt)
	c.sock.Finish()
}

// beat sends a heartbeat to a connection that was silent.
func (h *hub) beat(c *connection) {
	if c.halfOut() {
		return
	}
	c.delivered = h.cursor(c).Seq
	h.joined.reset()
	h.joined.add([]byte(heartbeat), c.delivered)
	h.write(c, &h.joined)
}
