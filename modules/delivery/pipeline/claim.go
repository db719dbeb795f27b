package pipeline

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

const (
	idle      = 30 * time.Second // a goroutine with nothing to do looks again after this, whatever it is told
	holdSpare = 4 * time.Second  // what recording may take before an endpoint is taken for abandoned
	turnPage  = 64               // owners that one look at the line takes
)

// sender is the pipeline of one channel: it claims endpoints with something due and makes one attempt for each,
// at most Config.Workers at once. The endpoint is what is claimed, so one that hangs holds one worker, never more,
// and its attempts follow one another. Owners take turns: each has one place in the line, however much is due, and goes
// to its end with each claim.
type sender struct {
	p      *Pipeline
	c      *dispatch.Channel
	impl   plugins.Sender
	random func() float64 // 0..1
	shares *shares
	slots  chan struct{} // one for each attempt under way
	wake   chan struct{} // holds at most one: something may be due, or a slot is free
}

// claim is an endpoint held for one attempt, with its places.
type claim struct {
	id    social.ID
	until social.Time // when the hold is given up for lost, and what names it
	stake stake
}

func (s *sender) run(ctx context.Context) {
	for ctx.Err() == nil {
		if rest := s.c.Rest(); rest > 0 {
			dispatch.Pause(ctx, nil, rest)
			continue
		}
		free := cap(s.slots) - len(s.slots)
		if s.c.Tripped() {
			free = min(free, 1-len(s.slots)) // one tries whether the channel has recovered
		}
		if free <= 0 {
			dispatch.Pause(ctx, s.wake, idle)
			continue
		}
		claims, next, err := s.claim(ctx, free)
		if err != nil && ctx.Err() == nil {
			s.c.Log.Error("due deliveries cannot be read", zap.Error(err))
			next = time.Second
		}
		for _, c := range claims {
			s.slots <- struct{}{}
			s.c.Go(func() {
				defer func() { s.shares.give(c.stake); <-s.slots; poke(s.wake) }()
				s.deliver(ctx, c)
			})
		}
		if len(claims) == 0 && next > 0 {
			dispatch.Pause(ctx, s.wake, next)
		}
	}
}

// claim holds up to free endpoints that have something due, those of the longest waiting owners first. next is when to
// look again if there is none; 0 = at once.
func (s *sender) claim(ctx context.Context, free int) (claims []claim, next time.Duration, err error) {
	woken, first, now := s.shares.wake(), social.Time(0), s.p.clock.Now()
	err = s.p.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT due_at FROM turns WHERE channel = $1 ORDER BY due_at, turn LIMIT 1`,
			s.c.Name).Scan(&first)
	})
	found, err := storage.Found(err)
	switch wait := first.Sub(now); {
	case err != nil:
		return nil, 0, err
	case !found:
		return nil, idle, nil
	case wait > 0 && len(woken) == 0:
		return nil, min(wait, idle), nil
	}
	err = s.p.db.InTx(ctx, func(tx storage.Tx) error {
		s.giveBack(claims)
		claims = nil
		for _, o := range woken {
			_, err := tx.Exec(ctx, `UPDATE turns SET due_at = $3 WHERE channel = $1 AND owner_id = $2 AND due_at > $3`,
				s.c.Name, o.owner, int64(o.since))
			if err != nil {
				return err
			}
		}
		return s.takeTurns(ctx, tx, now, free, &claims)
	})
	if err != nil {
		s.giveBack(claims)
		return nil, 0, err
	}
	s.passOn(woken, claims)
	return claims, 0, nil
}

// passOn gives on the places of those who were woken and took none: what they had due is gone, or lacks another place.
func (s *sender) passOn(woken []offer, claims []claim) {
	for _, o := range woken {
		if !slices.ContainsFunc(claims, func(c claim) bool { return c.stake.owner == o.owner }) {
			s.shares.pass(o)
		}
	}
}

func (s *sender) giveBack(claims []claim) {
	for _, c := range claims {
		s.shares.giveBack(c.stake)
	}
}

// takeTurns goes along the line and gives each owner whose turn it is one claim; round again while places are free and
// the line is no longer than a page.
func (s *sender) takeTurns(ctx context.Context, tx storage.Tx, now social.Time, free int, claims *[]claim) error {
	line, err := storage.All(ctx, tx, func(row storage.Row) (w waiter, err error) {
		err = row.Scan(&w.owner, &w.since)
		return w, err
	}, `SELECT owner_id, due_at FROM turns WHERE channel = $1 AND due_at <= $2 ORDER BY due_at, turn LIMIT $3`,
		s.c.Name, int64(now), turnPage)
	if err != nil {
		return err
	}
	whole := len(line) < turnPage
	for len(line) > 0 && len(*claims) < free {
		w := line[0]
		line = line[1:]
		more, err := s.takeTurn(ctx, tx, w, now, claims)
		if err != nil {
			return err
		}
		if more && whole {
			line = append(line, waiter{w.owner, now})
		}
	}
	return nil
}

// takeTurn claims the first of an owner's due endpoints for which there is a place, and puts the owner back into the
// line: at its end, to when something is due, or until a place is free. more says that something else is due.
func (s *sender) takeTurn(ctx context.Context, tx storage.Tx, w waiter, now social.Time,
	claims *[]claim) (more bool, err error) {
	due, err := s.dueOf(ctx, tx, w.owner, now)
	if err != nil {
		return false, err
	}
	until := now.Add(s.p.cfg.SendTimeout + dispatch.Overrun + holdSpare)
	again, claimed := until, false
	for _, d := range due {
		why, ok := s.shares.take(d.stake, w)
		if !ok {
			s.p.figures.putOff.WithLabelValues(s.c.Name, why).Inc()
			continue
		}
		*claims = append(*claims, claim{id: d.id, until: until, stake: d.stake})
		_, err := tx.Exec(ctx, `UPDATE endpoints SET due_at = $2, busy_until = $2 WHERE id = $1`, d.id, int64(until))
		if err != nil {
			return false, err
		}
		claimed = true
		break
	}
	if more = claimed && len(due) > 1; more {
		again = now
	}
	if len(due) == 0 || claimed && !more {
		return false, s.p.toNextDue(ctx, tx, s.c.Name, w.owner)
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, `UPDATE turns SET due_at = $3, turn = $4 WHERE channel = $1 AND owner_id = $2`, s.c.Name,
		w.owner, int64(again), key)
	return more, err
}

// dueOf is what an owner has due, the longest waiting first.
func (s *sender) dueOf(ctx context.Context, tx storage.Tx, owner social.ID, now social.Time) ([]claim, error) {
	return storage.All(ctx, tx, func(row storage.Row) (c claim, err error) {
		var settings string
		c.stake.owner = owner
		err = row.Scan(&c.id, &c.stake.slow, &settings)
		c.stake.target = s.target([]byte(settings))
		return c, err
	}, `SELECT id, CASE WHEN slow > 0 THEN 1 ELSE 0 END, settings FROM endpoints
		WHERE channel = $1 AND owner_id = $2 AND due_at <= $3 ORDER BY due_at LIMIT $4`,
		s.c.Name, owner, int64(now), s.p.cfg.EndpointsPerPerson)
}

// target names the host that attempts for these settings go to; "" = the channel does not tell.
func (s *sender) target(settings []byte) (host string) {
	if t, ok := s.impl.(plugins.Targeter); ok {
		_ = s.c.Call("Target", func() error { host = t.Target(settings); return nil })
	}
	return host
}

// toNextDue puts an owner into the line for when something is due next, or out of it.
func (p *Pipeline) toNextDue(ctx context.Context, tx storage.Tx, channel string, owner social.ID) error {
	var next *social.Time
	err := tx.QueryRow(ctx, `SELECT MIN(due_at) FROM endpoints
		WHERE channel = $1 AND owner_id = $2 AND due_at IS NOT NULL`, channel, owner).Scan(&next)
	if err != nil {
		return err
	}
	if next == nil {
		_, err = tx.Exec(ctx, `DELETE FROM turns WHERE channel = $1 AND owner_id = $2`, channel, owner)
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE turns SET due_at = $3 WHERE channel = $1 AND owner_id = $2`, channel, owner,
		int64(*next))
	return err
}

// queue puts the owner of an endpoint into the line for when the endpoint has something due, and not before now: who
// has waited keeps the place that is nearer.
func queue(ctx context.Context, tx storage.Tx, endpoint social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO turns (channel, owner_id, due_at)
		SELECT channel, owner_id, CASE WHEN due_at < $2 THEN $2 ELSE due_at END FROM endpoints
			WHERE id = $1 AND due_at IS NOT NULL
		ON CONFLICT (channel, owner_id) DO UPDATE SET
			due_at = CASE WHEN excluded.due_at < turns.due_at THEN excluded.due_at ELSE turns.due_at END`,
		endpoint, int64(now))
	return err
}
