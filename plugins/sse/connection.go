package sse

import (
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/audience"
	"github.com/belfry-social/belfry/plugins/sse/frames"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// connection is one client's open stream. The hub's goroutine owns it, but for what is set before it is handed
// over (hub, sock, release, what was asked). What an idle one does not need stands in slow.
type connection struct {
	hub     *hub
	person  *person     // nil = not handed over yet
	next    *connection // of the same person
	sock    wire.Socket
	release func()         // gives the place back
	preset  *frames.Preset // nil = the frames of /v1/events
	slow    *slow          // nil = the peer takes what it is given, and nothing has failed

	delivered   social.Position // judged up to here
	undelivered social.Position // the first position that waits; 0 = none, judged up to the head

	wake hook // in the wheel

	// Moments on the hub's clock; 0 = none.
	lastWrite time.Duration
	maxAt     time.Duration // max_age

	want frames.Kinds
	mode audience.Mode

	waiting  bool // in the queue of connections to be served
	late     bool // it began while its person was held: what stood before is judged by the answer
	stalled  bool // the kernel is full; the socket tells when it is not
	reading  bool // a catch-up worker reads the log for it
	finished bool // bye is out, or it was cut off: nothing is written any more
	byeOut   bool // bye, or a part of it, was taken by the kernel
	gone     bool // the socket is closed and the place given back
}

// slow is the state of a connection whose kernel is full, whose reads failed, or that is about to end.
type slow struct {
	// rest is what the kernel did not take of one block; with it restPos will be delivered.
	rest      []byte
	restPos   social.Position
	restSince time.Duration // since when rest stands; counts while there is one

	checkAt time.Duration // progress is judged; 0 = no data waits
	written int64         // bytes the kernel took since data began to wait
	taken   int64         // how many of them the peer had taken when progress was judged last

	tryAt    time.Duration // the log is read again; 0 = not waited for
	failures int           // of the log, in a row

	ending   plugins.ByeReason // "" = it goes on
	finishAt time.Duration     // bye has to be out by then
}

// trouble gives the state of a slow connection, to be written to.
func (c *connection) trouble() *slow {
	if c.slow == nil {
		c.slow = &slow{}
	}
	return c.slow
}

// recovered drops the state of a slow connection once nothing of it counts any more.
func (c *connection) recovered() {
	if s := c.slow; s != nil && len(s.rest) == 0 && s.checkAt == 0 && s.tryAt == 0 && s.failures == 0 &&
		s.ending == "" && s.finishAt == 0 {
		c.slow = nil
	}
}

func (c *connection) ending() bool { return c.slow != nil && c.slow.ending != "" }

// halfOut reports whether a block is half out.
func (c *connection) halfOut() bool { return c.slow != nil && len(c.slow.rest) > 0 }

// Writable has the connection served again; the socket calls it.
func (c *connection) Writable() {
	c.hub.do(func() {
		c.stalled = false
		c.hub.serve(c)
	})
}

// Gone gives everything of the connection back; the socket calls it, last.
func (c *connection) Gone() { c.hub.do(func() { c.hub.left(c) }) }

// position is the one held: everything up to it was judged for this connection.
func (h *hub) position(c *connection) social.Position {
	if c.undelivered == 0 {
		return max(c.delivered, h.head)
	}
	return c.delivered
}

// serve puts a connection into the queue of those to be served, once.
func (h *hub) serve(c *connection) {
	if c.waiting || c.finished {
		return
	}
	c.waiting = true
	h.line.push(c)
}

// end has a connection say bye and close. The first reason stays. Nothing but the rest of a block that is half
// out and bye are written after it.
func (h *hub) end(c *connection, reason plugins.ByeReason) {
	if c.ending() || c.finished {
		return
	}
	s := c.trouble()
	s.ending, s.finishAt = reason, h.now+h.cfg.FinishTimeout
	h.metrics.ended.WithLabelValues(string(reason)).Inc()
	if c.person == nil {
		return // not handed over yet: admit finds the reason
	}
	h.wheel.set(c, s.finishAt)
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

// admit takes over a connection of a person, whose ready has been written.
func (h *hub) admit(c *connection, user social.ID) {
	if c.gone { // the peer left before
		c.person = &person{gone: true}
		return
	}
	h.open++
	h.metrics.connections.Inc()
	h.join(c, user)
	c.late = c.person.held
	c.undelivered = c.delivered + 1
	c.lastWrite = h.now
	if c.maxAt > 0 {
		c.maxAt += h.now
	}
	h.wheel.set(c, c.due(&h.cfg))
	switch {
	case c.ending():
		c.slow.finishAt = h.now + h.cfg.FinishTimeout
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
	if !c.finished && !c.ending() {
		h.metrics.ended.WithLabelValues(endedByPeer).Inc()
	}
	c.finished = true
	h.wheel.remove(c)
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
func (c *connection) due(cfg *Config) (at time.Duration) {
	var s slow
	if c.slow != nil {
		s = *c.slow
	}
	moments := append(make([]time.Duration, 0, 8), s.finishAt)
	if !c.finished {
		moments = append(moments, c.maxAt, s.tryAt, s.checkAt)
		if !c.stalled {
			moments = append(moments, c.lastWrite+cfg.Heartbeat)
		}
		if len(s.rest) > 0 {
			moments = append(moments, s.restSince+cfg.WriteTimeout)
		}
	}
	for _, t := range moments {
		if t > 0 && (at == 0 || t < at) {
			at = t
		}
	}
	return at
}

// look does what the time asks of a connection.
func (h *hub) look(c *connection) {
	switch {
	case c.slow != nil && h.lookSlow(c, c.slow):
	case c.finished:
	case c.maxAt > 0 && h.now >= c.maxAt:
		c.maxAt = 0
		h.end(c, plugins.ByeMaxAge)
	case !c.stalled && h.now >= c.lastWrite+h.cfg.Heartbeat:
		h.beat(c)
	}
	if at := c.due(&h.cfg); at > 0 {
		h.wheel.set(c, at)
	}
}

// lookSlow does what the time asks of a connection that is slow or ends; false = nothing.
func (h *hub) lookSlow(c *connection, s *slow) bool {
	switch {
	case s.finishAt > 0 && h.now >= s.finishAt:
		// Either bye could not get out, or the peer does not close. It had its time.
		c.finished, s.finishAt = true, 0
		c.sock.Abort()
	case c.finished:
	case len(s.rest) > 0 && h.now >= s.restSince+h.cfg.WriteTimeout:
		h.cut(c, endedSlow)
	case s.checkAt > 0 && h.now >= s.checkAt && !h.progressed(c):
		h.cut(c, endedStuck)
	case s.tryAt > 0 && h.now >= s.tryAt:
		s.tryAt = 0
		h.serve(c)
	default:
		return false
	}
	return true
}

// minProgress is what a peer has to take in progress_timeout while data waits.
const minProgress = 1 << 10

// progressed judges whether the peer takes what it is given.
func (h *hub) progressed(c *connection) bool {
	s := c.slow
	before := s.taken
	s.taken, s.checkAt = c.sent(), h.now+h.cfg.ProgressTimeout
	return s.taken-before >= minProgress
}

// sent is how many bytes have left this machine's kernel for the peer since data began to wait; what waited then
// counts below zero. That a full socket can be written to again says less: kernels tell it in steps for which a
// slow reader needs longer than progress_timeout.
func (c *connection) sent() int64 { return c.slow.written - int64(max(c.sock.Waiting(), 0)) }
