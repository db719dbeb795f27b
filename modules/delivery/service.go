package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/delivery/reading"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Service is delivery: its rooms, and the channels that are attached. Its life: New, the ports of the rooms, Attach,
// Start once the log is open and the relay has caught up, Drain, Stop.
type Service struct {
	*pipeline.Pipeline
	Audiences   *reading.Audiences
	Connections *reading.Connections

	polls    *reading.Polls
	cfg      Config
	events   storage.LogReader
	clock    social.Clock
	log      *zap.Logger
	channels []*dispatch.Channel
	cancel   context.CancelFunc
	work     sync.WaitGroup
}

// New makes a service without side effects. The log is asked before it is open: it has no head until then.
func New(cfg Config, db storage.DB, events storage.LogReader, clock social.Clock, site social.Site,
	pages *social.PageCursors, log *zap.Logger) *Service {
	s := &Service{cfg: cfg, events: events, clock: clock, log: log,
		Pipeline:    pipeline.New(cfg.Config, db, events, clock, site, pages, log),
		Audiences:   reading.NewAudiences(db),
		Connections: reading.NewConnections(cfg.Caps, clock, log)}
	s.polls = reading.NewPolls(events, s.Audiences, s.Connections)
	return s
}

// Attach adds a channel under its full name ("webhook", "webhook/ops"). app calls it for each enabled channel
// before Start, in the order in which they are to start. A channel that is neither a Listener nor a Sender is
// started and stopped, and hears nothing.
func (s *Service) Attach(name string, impl plugins.Channel) {
	conduct := dispatch.Config{Failures: s.cfg.BreakerFailures, Pause: s.cfg.BreakerPause, Hangs: dispatch.HangsAfter}
	sender, sends := impl.(plugins.Sender)
	if sends {
		conduct.Hangs = s.cfg.SendTimeout + dispatch.Overrun
	}
	c := dispatch.New(name, impl, conduct, s.clock, s.log)
	s.channels = append(s.channels, c)
	if sends {
		s.Pipeline.Attach(c, sender)
	}
}

// Start starts every channel and begins to hand on what comes after this moment. The first channel that does not
// start ends it; those started before are stopped. Senders go on where their rows say.
func (s *Service) Start(ctx context.Context) error {
	head := s.events.Head()
	if head.IsZero() {
		return fmt.Errorf("delivery: start: %w", storage.ErrClosed)
	}
	for i, c := range s.channels {
		if err := c.Start(ctx); err != nil {
			s.undoStart(ctx, s.channels[:i])
			return err
		}
	}
	var run context.Context
	run, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() {
		dispatch.Follow(run, s.events, head, s.log, func(events []social.Event) {
			s.Connections.Hear(events)
			s.polls.Hear(events)
		})
	})
	s.work.Go(func() { s.Connections.Expire(run) })
	for _, c := range s.channels {
		c.Listen(run, s.events, head)
	}
	if err := s.Pipeline.Start(run, head); err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	return nil
}

// undoStart stops channels after another one did not start, which may have used up all the time there was.
func (s *Service) undoStart(ctx context.Context, started []*dispatch.Channel) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*dispatch.StopGrace)
	defer cancel()
	for _, c := range started {
		if err := c.Stop(ctx); err != nil {
			c.Log.Warn("channel did not stop", zap.Error(err))
		}
	}
}

// Drain is the first step of the shutdown: channels with long connections tell their clients to come back, waiting
// polls are answered, new ones are refused. It returns when all that is done or ctx ends.
func (s *Service) Drain(ctx context.Context) {
	s.polls.Drain()
	var all sync.WaitGroup
	for _, c := range s.channels {
		all.Go(func() { c.Drain(ctx) })
	}
	all.Wait()
}

// Stop ends everything Start began, channels included, before ctx ends. Attempts under way are cut off and made
// again after the next start. It is safe without Start and more than once. An error names who did not stop.
func (s *Service) Stop(ctx context.Context) error {
	s.polls.Drain()
	if s.cancel == nil {
		return nil
	}
	s.cancel()
	var all sync.WaitGroup
	errs := make([]error, len(s.channels), len(s.channels)+2)
	for i, c := range s.channels {
		all.Go(func() { errs[i] = c.Stop(ctx) })
	}
	all.Wait()
	return errors.Join(append(errs, s.Pipeline.Await(ctx), dispatch.Await(ctx, &s.work))...)
}

// Health tells how each channel does, in the order of Attach.
func (s *Service) Health() []dispatch.Health {
	out := make([]dispatch.Health, len(s.channels))
	for i, c := range s.channels {
		out[i] = c.Health()
	}
	return out
}
