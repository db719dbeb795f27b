package sse

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// pageEvents is how many events one read of the log gives at most.
const pageEvents = 256

// page is one read of the log: what a connection lacks, and what was found. A catch-up worker owns it, memory and
// all, until its answer; of the connection the worker reads nothing. There are as many pages as may be out, and
// they are used again.
type page struct {
	conn     *connection
	audience social.Audience
	want     frames.Kinds
	preset   *frames.Preset
	after    social.Position
	limit    social.Position // what stands behind it was not judged for the audience as it is here
	version  uint32          // of the person

	joined  frames.Joined // blocks, at most frames.MaxJoin of them unless one alone is larger
	through social.Position
	gap     *social.GapError
}

// readLater puts a connection into the queue of those to be read for, once.
func (h *hub) readLater(c *connection) {
	if c.reading || c.finished {
		return
	}
	c.reading = true
	h.readNext.push(c)
}

// readFor hands a page to a worker; there is room for it.
func (h *hub) readFor(c *connection) {
	p := c.person
	if c.finished || c.ending() || p.gone {
		c.reading = false
		return
	}
	pg := &page{}
	if n := len(h.spare); n > 0 {
		pg, h.spare = h.spare[n-1], h.spare[:n-1]
	}
	*pg = page{conn: c, audience: h.audience.Audience(p, c.mode, pg.audience.Sources), want: c.want, preset: c.preset,
		after: c.delivered, limit: h.limit(p), version: p.version, joined: pg.joined}
	h.readOut++
	h.metrics.pages.Inc()
	h.pages <- pg
}

// ask reads and encodes. Events behind the page's limit are left out: a control entry before them may not have been
// heard yet.
func (pg *page) ask(ctx context.Context, env *plugins.Env) error {
	pg.joined.Reset()
	got, err := env.History.Read(ctx, pg.audience, env.History.Kept().Cursor(pg.after), pageEvents)
	if errors.As(err, &pg.gap) {
		return nil
	}
	if err != nil {
		return err
	}
	pg.through = min(got.Through.Seq, pg.limit)
	for _, e := range got.Events {
		if e.Cursor.Seq > pg.limit {
			break
		}
		if !frames.Showable(e) || pg.want&frames.KindOf(e.Type) == 0 {
			continue
		}
		if !pg.joined.AddEvent(e, pg.preset) {
			pg.through = e.Cursor.Seq - 1
			break
		}
	}
	return nil
}

func (pg *page) applied(h *hub, err error) {
	h.readOut--
	h.read(pg, err)
	h.spare = append(h.spare, pg)
}

// read applies what a worker found. A page that was read for an audience that has changed meanwhile is read again.
func (h *hub) read(pg *page, err error) {
	c := pg.conn
	c.reading = false
	if c.finished || c.ending() || c.stalled {
		return // when there is room again, the log is read again
	}
	if c.halfOut() {
		h.serve(c) // a heartbeat is half out
		return
	}
	if err != nil {
		h.readAgain(c, err)
		return
	}
	if c.slow != nil {
		c.slow.failures = 0
		c.recovered()
	}
	h.logTrouble.Store(nil)
	current := pg.version == c.person.version
	switch {
	case pg.gap != nil:
		h.fallInto(c, pg.gap)
		return
	case current && pg.through <= c.delivered && len(pg.joined.Bytes()) == 0:
		h.tryLater(c, backoff(1)) // the log has not got further
		return
	case current:
		if !h.write(c, &pg.joined) {
			return
		}
		h.advance(c, pg.through)
	}
	h.serve(c)
}

// fallInto tells a client of a gap and goes on behind it. A gap for which there is no room is met again.
func (h *hub) fallInto(c *connection, gap *social.GapError) {
	delivered := c.delivered
	c.delivered = max(gap.To.Seq, 1) - 1 // the block itself moves it
	c.undelivered = c.delivered + 1
	h.joined.Reset()
	h.joined.Add(frames.AppendGap(nil, gap), gap.To.Seq)
	switch {
	case h.write(c, &h.joined):
		h.advance(c, gap.To.Seq)
		h.serve(c)
	case !c.halfOut():
		c.delivered, c.undelivered = delivered, delivered+1
		return
	}
	h.metrics.gaps.WithLabelValues(string(gap.Reason)).Inc()
}

// readAgain waits before the log is asked once more; after some failures in a row the connection ends.
func (h *hub) readAgain(c *connection, err error) {
	s := c.trouble()
	s.failures++
	h.metrics.failures.Inc()
	h.logTrouble.Store(&err)
	h.log.Warn("log cannot be read", zap.Stringer("person", c.person.ID), zap.Int("failures", s.failures), zap.Error(err))
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
