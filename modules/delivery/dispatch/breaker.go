package dispatch

import "time"

// breaker lets a channel rest that fails by itself: after Config.Failures in a row it is open for Config.Pause; then
// one more failure opens it again, and one success makes it new.
type breaker struct {
	failures int // in a row
	last     error
	until    time.Time // it is open until then
}

// fail counts a failure and reports whether the breaker opened.
func (b *breaker) fail(cfg Config, err error, now time.Time) bool {
	b.failures++
	b.last = err
	if b.failures < cfg.Failures {
		return false
	}
	b.until = now.Add(cfg.Pause)
	return true
}
