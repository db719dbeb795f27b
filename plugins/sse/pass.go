package sse

import "github.com/belfry-social/belfry/modules"

// maxJoin bounds one write; scanBudget bounds how many frames of the tail one pass looks at.
const (
	maxJoin    = 64 << 10
	scanBudget = 4096
)

// joined is one write being put together: blocks, and what each of them delivers. Its buffer is used again for
// the next one.
type joined struct {
	buf   []byte
	marks []mark
}

// mark is the end of a block: when the kernel has taken the bytes up to end, the connection is at pos.
type mark struct {
	end int
	pos modules.Position
}

func (j *joined) reset() { j.buf, j.marks = j.buf[:0], j.marks[:0] }

func (j *joined) add(block []byte, pos modules.Position) {
	j.buf = append(j.buf, block...)
	j.marks = append(j.marks, mark{len(j.buf), pos})
}

// fits reports whether a block of n bytes may join; into an empty write it always may.
func (j *joined) fits(n int) bool { return len(j.buf) == 0 || len(j.buf)+n <= maxJoin }

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
	h.joined.reset()
	if len(c.rest) > 0 {
		h.joined.add(c.rest, c.restPos)
		if !h.write(c) {
			return
		}
		h.joined.reset()
	}
	if c.ending != "" {
		h.part(c)
		return
	}
	then, through := h.gather(c)
	if !h.write(c) {
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
func (h *hub) gather(c *connection) (then outcome, through modules.Position) {
	p := c.person
	if c.undelivered == 0 || c.reading || c.tryAt > 0 || !p.loaded || c.late {
		return wait, 0
	}
	limit := h.limit(p)
	if c.epoch != h.epoch || c.delivered < min(h.tail.floor, limit) {
		return readLog, c.delivered
	}
	through = c.delivered
	from := h.tail.after(max(c.delivered, c.undelivered-1))
	for i := from; i < len(h.tail.frames) && h.tail.frames[i].pos <= limit; i++ {
		f := &h.tail.frames[i]
		if c.shows(f) {
			if h.tail.isStale(f) {
				return readLog, through
			}
			block := c.preset.block(f)
			if !h.joined.fits(len(block)) {
				return goOn, through
			}
			h.joined.add(block, f.pos)
		}
		through = f.pos
		if i-from >= scanBudget {
			return goOn, through
		}
	}
	return settled, limit
}

// advance moves a connection past what was judged for it.
func (h *hub) advance(c *connection, through modules.Position) {
	c.delivered = max(c.delivered, through)
	c.undelivered = c.delivered + 1
}

// write gives the joined blocks to the socket and reports whether all was taken. What was not taken of a block
// that is half out is kept; whole blocks behind it are put together again later. So a slow reader costs at most
// one block.
func (h *hub) write(c *connection) bool {
	j := &h.joined
	if len(j.buf) == 0 {
		return true
	}
	n, err := c.sock.Write(j.buf)
	if err != nil {
		h.cut(c, endedByPeer)
		return false
	}
	c.written += uint64(n)
	c.lastWrite = h.now
	h.metrics.bytes.Add(float64(n))
	begin, whole := 0, 0
	for _, m := range j.marks {
		if n < m.end {
			break
		}
		c.delivered, begin = max(c.delivered, m.pos), m.end
		whole++
	}
	h.metrics.blocks.Add(float64(whole))
	if n == len(j.buf) {
		c.rest, c.checkAt = nil, 0
		return true
	}
	oldRest := whole == 0 && len(c.rest) > 0
	if !oldRest {
		c.rest, c.restSince = nil, h.now
	}
	if oldRest || n > begin {
		c.rest, c.restPos = append([]byte(nil), j.buf[n:j.marks[whole].end]...), j.marks[whole].pos
	}
	c.undelivered = c.delivered + 1
	h.stall(c)
	return false
}

// stall notes that the kernel is full. From now on the peer has to make progress.
func (h *hub) stall(c *connection) {
	c.stalled = true
	if c.checkAt == 0 {
		c.taken, c.checkAt = c.sent(), h.now+h.cfg.ProgressTimeout
	}
	h.wheel.set(c, c.due(&h.cfg))
}

// part says bye, with the position really held, and ends the stream.
func (h *hub) part(c *connection) {
	if !c.byeOut {
		at := h.cursor(c)
		h.joined.add(appendBye(nil, c.ending, byeRetry(c.ending, h.random()), at), at.Seq)
		whole := h.write(c)
		c.byeOut = whole || len(c.rest) > 0
		if !whole {
			return
		}
	}
	c.finished = true
	c.finishAt = h.now + h.cfg.FinishTimeout
	h.wheel.set(c, c.finishAt)
	c.sock.Finish()
}

// beat sends a heartbeat to a connection that was silent.
func (h *hub) beat(c *connection) {
	if len(c.rest) > 0 {
		return
	}
	c.delivered = h.cursor(c).Seq
	h.joined.reset()
	h.joined.add([]byte(heartbeat), c.delivered)
	h.write(c)
}
