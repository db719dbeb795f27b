package sse

import (
	"time"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/plugins"
)

// connection is one client's open stream. The hub's goroutine owns it, but for what is set before it is handed
// over (sock, person's id, what was asked).
type connection struct {
	hub     *hub
	user    modules.ID
	person  *person
	sock    socket
	release func() // gives the place back

	want   kinds
	mode   modules.PostsMode
	preset *preset // nil = the frames of /v1/events

	epoch       uint32           // of the positions; 0 after a gap that could not be placed
	delivered   modules.Position // judged up to here
	undelivered modules.Position // the first position that waits; 0 = none, judged up to the head

	// rest is what the kernel did not take of one block; with it restPos will be delivered.
	rest    []byte
	restPos modules.Position

	waiting  bool // in the line of connections to be served
	late     bool // it began while its person was held: what stood before is judged by the answer, not by the past
	stalled  bool // the kernel is full; the socket tells when it is not
	reading  bool // a catch-up worker reads the log for it
	finished bool // bye is out, or it was cut off: nothing is written any more
	byeOut   bool // bye, or a part of it, was taken by the kernel
	gone     bool // the socket is closed and the place given back
	ending   plugins.ByeReason

	failures int    // of the log, in a row
	written  uint64 // bytes the kernel took

	// Moments on the hub's clock; 0 = none.
	wake      time.Duration // when the wheel looks at it
	lastWrite time.Duration
	tryAt     time.Duration // the log is read again
	maxAt     time.Duration // max_age
	finishAt  time.Duration // bye has to be out by then
	checkAt   time.Duration // progress is judged
	taken     uint64        // bytes the peer had taken when progress was judged last
	restSince time.Duration // since when rest stands; counts while there is one
}

// Writable has the connection served again; the socket calls it.
func (c *connection) Writable() {
	c.hub.do(func() {
		c.stalled = false
		c.hub.serve(c)
	})
}

// Gone gives everything of the connection back; the socket calls it, last.
func (c *connection) Gone() { c.hub.do(func() { c.hub.left(c) }) }

// cursor is the position held: everything up to it was judged for this connection.
func (h *hub) cursor(c *connection) modules.Cursor {
	at := c.delivered
	if c.undelivered == 0 {
		at = max(at, h.head)
	}
	return modules.Cursor{Epoch: c.epoch, Seq: at}
}

// shows reports whether a frame is for a connection, by what is known of the person's relations now. Live
// decides with it, and so does every later look at the tail.
func (c *connection) shows(f *frame) bool {
	return f.pos > c.delivered && c.want&f.kind != 0 && c.person.reads(f, c.mode)
}

// serve puts a connection into the line of those to be served, once.
func (h *hub) serve(c *connection) {
	if c.waiting || c.finished {
		return
	}
	c.waiting = true
	h.line = append(h.line, c)
}

// end has a connection say bye and close. The first reason stays. Nothing but the rest of a block that is half
// out and bye are written after it.
func (h *hub) end(c *connection, reason plugins.ByeReason) {
	if c.ending != "" || c.finished {
		return
	}
	c.ending = reason
	c.finishAt = h.now + h.cfg.FinishTimeout
	h.metrics.ended.WithLabelValues(string(reason)).Inc()
	if c.person == nil {
		return // not handed over yet: admit finds the reason
	}
	h.wheel.set(c, c.finishAt)
	h.serve(c)
}

// cut closes a connection without bye: the client resumes by its last id.
func (h *hub) cut(c *connection, why string) {
	if c.finished {
		return
	}
	c.finished = true
	h.metrics.ended.WithLabelValues(why).Inc()
	c.sock.Abort()
}

// admit takes over a connection whose ready has been written.
func (h *hub) admit(c *connection) {
	if c.gone { // the peer left before
		c.person = &person{gone: true}
		return
	}
	h.open++
	h.metrics.connections.Inc()
	c.person = h.join(c.user)
	c.person.conns = append(c.person.conns, c)
	c.late = c.person.held
	c.undelivered = c.delivered + 1
	c.lastWrite = h.now
	if c.maxAt > 0 {
		c.maxAt += h.now
	}
	h.wheel.set(c, c.due(&h.cfg))
	switch {
	case c.ending != "":
		c.finishAt = h.now + h.cfg.FinishTimeout
	case h.draining:
		h.end(c, plugins.ByeRestart)
	}
	h.serve(c)
}

// left gives everything of a connection back, after its socket was closed by whoever.
func (h *hub) left(c *connection) {
	if c.gone {
		return
	}
	c.gone = true
	if !c.finished && c.ending == "" {
		h.metrics.ended.WithLabelValues(endedByPeer).Inc()
	}
	c.finished = true
	c.rest = nil
	c.release()
	if c.person == nil {
		return // not handed over yet
	}
	h.leave(c)
	h.open--
	h.metrics.connections.Dec()
	h.idle()
}

// due is the next moment at which a connection needs a look; 0 = none.
func (c *connection) due(cfg *Config) time.Duration {
	at := c.finishAt
	if c.finished {
		return at
	}
	earlier := func(t time.Duration) {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	earlier(c.maxAt)
	earlier(c.tryAt)
	earlier(c.checkAt)
	if !c.stalled {
		earlier(c.lastWrite + cfg.Heartbeat)
	}
	if len(c.rest) > 0 {
		earlier(c.restSince + cfg.WriteTimeout)
	}
	return at
}

// look does what the time asks of a connection.
func (h *hub) look(c *connection) {
	switch {
	case c.finishAt > 0 && h.now >= c.finishAt:
		// Either bye could not get out, or the peer does not close. It had its time.
		c.finished, c.finishAt = true, 0
		c.sock.Abort()
	case c.finished:
	case len(c.rest) > 0 && h.now >= c.restSince+h.cfg.WriteTimeout:
		h.cut(c, endedSlow)
	case c.checkAt > 0 && h.now >= c.checkAt && !h.progressed(c):
		h.cut(c, endedStuck)
	case c.maxAt > 0 && h.now >= c.maxAt:
		c.maxAt = 0
		h.end(c, plugins.ByeMaxAge)
	case c.tryAt > 0 && h.now >= c.tryAt:
		c.tryAt = 0
		h.serve(c)
	case !c.stalled && h.now >= c.lastWrite+h.cfg.Heartbeat:
		h.beat(c)
	}
	if at := c.due(&h.cfg); at > 0 {
		h.wheel.set(c, at)
	}
}

// minProgress is what a peer has to take in progress_timeout while data waits.
const minProgress = 1 << 10

// progressed judges whether the peer takes what it is given.
func (h *hub) progressed(c *connection) bool {
	before := c.taken
	c.taken, c.checkAt = c.sent(), h.now+h.cfg.ProgressTimeout
	return c.taken-before >= minProgress
}

// sent is how many bytes have left this machine's kernel for the peer. That a full socket can be written to again
// says less: kernels tell it in steps for which a slow reader needs longer than progress_timeout.
func (c *connection) sent() uint64 {
	return c.written - min(c.written, uint64(max(c.sock.Waiting(), 0)))
}
