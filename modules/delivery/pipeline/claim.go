package pipeline

import (
	"context"
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
)

// sender is the pipeline of one channel: it claims endpoints with something due and makes one attempt for each,
// at most Config.Workers at once. The endpoint is what is claimed, so one that hangs holds one worker, never more,
// and its attempts follow one another.
type sender struct {
	p      *Pipeline
	c      *dispatch.Channel
	impl   plugins.Sender
	random func() float64 // 0..1
	slots  chan struct{}  // one for each attempt under way
	wake   chan struct{}  // holds at most one: something may be due, or a slot is free
}

// claim is an endpoint held for one attempt.
type claim struct {
	id    social.ID
	until social.Time // when the hold is given up for lost, and what names it
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
				defer func() { <-s.slots; poke(s.wake) }()
				s.deliver(ctx, c)
			})
		}
		if len(claims) == 0 {
			dispatch.Pause(ctx, s.wake, next)
		}
	}
}

// claim holds up to free endpoints that have something due, the longest waiting first. next is when to look again
// if there is none.
func (s *sender) claim(ctx context.Context, free int) (claims []claim, next time.Duration, err error) {
	var found []claim // with the moment when they are due
	err = s.p.db.Read(ctx, func(q storage.Querier) error {
		found, err = storage.All(ctx, q, func(row storage.Row) (c claim, err error) {
			err = row.Scan(&c.id, &c.until)
			return c, err
		}, `SELECT id, due_at FROM endpoints WHERE channel = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT $2`,
			s.c.Name, free)
		return err
	})
	if err != nil || len(found) == 0 {
		return nil, idle, err
	}
	now := s.p.clock.Now()
	if wait := found[0].until.Sub(now); wait > 0 {
		return nil, min(wait, idle), nil
	}
	until := now.Add(s.p.cfg.SendTimeout + dispatch.Overrun + holdSpare)
	err = s.p.db.InTx(ctx, func(tx storage.Tx) error {
		claims = claims[:0]
		for _, d := range found {
			if d.until > now {
				break
			}
			n, err := tx.Exec(ctx, `UPDATE endpoints SET due_at = $2, busy_until = $2 WHERE id = $1 AND due_at = $3`,
				d.id, int64(until), int64(d.until))
			if err != nil {
				return err
			}
			if n == 1 { // another node was not faster
				claims = append(claims, claim{id: d.id, until: until})
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return claims, 0, nil
}
