package pipeline

import (
	"context"
	"math/rand/v2"
	"sync"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Pipeline makes and attempts the deliveries of all senders. Its life: New, Ports and Attach, Start, Await.
type Pipeline struct {
	Ports Ports

	cfg    Config
	db     storage.DB
	events Log
	clock  social.Clock
	log    *zap.Logger
	site   social.Site
	pages  *social.PageCursors

	figures *figures
	senders map[string]*sender
	wake    chan struct{} // holds at most one: there may be posts to fan out
	work    sync.WaitGroup
}

func New(cfg Config, db storage.DB, events Log, clock social.Clock, site social.Site, pages *social.PageCursors,
	log *zap.Logger) *Pipeline {
	p := &Pipeline{Ports: Ports{Follows: event.Absent{}, Notifications: event.Absent{}, Posts: event.Absent{}},
		cfg: cfg, db: db,
		events: events, clock: clock, log: log, site: site, pages: pages, senders: map[string]*sender{},
		wake: make(chan struct{}, 1)}
	p.figures = newFigures(p)
	return p
}

// Attach adds a sender, before Start.
func (p *Pipeline) Attach(c *dispatch.Channel, impl plugins.Sender) {
	p.senders[c.Name] = &sender{p: p, c: c, impl: impl, random: rand.Float64,
		shares: newShares(p.cfg), slots: make(chan struct{}, p.cfg.Workers), wake: make(chan struct{}, 1)}
	p.figures.open(c.Name)
}

// Start begins intake, fan-out and the senders, which go on where their rows say, until ctx ends. Without senders
// there is nothing to do, and nothing to be made up for when one is added later.
func (p *Pipeline) Start(ctx context.Context, head social.Cursor) error {
	if len(p.senders) == 0 {
		return social.Wrap(p.dropMark(ctx), "delivery: start")
	}
	mark, err := p.openMark(ctx, head.Seq)
	if err != nil {
		return social.Wrap(err, "delivery: start")
	}
	in := &intake{p: p, saved: mark}
	p.work.Go(func() {
		from := p.events.Kept().Cursor(mark)
		dispatch.Follow(ctx, p.events, from, p.log, func(events []social.Event) { in.take(ctx, events) })
	})
	p.work.Go(func() { p.fanOut(ctx) })
	for _, s := range p.senders {
		s.c.Go(func() { s.run(ctx) })
	}
	return nil
}

// Await returns when intake and fan-out have ended, which the end of Start's context brings about. Senders are waited
// for by their channels.
func (p *Pipeline) Await(ctx context.Context) error {
	return social.Wrap(dispatch.Await(ctx, &p.work), "delivery")
}

// nudge says that there may be something to fan out or to send.
func (p *Pipeline) nudge() {
	poke(p.wake)
	p.wakeSenders()
}

func (p *Pipeline) wakeSenders() {
	for _, s := range p.senders {
		poke(s.wake)
	}
}

func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
