package delivery

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

const (
	idle    = 30 * time.Second // a pipeline with nothing due looks again after this, whatever it is told
	overrun = time.Second      // what a channel may take beyond its deadline to return
)

// sender is the pipeline of one channel: it claims endpoints with something due and makes one attempt for each,
// at most Config.Workers at once. The endpoint is what is claimed, so one that hangs holds one worker, never more,
// and its attempts follow one another.
type sender struct {
	s     *Service
	c     *channel
	impl  plugins.Sender
	slots chan struct{} // one for each attempt under way
	wake  chan struct{} // holds at most one: something may be due, or a slot is free
}

func newSender(s *Service, c *channel, impl plugins.Sender) *sender {
	return &sender{s: s, c: c, impl: impl, slots: make(chan struct{}, s.cfg.Workers), wake: make(chan struct{}, 1)}
}

// claim is an endpoint held for one attempt.
type claim struct {
	id    social.ID
	until social.Time // when the hold is given up for lost, and what names it
}

// startPipeline begins intake, fan-out and the senders. Without senders there is nothing to do, and nothing to be
// made up for when one is added later.
func (s *Service) startPipeline(ctx context.Context, head social.Cursor) error {
	if len(s.senders) == 0 {
		return s.dropMark(ctx)
	}
	mark, err := s.openMark(ctx, head.Seq)
	if err != nil {
		return err
	}
	in := &intake{s: s, saved: mark}
	from := social.Cursor{Epoch: head.Epoch, Seq: mark}
	s.work.Go(func() {
		follow(ctx, s.History.open(), from, s.log, func(events []social.Event) { in.take(ctx, events) })
	})
	s.work.Go(func() { s.fanOut(ctx) })
	for _, p := range s.senders {
		p.c.work.Go(func() { p.run(ctx) })
	}
	return nil
}

// nudge says that there may be something to fan out or to send.
func (s *Service) nudge() {
	poke(s.wake)
	s.wakeSenders()
}

func (s *Service) wakeSenders() {
	for _, p := range s.senders {
		poke(p.wake)
	}
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// await returns when woken, after d, or when ctx ends.
func (s *Service) await(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wake:
	case <-t.C:
	case <-ctx.Done():
	}
}

// run is the goroutine of one sender.
func (p *sender) run(ctx context.Context) {
	for ctx.Err() == nil {
		if rest := p.c.breaker.rest(); rest > 0 {
			pause(ctx, rest)
			continue
		}
		free := cap(p.slots) - len(p.slots)
		if p.c.breaker.tripped() {
			free = min(free, 1-len(p.slots)) // one tries whether the channel has recovered
		}
		if free <= 0 {
			p.s.await(ctx, p.wake, idle)
			continue
		}
		claims, next, err := p.claim(ctx, free)
		if err != nil && ctx.Err() == nil {
			p.c.log.Error("due deliveries cannot be read", zap.Error(err))
			next = time.Second
		}
		for _, c := range claims {
			p.slots <- struct{}{}
			p.c.work.Go(func() {
				defer func() { <-p.slots; poke(p.wake) }()
				p.attempt(ctx, c)
			})
		}
		if len(claims) == 0 {
			p.s.await(ctx, p.wake, next)
		}
	}
}

// claim holds up to free endpoints that have something due, the longest waiting first. next is when to look again
// if there is none.
func (p *sender) claim(ctx context.Context, free int) (claims []claim, next time.Duration, err error) {
	type due struct {
		id social.ID
		at social.Time
	}
	var found []due
	err = p.s.db.Read(ctx, func(q storage.Querier) error {
		found, err = list(ctx, q, func(row storage.Row) (d due, err error) { return d, row.Scan(&d.id, &d.at) },
			`SELECT id, due_at FROM endpoints WHERE channel = $1 AND due_at IS NOT NULL ORDER BY due_at LIMIT $2`, p.c.name, free)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	now := p.s.clock.Now()
	if len(found) == 0 {
		return nil, idle, nil
	}
	if wait := found[0].at.Sub(now); wait > 0 {
		return nil, min(wait, idle), nil
	}
	until := now.Add(p.s.cfg.SendTimeout + overrun + holdSpare)
	err = p.s.db.InTx(ctx, func(tx storage.Tx) error {
		claims = claims[:0]
		for _, d := range found {
			if d.at > now {
				break
			}
			n, err := tx.Exec(ctx, `UPDATE endpoints SET due_at = $2, busy_until = $2 WHERE id = $1 AND due_at = $3`, d.id, int64(until), int64(d.at))
			if err != nil {
				return err
			}
			if n == 1 {
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

// holdSpare is what recording an attempt may take before its endpoint is taken for abandoned.
const holdSpare = 4 * time.Second

// attempt makes one attempt of the first due delivery of a claimed endpoint and gives the endpoint back. It
// returns only when the channel has: a call that hangs keeps its worker.
func (p *sender) attempt(ctx context.Context, c claim) {
	e, d, err := p.load(ctx, c.id)
	if err != nil {
		p.giveBack(ctx, c, err)
		return
	}
	body, err := p.s.bodyOf(ctx, e, d)
	switch {
	case err != nil && !plugins.IsPermanent(err):
		p.giveBack(ctx, c, err)
		return
	case err == nil && body == nil:
		p.record(ctx, c, d, func(ctx context.Context, tx storage.Tx, now social.Time) error {
			return cancelDelivery(ctx, tx, d.id, now)
		})
		return
	}
	began := p.s.clock()
	if err == nil {
		var returned <-chan struct{}
		returned, err = p.send(ctx, plugins.Delivery{ID: d.id, Attempt: d.attempts + 1, Receiver: e.owner, Settings: e.settings,
			Secrets: e.secrets(social.TimeOf(began)), Event: body})
		defer func() { <-returned }()
		if ctx.Err() != nil && err != nil {
			p.giveBack(ctx, c, nil) // cut off by Stop: not an attempt
			return
		}
		p.conduct(err)
	}
	v := p.s.cfg.judge(d, err, p.s.jitter())
	v.attempt.At, v.attempt.DurationMS = social.TimeOf(began), p.s.clock().Sub(began).Milliseconds()
	p.record(ctx, c, d, func(ctx context.Context, tx storage.Tx, now social.Time) error {
		return p.s.recordAttempt(ctx, tx, e, d, v, now)
	})
}

// send calls the channel with a deadline. returned is closed when the call is over, which may be later than send
// itself returns.
func (p *sender) send(ctx context.Context, d plugins.Delivery) (returned <-chan struct{}, err error) {
	over := make(chan struct{})
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(ctx, p.s.cfg.SendTimeout)
	go func() {
		defer close(over)
		defer cancel()
		done <- p.c.call("Send", func() error { return p.impl.Send(ctx, d) })
	}()
	select {
	case err = <-done:
		return over, err
	case <-ctx.Done():
	}
	late := time.NewTimer(overrun) // to return by itself, with its own verdict
	defer late.Stop()
	select {
	case err = <-done:
	case <-late.C:
		err = &overrunError{after: p.s.cfg.SendTimeout + overrun}
	}
	return over, err
}

// conduct tells the breaker how the channel itself behaved: what an endpoint answered is not its fault.
func (p *sender) conduct(err error) {
	var panicked *panicError
	var late *overrunError
	if !errors.As(err, &panicked) && !errors.As(err, &late) {
		p.c.breaker.succeeded()
		return
	}
	if p.c.breaker.failed(err) {
		p.c.log.Error("channel rests after failures of its own", zap.Error(err))
	}
}
