package sse

import "time"

// progress is how a peer takes the bytes that wait for it, by what its machine has acknowledged. That a full socket can
// be written to again says less: kernels tell it in steps for which a slow reader needs longer than progress_timeout.
type progress struct {
	checkAt time.Duration // it is judged; 0 = nothing waits
	movedAt time.Duration // the peer had progressed last
	longest time.Duration // its longest silence that ended with progress
	taken   int64         // how much of written the peer had taken then; what waited at the beginning counts below zero
	owed    int64         // how much waited in the kernel then; 0 = nothing, or it does not say
	written int64         // bytes the kernel took since data began to wait
}

// A peer has progressed when it took minProgress for each progress_timeout since it had last, or all that had waited in
// the kernel. A machine whose buffer is full is silent until its program has read a part of it, up to the whole, so a
// slow reader shows itself in steps, and early ones are short (measured: up to 8 times shorter, decision 0057). Hence
// one may be silent for progress_timeout, and for trust times as long as it was before; never for more than
// mostSilence times progress_timeout. One that stops is closed then, or one check later.
const (
	minProgress = 1 << 10
	checks      = 14 // in progress_timeout
	trust       = 10
	mostSilence = 8
)

// watch begins to judge a peer for which data waits.
func (h *hub) watch(c *connection) {
	if p := &c.trouble().progress; p.checkAt == 0 {
		*p = progress{checkAt: h.now + h.cfg.ProgressTimeout/checks}
		p.mark(h.now, c.sock.Waiting())
	}
}

// patience is the moment until which the peer may be silent.
func (p *progress) patience(timeout time.Duration) time.Duration {
	return p.movedAt + min(max(timeout, trust*p.longest), mostSilence*timeout)
}

// mark notes that the peer has progressed.
func (p *progress) mark(now time.Duration, waiting int) {
	p.movedAt, p.taken, p.owed = now, p.written-int64(waiting), int64(waiting)
}

// stuck judges a peer that is watched. One that can be written to, and has taken everything or has it on the way, is
// watched no more: vanished judges it.
func (h *hub) stuck(c *connection) bool {
	p, waiting := &c.slow.progress, c.sock.Waiting()
	if !c.stalled && (waiting == 0 || c.sock.Silence() > 0) {
		p.checkAt = 0
		c.recovered()
		return false
	}
	gained, silent, timeout := p.written-int64(waiting)-p.taken, h.now-p.movedAt, h.cfg.ProgressTimeout
	if gained >= minProgress*max(1, int64(silent/timeout)) || p.owed > 0 && gained >= p.owed {
		p.longest = max(p.longest, silent)
		p.mark(h.now, waiting)
	}
	until := p.patience(timeout)
	p.checkAt = min(h.now+timeout/checks, until)
	return h.now >= until
}

// vanished judges whether a peer's machine is there: bytes are on their way to it, and it has acknowledged nothing for
// peer_timeout. A window that is closed is no such sign, but then data waits, and the peer is watched.
func (h *hub) vanished(c *connection) bool {
	if c.outSince == 0 {
		return false // nothing was written since it had acknowledged everything
	}
	switch silence := c.sock.Silence(); {
	case silence > 0:
		c.outSince = max(c.outSince, h.now-silence)
	case c.sock.Waiting() > 0:
		c.outSince = h.now
		h.watch(c)
	default:
		c.outSince = 0
		return false
	}
	return h.now >= c.outSince+h.cfg.PeerTimeout
}
