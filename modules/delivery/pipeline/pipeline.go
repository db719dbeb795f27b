package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Pipeline makes and attempts the deliveries of all senders. Its life: New, Ports and Attach, Start, Stop.
type Pipeline struct {
	Ports Ports

	cfg    Config
	db     storage.DB
	events Log
	clock  social.Clock
	log    *zap.Logger
	site   social.Site
	pages  *social.PageCursors
	jitter func() float64 // 0..1

	senders map[string]*sender
	wake    chan struct{} // holds at most one: there may be deliveries to fan out
	work    sync.WaitGroup
}

// New makes a pipeline without side effects.
func New(cfg Config, db storage.DB, events Log, clock social.Clock, site social.Site, pages *social.PageCursors,
	log *zap.Logger) *Pipeline {
	return &Pipeline{Ports: Ports{Follows: absent{}, Notifications: absent{}, Posts: absent{}}, cfg: cfg, db: db,
		events: events, clock: clock, log: log, site: site, pages: pages, jitter: rand.Float64,
		senders: map[string]*sender{}, wake: make(chan struct{}, 1)}
}

// Attach adds a sender, before Start.
func (s *Pipeline) Attach(c *dispatch.Channel, impl plugins.Sender) {
	s.senders[c.Name] = &sender{s: s, c: c, impl: impl, slots: make(chan struct{}, s.cfg.Workers),
		wake: make(chan struct{}, 1)}
}

// Start begins intake, fan-out and the senders, which go on where their rows say, until ctx ends. Without senders
// there is nothing to do, and nothing to be made up for when one is added later.
func (s *Pipeline) Start(ctx context.Context, head social.Cursor) error {
	if len(s.senders) == 0 {
		return wrap("start", s.dropMark(ctx))
	}
	mark, err := s.openMark(ctx, head.Seq)
	if err != nil {
		return wrap("start", err)
	}
	in := &intake{s: s, saved: mark}
	from := social.Cursor{Epoch: head.Epoch, Seq: mark}
	s.work.Go(func() {
		dispatch.Follow(ctx, s.events, from, s.log, func(events []social.Event) { in.take(ctx, events) })
	})
	s.work.Go(func() { s.fanOut(ctx) })
	for _, p := range s.senders {
		p.c.Go(func() { p.run(ctx) })
	}
	return nil
}

// Await returns when everything Start began has ended, which the end of its context brings about; the senders are
// waited for by their channels.
func (s *Pipeline) Await(ctx context.Context) error {
	if err := dispatch.Await(ctx, &s.work); err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	return nil
}

// nudge says that there may be something to fan out or to send.
func (s *Pipeline) nudge() {
	poke(s.wake)
	s.wakeSenders()
}

func (s *Pipeline) wakeSenders() {
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
