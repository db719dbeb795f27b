package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

const (
	HangsAfter = 10 * time.Second // a listener that takes longer for one batch is reported
	Overrun    = time.Second      // what a call may take beyond its deadline to return
	StopGrace  = time.Second      // what calls may take to return before the channel is stopped under them

	noneSucceeds = 10             // attempts in a row that failed: the operator should look, whoever's fault it is
	oldNews      = 24 * time.Hour // failures that no attempt has followed for so long are not told any more
)

// Health is how one channel does, from memory.
type Health struct {
	Name   string
	State  string // one of States
	Detail string // for the operator; empty when ok
	Busy   int    // attempts under way, of a sender
}

func (h Health) OK() bool { return h.State == StateOK }

// The states of a channel.
const (
	StateOK       = "ok"
	StateFailing  = "failing"  // failures of its own in a row, or no attempt succeeds
	StateOpen     = "open"     // the breaker lets it rest
	StateHanging  = "hanging"  // a call does not return
	StateDegraded = "degraded" // by its own word
)

// States are all of them.
var States = []string{StateOK, StateFailing, StateOpen, StateHanging, StateDegraded}

// Config says when a channel hangs and when it rests.
type Config struct {
	Failures int           // failures of its own in a row until it rests
	Pause    time.Duration // for so long
	Hangs    time.Duration // a call longer than this hangs
}

// Channel is one attached channel and what is known of its conduct. Safe for concurrent use.
type Channel struct {
	Name string
	Log  *zap.Logger
	impl plugins.Channel
	cfg  Config

	clock social.Clock
	work  sync.WaitGroup // the host's goroutines that call it

	mu    sync.Mutex
	calls map[int]time.Time // calls under way, since when
	next  int

	// The breaker: after Config.Failures in a row it is open for Config.Pause; then one more failure opens it again,
	// and one success makes it new.
	failures int // in a row
	last     error
	until    time.Time // it is open until then
	counts   Counts

	refused int       // attempts in a row that failed, of a sender
	outcome string    // of the last of them
	since   time.Time // when that was
}

// Counts are what a channel has done wrong since the start.
type Counts struct {
	Failures uint64 // panics and overruns
	Rests    uint64 // times the breaker opened
}

// Counts may be called at any time.
func (c *Channel) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// New makes a channel of an implementation, under its full name.
func New(name string, impl plugins.Channel, cfg Config, clock social.Clock, log *zap.Logger) *Channel {
	return &Channel{Name: name, Log: log.With(zap.String("channel", name)), impl: impl, cfg: cfg, clock: clock,
		calls: map[int]time.Time{}}
}

// Start starts the channel. The error names it.
func (c *Channel) Start(ctx context.Context) error {
	return c.named(c.within(ctx, "Start", c.impl.Start))
}

// Drain tells a channel with long connections that the end comes.
func (c *Channel) Drain(ctx context.Context) {
	d, ok := c.impl.(plugins.Drainer)
	if !ok {
		return
	}
	if err := c.within(ctx, "Drain", func(ctx context.Context) error { d.Drain(ctx); return nil }); err != nil {
		c.Log.Warn("channel did not drain", zap.Error(err))
	}
}

// Stop stops the channel once nothing calls it any more; calls that hang get a grace time, and the channel's Stop may
// be what ends them. The error names the channel.
func (c *Channel) Stop(ctx context.Context) error {
	grace, cancel := context.WithTimeout(ctx, StopGrace)
	defer cancel()
	_ = Await(grace, &c.work)
	if err := c.within(ctx, "Stop", c.impl.Stop); err != nil {
		return c.named(err)
	}
	return c.named(Await(ctx, &c.work))
}

func (c *Channel) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("channel %s: %w", c.Name, err)
}

// Go runs fn, which calls the channel, on a goroutine that Stop waits for.
func (c *Channel) Go(fn func()) { c.work.Go(fn) }

// Call runs fn, which calls the channel, on this goroutine. A panic becomes an error, with the stack in the log.
func (c *Channel) Call(what string, fn func() error) (err error) {
	c.mu.Lock()
	c.next++
	n := c.next
	c.calls[n] = c.clock()
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, n)
		c.mu.Unlock()
		if p := recover(); p != nil {
			c.Log.Error("channel panicked", zap.String("call", what), zap.Any("panic", p),
				zap.ByteString("stack", debug.Stack()))
			err = &conductError{"panic in " + what}
		}
	}()
	return fn()
}

func (c *Channel) within(ctx context.Context, what string, fn func(ctx context.Context) error) error {
	_, err := c.Within(ctx, what, 0, fn)
	return err
}

// Within runs fn on a goroutine of its own and returns when fn has, or when ctx and a grace time behind it have ended;
// then fn is left behind. returned is closed when fn has returned.
func (c *Channel) Within(ctx context.Context, what string, grace time.Duration,
	fn func(context.Context) error) (returned <-chan struct{}, err error) {
	over := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		defer close(over)
		done <- c.Call(what, func() error { return fn(ctx) })
	}()
	select {
	case err = <-done:
		return over, err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace) // to return by itself, with a verdict of its own
	defer late.Stop()
	select {
	case err = <-done:
	case <-late.C:
		err = &conductError{what + " has not returned in time"}
	}
	return over, err
}

// conductError is a failure of the channel itself, not of what it was asked to do. It holds nothing of a panic: the
// log does.
type conductError struct{ text string }

func (e *conductError) Error() string { return e.text }

// Judge counts the outcome of a call for the breaker: a panic and an overrun are the channel's own failures, every
// other error is not. It reports whether the channel rests from now on.
func (c *Channel) Judge(err error) (rests bool) {
	var own *conductError
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.As(err, &own) {
		c.failures, c.last, c.until = 0, nil, time.Time{}
		return false
	}
	c.failures++
	c.counts.Failures++
	c.last = own
	if c.failures < c.cfg.Failures {
		return false
	}
	c.counts.Rests++
	c.until = c.clock().Add(c.cfg.Pause)
	c.Log.Error("channel rests after failures of its own", zap.Error(err))
	return true
}

// Attempted notes how an attempt of a sender ended, in a word. One endpoint that fails is its owner's trouble; when
// nothing succeeds any more, it is said once, and Health names the channel.
func (c *Channel) Attempted(outcome string, succeeded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.refused
	if succeeded {
		if c.refused = 0; before >= noneSucceeds {
			c.Log.Info("the channel succeeds again", zap.Int("failed_before", before))
		}
		return
	}
	c.refused, c.outcome, c.since = before+1, outcome, c.clock()
	if c.refused == noneSucceeds {
		c.Log.Warn("no attempt of the channel succeeds", zap.Int("in_a_row", c.refused), zap.String("outcome", outcome))
	}
}

// Rest tells for how long nothing may be asked of the channel; 0 = go on.
func (c *Channel) Rest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.until.Sub(c.clock()))
}

// Tripped reports that the breaker has opened and no success has closed it since.
func (c *Channel) Tripped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures >= c.cfg.Failures
}

func (c *Channel) Health() Health {
	c.mu.Lock()
	h, now := Health{Name: c.Name, State: StateOK, Busy: len(c.calls)}, c.clock()
	failures, last, until := c.failures, c.last, c.until
	refused, outcome, since := c.refused, c.outcome, c.since
	var longest time.Duration
	for _, since := range c.calls {
		longest = max(longest, now.Sub(since))
	}
	c.mu.Unlock()
	checker, checks := c.impl.(plugins.HealthChecker)
	switch {
	case until.After(now):
		h.State, h.Detail = StateOpen, fmt.Sprintf("resting after %d failures in a row: %v", failures, last)
	case longest > c.cfg.Hangs:
		h.State, h.Detail = StateHanging, fmt.Sprintf("one call has taken %s", longest.Truncate(time.Second))
	case failures > 0:
		h.State, h.Detail = StateFailing, fmt.Sprintf("%d failures in a row: %v", failures, last)
	case refused >= noneSucceeds && now.Sub(since) < oldNews:
		h.State, h.Detail = StateFailing, fmt.Sprintf("%d attempts in a row failed, the last by %s", refused, outcome)
	case checks:
		if err := c.Call("Health", checker.Health); err != nil {
			h.State, h.Detail = StateDegraded, err.Error()
		}
	}
	return h
}

func Await(ctx context.Context, work *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("calls have not returned: %w", ctx.Err())
	}
}
