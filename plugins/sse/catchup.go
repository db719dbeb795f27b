package sse

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/plugins"
)

// pageEvents is how many events one read of the log gives at most.
const pageEvents = 256

// pageJob asks a catch-up worker for what a connection lacks. The worker reads it and nothing else of the
// connection; the hub writes meanwhile.
type pageJob struct {
	conn     *connection
	audience modules.Audience
	want     kinds
	preset   *preset
	after    modules.Cursor
	limit    modules.Position // what stands behind it was not judged for the audience as it is here
	version  uint32           // of the person
}

// page is what a worker found: blocks, at most maxJoin of them unless one alone is larger.
type page struct {
	joined
	through modules.Position
	gap     *modules.GapError
	err     error
}

// readLater puts a connection into the line of those to be read for, once.
func (h *hub) readLater(c *connection) {
	if c.reading || c.finished {
		return
	}
	c.reading = true
	h.readNext = append(h.readNext, c)
}

// readFor hands the job to a worker; there is room for it.
func (h *hub) readFor(c *connection) {
	p := c.person
	if c.finished || c.ending != "" || p.gone {
		c.reading = false
		return
	}
	h.readOut++
	h.metrics.pages.Inc()
	h.pages <- pageJob{conn: c, audience: p.audience(c.mode), want: c.want, preset: c.preset,
		after: modules.Cursor{Epoch: c.epoch, Seq: c.delivered}, limit: h.limit(p), version: p.version}
}

// read applies what a worker found. A page that was read for an audience that has changed meanwhile is read again.
func (h *hub) read(job pageJob, pg page) {
	c := job.conn
	h.readOut--
	c.reading = false
	if c.finished || c.ending != "" || c.stalled {
		return // when there is room again, the log is read again
	}
	if len(c.rest) > 0 {
		h.serve(c) // a heartbeat is half out
		return
	}
	if pg.err != nil {
		h.readAgain(c, pg.err)
		return
	}
	c.failures = 0
	h.logTrouble.clear()
	if pg.gap != nil {
		h.fallInto(c, pg.gap)
		return
	}
	if pg.through <= c.delivered && len(pg.buf) == 0 && job.version == c.person.version {
		h.tryLater(c, backoff(1)) // the log has not got further
		return
	}
	if job.version == c.person.version {
		h.joined.reset()
		h.joined.buf = append(h.joined.buf, pg.buf...)
		h.joined.marks = append(h.joined.marks, pg.marks...)
		if !h.write(c) {
			return
		}
		h.advance(c, pg.through)
	}
	h.serve(c)
}

// fallInto tells a client of a gap and goes on behind it.
func (h *hub) fallInto(c *connection, gap *modules.GapError) {
	h.metrics.gaps.WithLabelValues(string(gap.Reason)).Inc()
	c.epoch = gap.To.Epoch
	c.delivered = gap.To.Seq - 1 // the block itself moves it
	if gap.To.Seq == 0 {
		c.delivered = 0
	}
	c.undelivered = c.delivered + 1
	h.joined.reset()
	h.joined.add(appendGap(nil, gap), gap.To.Seq)
	if h.write(c) {
		h.advance(c, gap.To.Seq)
		h.serve(c)
	}
}

// readAgain waits before the log is asked once more; after some failures in a row the connection ends.
func (h *hub) readAgain(c *connection, err error) {
	c.failures++
	h.metrics.failures.Inc()
	h.logTrouble.set(err)
	h.log.Warn("log cannot be read", zap.Stringer("person", c.user), zap.Int("failures", c.failures), zap.Error(err))
	if c.failures >= maxFailures {
		h.end(c, plugins.ByeOverload)
		return
	}
	h.tryLater(c, backoff(c.failures))
}

func (h *hub) tryLater(c *connection, d time.Duration) {
	c.tryAt = h.now + d
	h.wheel.set(c, c.tryAt)
}

// readPage reads and encodes; it is called by the catch-up workers. Events behind the job's limit are left out:
// a control entry before them may not have been heard yet.
func readPage(ctx context.Context, from plugins.History, job pageJob) (pg page) {
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
		start := len(pg.buf)
		if job.preset == nil {
			pg.buf, _ = appendEvent(pg.buf, e)
		} else {
			f := frameOf(e)
			pg.buf = append(pg.buf, job.preset.block(&f)...)
		}
		if start > 0 && len(pg.buf) > maxJoin {
			pg.buf, pg.through = pg.buf[:start], e.Cursor.Seq-1
			break
		}
		pg.marks = append(pg.marks, mark{len(pg.buf), e.Cursor.Seq})
	}
	return pg
}
