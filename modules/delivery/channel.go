package delivery

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// ChannelHealth is how one channel does, from memory.
type ChannelHealth struct {
	Name   string
	State  string // ok, failing (some failures in a row), open (the breaker lets it rest), hanging, degraded (by its own word)
	Detail string // for the operator; empty when ok
	Busy   int    // attempts under way, of a sender
}

// OK reports that nothing is wrong.
func (h ChannelHealth) OK() bool { return h.State == "ok" }

// channel is one attached channel and what is known of its conduct.
type channel struct {
	name    string
	impl    plugins.Channel
	breaker *breaker
	log     *zap.Logger
	clock   social.Clock
	work    sync.WaitGroup // the host's goroutines that call it

	mu    sync.Mutex
	calls map[int]time.Time // calls under way, since when
	next  int
	limit time.Duration // a call longer than this hangs
}

// hangsAfter is how long a listener may take for one batch before it is reported.
const hangsAfter = 10 * time.Second

// call runs fn, which calls the channel, on this goroutine. A panic becomes an error with the stack in the log.
func (c *channel) call(what string, fn func() error) (err error) {
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
			c.log.Error("channel panicked", zap.String("call", what), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			err = &panicError{what: what}
		}
	}()
	return fn()
}

// within runs fn on a goroutine of its own and returns when it does or when ctx ends; then it is left behind.
func (c *channel) within(ctx context.Context, what string, fn func(ctx context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- c.call(what, func() error { return fn(ctx) }) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done:
			return err
		default:
			return fmt.Errorf("%s has not returned: %w", what, ctx.Err())
		}
	}
}

// panicError stands for a panic inside a channel. It holds nothing of it: the log does.
type panicError struct{ what string }

func (e *panicError) Error() string { return "panic in " + e.what }

func (c *channel) health() ChannelHealth {
	h := ChannelHealth{Name: c.name, State: "ok"}
	c.mu.Lock()
	h.Busy = len(c.calls)
	var longest time.Duration
	for _, since := range c.calls {
		longest = max(longest, c.clock().Sub(since))
	}
	c.mu.Unlock()
	failures, open, last := c.breaker.state()
	switch {
	case open:
		h.State, h.Detail = "open", fmt.Sprintf("resting after %d failures in a row: %v", failures, last)
	case longest > c.limit:
		h.State, h.Detail = "hanging", fmt.Sprintf("one call has taken %s", longest.Truncate(time.Second))
	case failures > 0:
		h.State, h.Detail = "failing", fmt.Sprintf("%d failures in a row: %v", failures, last)
	default:
		if checker, ok := c.impl.(plugins.HealthChecker); ok {
			if err := askHealth(checker); err != nil {
				h.State, h.Detail = "degraded", err.Error()
			}
		}
	}
	return h
}

func askHealth(checker plugins.HealthChecker) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{what: "Health"}
		}
	}()
	return checker.Health()
}
