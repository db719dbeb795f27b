package delivery

import (
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// breaker lets a channel rest that fails by itself: after limit failures in a row it is open for pause; then one
// more failure opens it again, one success closes it. Safe for concurrent use.
type breaker struct {
	limit int
	pause time.Duration
	clock social.Clock

	mu       sync.Mutex
	failures int
	until    time.Time
	last     error
}

func newBreaker(cfg Config, clock social.Clock) *breaker {
	return &breaker{limit: cfg.BreakerFailures, pause: cfg.BreakerPause, clock: clock}
}

// rest tells for how long nothing may be asked of the channel; 0 = go on.
func (b *breaker) rest() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.until.Sub(b.clock()))
}

// tripped reports that it has opened and no success has closed it since.
func (b *breaker) tripped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.limit
}

// failed counts a failure and reports whether it opened the breaker.
func (b *breaker) failed(err error) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.last = err
	if b.failures < b.limit {
		return false
	}
	b.until = b.clock().Add(b.pause)
	return true
}

func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.last, b.until = 0, nil, time.Time{}
}

// state gives the failures in a row and the last of them.
func (b *breaker) state() (failures int, open bool, last error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures, b.until.After(b.clock()), b.last
}
