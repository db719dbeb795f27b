package pipeline

import (
	"fmt"
	"time"
)

// Config is the section "delivery" of the configuration. Durations are wall time.
type Config struct {
	EndpointsPerPerson int             `yaml:"endpoints_per_person"` // endpoints one person may have
	Schedule           []time.Duration `yaml:"schedule"`             // waits after the 1st, 2nd, … failed attempt; then a delivery is dead
	Jitter             float64         `yaml:"jitter"`               // each wait is made longer or shorter by up to this part of it
	SendTimeout        time.Duration   `yaml:"send_timeout"`         // one attempt
	Workers            int             `yaml:"workers"`              // attempts at once for one channel; one endpoint never has more than one
	DisableAfter       time.Duration   `yaml:"disable_after"`        // an endpoint with nothing but failures for so long is switched off
	Keep               time.Duration   `yaml:"keep"`                 // how long a finished delivery can be looked at
	BreakerFailures    int             `yaml:"breaker_failures"`     // a channel failing by itself so often in a row rests
	BreakerPause       time.Duration   `yaml:"breaker_pause"`        // for so long
}

// DefaultConfig has every key at its default.
func DefaultConfig() Config {
	return Config{
		EndpointsPerPerson: 20,
		Schedule: []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour},
		Jitter:          0.2,
		SendTimeout:     15 * time.Second,
		Workers:         16,
		DisableAfter:    5 * 24 * time.Hour,
		Keep:            7 * 24 * time.Hour,
		BreakerFailures: 5,
		BreakerPause:    time.Minute,
	}
}

// Validate names the key that is wrong.
func (c Config) Validate() error {
	for _, n := range []struct {
		key   string
		value int
	}{
		{"endpoints_per_person", c.EndpointsPerPerson}, {"workers", c.Workers}, {"breaker_failures", c.BreakerFailures},
	} {
		if n.value < 1 {
			return fmt.Errorf("%s: must be at least 1", n.key)
		}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"send_timeout", c.SendTimeout}, {"disable_after", c.DisableAfter}, {"keep", c.Keep}, {"breaker_pause", c.BreakerPause},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s: must be above 0", d.key)
		}
	}
	if c.Jitter < 0 || c.Jitter >= 1 {
		return fmt.Errorf("jitter: must be at least 0 and below 1")
	}
	for i, d := range c.Schedule {
		if d < 0 {
			return fmt.Errorf("schedule[%d]: must not be negative", i)
		}
	}
	return nil
}
