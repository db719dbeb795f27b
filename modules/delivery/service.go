package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Service is delivery. Its life: New, Ports and Attach, Start once the log is open and the relay has caught up,
// Drain, Stop. The parts that channels are lent are its fields, and answered by it as well: Head for lists, Read
// and Oldest, Audience and Relation, Open and Spend.
type Service struct {
	*History
	*Audiences
	*Connections
	Ports Ports

	cfg    Config
	db     storage.DB
	clock  social.Clock
	log    *zap.Logger
	site   social.Site
	pages  *social.PageCursors
	jitter func() float64 // 0..1

	channels []*channel
	senders  map[string]*sender
	wakeups  *wakeups
	wake     chan struct{} // holds at most one: there may be deliveries to fan out

	draining atomic.Bool
	drained  chan struct{} // closed by Drain and Stop: nobody waits any longer
	drain    sync.Once
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

// New makes a service without side effects. open gives the log once it is open.
func New(cfg Config, db storage.DB, open OpenLog, clock social.Clock, site social.Site, pages *social.PageCursors, log *zap.Logger) *Service {
	s := &Service{
		Ports: Ports{Follows: noFollows{}, Notifications: noNotifications{}, Posts: noPosts{}, Limits: social.Unlimited{}},
		cfg:   cfg, db: db, clock: clock, log: log, site: site, pages: pages, jitter: rand.Float64,
		senders: map[string]*sender{}, wakeups: newWakeups(), wake: make(chan struct{}, 1), drained: make(chan struct{}),
	}
	s.History = &History{open: open}
	s.Audiences = &Audiences{db: db, ports: &s.Ports}
	s.Connections = newConnections(cfg, clock, &s.Ports)
	return s
}

// Attach adds a channel under its full name ("webhook", "webhook/ops"). app calls it for each enabled channel
// before Start, in the order in which they are to start. A channel that is neither a Listener nor a Sender is
// started and stopped, and hears nothing.
func (s *Service) Attach(name string, impl plugins.Channel) {
	c := &channel{name: name, impl: impl, breaker: newBreaker(s.cfg, s.clock), clock: s.clock, limit: hangsAfter,
		log: s.log.With(zap.String("channel", name)), calls: map[int]time.Time{}}
	s.channels = append(s.channels, c)
	if impl, ok := impl.(plugins.Sender); ok {
		c.limit = s.cfg.SendTimeout + overrun
		s.senders[name] = newSender(s, c, impl)
	}
}

// Start starts every channel and begins to hand on what comes after this moment. The first channel that does not
// start ends it; those started before are stopped. Senders go on where their rows say.
func (s *Service) Start(ctx context.Context) error {
	head := s.Head()
	if head.IsZero() {
		return fmt.Errorf("delivery: start: %w", storage.ErrClosed)
	}
	for i, c := range s.channels {
		if err := c.within(ctx, "Start", c.impl.Start); err != nil {
			s.undoStart(ctx, s.channels[:i])
			return fmt.Errorf("channel %s: %w", c.name, err)
		}
	}
	var run context.Context
	run, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() { s.watch(run, head) })
	s.work.Go(func() { s.Connections.expire(run) })
	for _, c := range s.channels {
		if l, ok := c.impl.(plugins.Listener); ok {
			c.work.Go(func() { s.listen(run, c, l, head) })
		}
	}
	if err := s.startPipeline(run, head); err != nil {
		return errors.Join(fmt.Errorf("delivery: start: %w", err), s.Stop(ctx))
	}
	return nil
}

// undoStart stops channels after another one did not start, which may have used up all the time there was.
func (s *Service) undoStart(ctx context.Context, started []*channel) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*stopGrace)
	defer cancel()
	for _, c := range started {
		if err := s.stopChannel(ctx, c); err != nil {
			c.log.Warn("channel did not stop", zap.Error(err))
		}
	}
}

// Drain is the first step of the shutdown: channels with long connections tell their clients to come back, waiting
// polls are answered, new ones are refused. It returns when all that is done or ctx ends.
func (s *Service) Drain(ctx context.Context) {
	s.draining.Store(true)
	s.drain.Do(func() { close(s.drained) })
	var all sync.WaitGroup
	for _, c := range s.channels {
		if d, ok := c.impl.(plugins.Drainer); ok {
			all.Go(func() {
				if err := c.within(ctx, "Drain", func(ctx context.Context) error { d.Drain(ctx); return nil }); err != nil {
					c.log.Warn("channel did not drain", zap.Error(err))
				}
			})
		}
	}
	all.Wait()
}

// Stop ends everything Start began, channels included, before ctx ends. Attempts under way are cut off and made
// again after the next start. It is safe without Start and more than once. An error names who did not stop.
func (s *Service) Stop(ctx context.Context) error {
	s.draining.Store(true)
	s.drain.Do(func() { close(s.drained) })
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	var all sync.WaitGroup
	errs := make([]error, len(s.channels)+1)
	for i, c := range s.channels {
		all.Go(func() { errs[i] = s.stopChannel(ctx, c) })
	}
	all.Go(func() { errs[len(s.channels)] = awaited(ctx, &s.work, "delivery") })
	all.Wait()
	return errors.Join(errs...)
}

// Health tells how each channel does, in the order of Attach.
func (s *Service) Health() []ChannelHealth {
	out := make([]ChannelHealth, len(s.channels))
	for i, c := range s.channels {
		out[i] = c.health()
	}
	return out
}

// stopChannel stops a channel once nothing calls it any more; calls that hang get a grace time, and Stop may be
// what ends them.
func (s *Service) stopChannel(ctx context.Context, c *channel) error {
	grace, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	_ = awaited(grace, &c.work, c.name)
	if err := c.within(ctx, "Stop", c.impl.Stop); err != nil {
		return fmt.Errorf("channel %s: %w", c.name, err)
	}
	return awaited(ctx, &c.work, "channel "+c.name)
}

// stopGrace is how long a channel's calls may take to return before it is stopped under them.
const stopGrace = time.Second

// awaited waits for work until ctx ends; the error names whose work it is.
func awaited(ctx context.Context, work *sync.WaitGroup, whose string) error {
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: calls have not returned: %w", whose, ctx.Err())
	}
}
