package sse

import (
	"bytes"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// nearBy is how many frames behind a connection may be and be served from the tail; who is further behind is served
// from the log, which knows each stream by itself (hub.nearBy).
const nearBy = 4096

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
		j.Reset()
		j.Add(c.slow.rest, c.slow.restPos)
		if !h.write(c, j) {
			return
		}
	}
	if c.ending() {
		h.part(c)
		return
	}
	j.Begin(c.preset)
	then, through := h.gather(c, j)
	if !h.write(c, j) || then == wait {
		return
	}
	h.advance(c, through)
	switch {
	case then == goOn:
		h.serve(c)
	case then == readLog:
		h.readLater(c)
	case !c.person.held:
		c.undelivered = 0
	}
}

// gather puts what the tail has for a connection into the write. through is how far it was judged.
func (h *hub) gather(c *connection, j *frames.Joined) (then outcome, through social.Position) {
	p := c.person
	trying := c.slow != nil && c.slow.tryAt > 0
	if c.undelivered == 0 || c.reading || !p.loaded || c.late || trying || !h.reaches(c) {
		return wait, 0
	}
	limit := h.limit(p)
	if c.delivered < min(h.tail.Floor(), limit) {
		return readLog, c.delivered
	}
	from, to := h.tail.After(max(c.delivered, c.undelivered-1)), h.tail.After(limit)
	if to-from > h.nearBy {
		return readLog, c.delivered
	}
	through = c.delivered
	judge := h.audience.Judge(p, c.mode)
	for i := from; i < to; i++ {
		f := h.tail.At(i)
		if c.want&f.Kind != 0 && judge.Shows(f.Stream, f.Pos, f.About) {
			if h.tail.Stale(f) {
				return readLog, through
			}
			if !j.AddFrame(f) {
				return goOn, through
			}
		}
		through = f.Pos
	}
	return settled, limit
}

// advance moves a connection past what was judged for it.
func (h *hub) advance(c *connection, through social.Position) {
	c.delivered = max(c.delivered, through)
	c.undelivered = c.delivered + 1
}

// write gives the joined blocks to the socket and reports whether all was taken. What was not taken of a block
// that is half out is kept; whole blocks behind it are put together again later. So a slow reader costs at most
// one block.
func (h *hub) write(c *connection, j *frames.Joined) bool {
	buf := j.Bytes()
	if len(buf) == 0 {
		return true
	}
	n, err := c.sock.Write(buf)
	if err != nil {
		h.cut(c, endedByPeer)
		return false
	}
	c.lastWrite = h.now
	begin, whole, marks := 0, 0, j.Marks()
	for whole < len(marks) && marks[whole].End <= n {
		begin = marks[whole].End
		whole++
	}
	if whole > 0 {
		c.delivered = max(c.delivered, marks[whole-1].Pos)
	}
	h.metrics.countWritten(n, whole)
	s := c.slow
	if s != nil {
		s.written += int64(n)
	}
	if n == len(buf) {
		if s != nil {
			s.rest, s.checkAt = nil, 0
			c.recovered()
		}
		return true
	}
	s = c.trouble()
	oldRest := whole == 0 && len(s.rest) > 0
	if !oldRest {
		s.rest, s.restSince = nil, h.now
	}
	if oldRest || n > begin {
		s.rest, s.restPos = bytes.Clone(buf[n:marks[whole].End]), marks[whole].Pos
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
		at, reason := h.kept().Cursor(h.position(c)), c.slow.ending
		h.joined.Reset()
		h.joined.Add(frames.AppendBye(nil, reason, byeRetry(reason, h.random()), at), at.Seq)
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
	c.delivered = h.position(c)
	h.joined.Reset()
	h.joined.Add([]byte(frames.Heartbeat), c.delivered)
	h.write(c, &h.joined)
}
