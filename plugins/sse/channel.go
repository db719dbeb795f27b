package sse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// Factory makes the channel from the section channels.sse.
var Factory = plugins.Define("sse", defaults, build)

// Module adds the channel to the program: app.Main(sse.Module).
var Module = plugins.Provide(Factory)

// errPanic stands for a panic inside the store or the log; the log of the program has the rest.
var errPanic = errors.New("panic while reading")

// Channel streams events to connected clients. Make it with Factory.
type Channel struct {
	cfg       Config
	env       plugins.Env
	registry  prometheus.Registerer
	hub       *hub
	holder    wire.Holder
	addresses *addresses

	gate    gate
	mu      sync.Mutex         // Start, Stop; guards what follows
	cancel  context.CancelFunc // nil = not running
	over    bool               // started or stopped: not to be started again
	running sync.WaitGroup     // hub and workers
}

func build(cfg Config, env plugins.Env) (plugins.Channel, error) { return newChannel(cfg, env), nil }

func newChannel(cfg Config, env plugins.Env) *Channel {
	return &Channel{
		cfg: cfg, env: env,
		registry:  prometheus.WrapRegistererWith(prometheus.Labels{"channel": env.Name}, env.Metrics),
		hub:       newHub(cfg, env, rand.Float64),
		addresses: newAddresses(cfg.MaxStreamsPerAddress),
		holder:    wire.New(cfg.wire(), env.Log),
	}
}

// Start begins the hub and its workers. Streams asked for before are refused with bye restart.
func (c *Channel) Start(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return fmt.Errorf("%s: started twice", c.env.Name)
	}
	if err := c.registry.Register(c.hub.metrics); err != nil {
		return fmt.Errorf("%s: %w", c.env.Name, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.over = cancel, true
	c.hub.begin(c.env.History.Kept().Head)
	c.running.Go(func() {
		// The workers end when the hub has: it is the only one who gives them work.
		defer close(c.hub.questions)
		defer close(c.hub.pages)
		c.hub.run(ctx)
	})
	for range c.cfg.AudienceWorkers {
		c.running.Go(func() { c.work(c.hub.questions) })
	}
	for range c.cfg.CatchUpWorkers {
		c.running.Go(func() { c.work(c.hub.pages) })
	}
	c.hub.inbox.open()
	c.gate.open()
	return nil
}

// Publish encodes events and hands them to the hub. It waits only while the hub has several batches to take
// over, never for a client.
func (c *Channel) Publish(events []social.Event) {
	made := make([]frames.Frame, len(events))
	for i, e := range events {
		made[i] = frames.Of(e)
		if made[i].Empty() && !e.Internal {
			c.env.Log.Error("event that cannot be a block", zap.Stringer("event", e.Cursor))
		}
	}
	c.hub.batches <- struct{}{}
	taken := c.hub.do(func() {
		<-c.hub.batches
		c.hub.dispatched(events, made)
	})
	if !taken {
		<-c.hub.batches
	}
}

// Drain says bye to everybody, each with a time to come back of its own, and returns when all are gone or ctx has
// ended; then those that are left are cut off. Streams asked for from now on are refused.
func (c *Channel) Drain(ctx context.Context) {
	entered := c.gate.shut()
	done := make(chan struct{})
	select {
	case <-entered:
		if !c.hub.do(func() { c.hub.drain(done) }) {
			return
		}
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-ctx.Done():
		c.hub.do(c.hub.abort)
	}
}

// Stop drains what Drain has not, and returns when no goroutine is left, or with an error when ctx ends before.
func (c *Channel) Stop(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel == nil {
		return nil
	}
	c.Drain(ctx)
	c.cancel()
	c.cancel = nil
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.running.Wait()
		c.holder.Wait()
	}()
	defer c.registry.Unregister(c.hub.metrics)
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		c.hub.do(c.hub.abort)
		return fmt.Errorf("%s: not everything has ended: %w", c.env.Name, ctx.Err())
	}
}

// Health tells of the store or the log, when they could not be read for a stream lately.
func (c *Channel) Health() error {
	if err := c.hub.storeTrouble.Load(); err != nil {
		return fmt.Errorf("audiences cannot be read: %w", *err)
	}
	if err := c.hub.logTrouble.Load(); err != nil {
		return fmt.Errorf("the log cannot be read: %w", *err)
	}
	return nil
}

// task is a question that may take time. ask runs on a worker, applied on the hub's goroutine.
type task interface {
	ask(ctx context.Context, env *plugins.Env) error
	applied(h *hub, err error)
}

// work is a worker: of the questions about audiences, or of the reads of the log.
func (c *Channel) work(tasks <-chan task) {
	for t := range tasks {
		err := c.ask(t)
		c.hub.do(func() { t.applied(c.hub, err) })
	}
}

// ask asks with a deadline; a panic of the store or the log stays here.
func (c *Channel) ask(t task) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.QueryTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			c.env.Log.Error("panic in a question", zap.Any("panic", p), zap.Stack("stack"))
			err = errPanic
		}
	}()
	return t.ask(ctx, &c.env)
}

var (
	_ plugins.Listener      = (*Channel)(nil)
	_ plugins.Router        = (*Channel)(nil)
	_ plugins.Drainer       = (*Channel)(nil)
	_ plugins.HealthChecker = (*Channel)(nil)
)
