package sse

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// pageEvents is how many events one read of the log gives at most.
const pageEvents = 256

// pageJob asks a catch-up worker for what a connection lacks. The worker reads it and nothing else of the
// connection; the hub writes meanwhile.
type pageJob struct {
	conn     *connection
	joined   joined // room for the page
	audience social.Audience
	want     kinds
	preset   *preset
	after    social.Cursor
	limit    social.Position // what stands behind it was not judged for the audience as it is here
	version  uint32          // of the person
}

// page is what a worker found: blocks, at most maxJoin of them unless one alone is larger.
type page struct {
	joined
	through social.Position
	gap     *social.GapError
	err     error
}

// readLater puts a connection into the line of those to be read for, once.
func (h *hub) readLater(c *connection) {
	if c.reading || c.finished {
		return
	}
	c.reading = true
	h.readNext.push(c)
}

// readFor hands the job to a worker; there is room for it.
func (h *hub) readFor(c *connection) {
	p := c.person
	if c.finished || c.ending() || p.gone {
		c.reading = false
		return
	}
	h.readOut++
	h.metrics.pages.Inc()
	room := h.takeRoom()
	h.pages <- pageJob{conn: c, joined: room.joined, audience: h.index.audience(p, c.mode, room.sources), want: c.want, preset: c.preset,
		after: social.Cursor{Epoch: c.epoch, Seq: c.delivered}, limit: h.limit(p), version: p.version}
}

// room is the memory of a page job. There are as many as jobs may be out, and they are used again.
type room struct {
	joined  joined
	sources []social.Source
}

func (h *hub) takeRoom() (r room) {
	if n := len(h.rooms); n > 0 {
		r, h.rooms = h.rooms[n-1], h.rooms[:n-1]
	}
	r.joined.reset()
	return r
}

// read applies what a worker found. A page that was read for an audience that has changed meanwhile is read again.
func (h *hub) read(job pageJob, pg page) {
	c := job.conn
	h.readOut--
	defer func() { h.rooms = append(h.rooms, room{pg.joined, job.audience.Sources}) }()
	c.reading = false
	if c.finished || c.ending() || c.stalled {
		return // when there is room again, the log is read again
	}
	if c.halfOut() {
		h.serve(c) // a heartbeat is half out
		return
	}
	if pg.err != nil {
		h.readAgain(c, pg.err)
		return
	}
	if c.slow != nil {
		c.slow.failures = 0
		c.recovered()
	}
	h.logTrouble.clear()
	if pg.gap != nil {
		h.fallInto(c, pg.gap)
		return
	}
	if pg.through <= c.delivered && pg.count == 0 && job.version == c.person.version {
		h.tryLater(c, backoff(1)) // the log has not got further
		return
	}
	if job.version == c.person.version {
		if !h.write(c, &pg.joined) {
			return
		}
		h.advance(c, pg.through)
	}
	h.serve(c)
}

// fallInto tells a client of a gap and goes on behind it. A gap for which there is no room is met again.
func (h *hub) fallInto(c *connection, gap *social.GapError) {
	epoch, delivered := c.epoch, c.delivered
	c.epoch = gap.To.Epoch
	c.delivered = gap.To.Seq - 1 // the block itself moves it
	if gap.To.Seq == 0 {
		c.delivered = 0
	}
	c.undelivered = c.delivered + 1
	h.joined.reset()
	h.joined.add(appendGap(nil, gap), gap.To.Seq)
	switch {
	case h.write(c, &h.joined):
		h.advance(c, gap.To.Seq)
		h.serve(c)
	case !c.halfOut():
		c.epoch, c.delivered, c.undelivered = epoch, delivered, delivered+1
		return
	}
	h.metrics.gaps.WithLabelValues(string(gap.Reason)).Inc()
}

// readAgain waits before the log is asked once more; after some failures in a row the connection ends.
func (h *hub) readAgain(c *connection, err error) {
	s := c.trouble()
	s.failures++
	h.metrics.failures.Inc()
	h.logTrouble.set(err)
	h.log.Warn("log cannot be read", zap.Stringer("person", c.person.id), zap.Int("failures", s.failures), zap.Error(err))
	if s.failures >= maxFailures {
		h.end(c, plugins.ByeOverload)
		return
	}
	h.tryLater(c, backoff(s.failures))
}

func (h *hub) tryLater(c *connection, d time.Duration) {
	s := c.trouble()
	s.tryAt = h.now + d
	h.wheel.set(c, s.tryAt)
}

// readPage reads and encodes; it is called by the catch-up workers. Events behind the job's limit are left out:
// a control entry before them may not have been heard yet.
func readPage(ctx context.Context, from plugins.History, job pageJob) (pg page) {
	pg.joined = job.joined
	got, err := from.Read(ctx, job.audience, job.after, pageEvents)
	if errors.As(err, &pg.gap) {
		return pg
	}
	if err != nil {
		pg.err = err
		return pg
	}
	pg.through = min(got.Through.Seq, job.limit)
	for _, e := range got.Events {
		if e.Cursor.Seq > job.limit {
			break
		}
		if !showable(e) || job.want&kindOf(e.Type) == 0 {
			continue
		}
		if !pg.addEvent(e, job.preset) {
			pg.through = e.Cursor.Seq - 1
			break
		}
	}
	return pg
}

// addEvent encodes an event at the end and reports whether it fits.
func (pg *page) addEvent(e social.Event, p *preset) bool {
	start := len(pg.buf)
	if p == nil {
		pg.buf, _ = appendEvent(pg.buf, e)
	} else {
		f := frameOf(e)
		pg.buf = append(pg.buf, p.block(&f)...)
	}
	if start > 0 && len(pg.buf) > maxJoin {
		pg.buf = pg.buf[:start]
		return false
	}
	pg.add(nil, e.Cursor.Seq)
	return true
}
