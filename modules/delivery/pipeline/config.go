package pipeline

import (
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/storage"
)

// Config is the section "delivery" of the configuration. Durations are wall time.
type Config struct {
	EndpointsPerPerson int             `yaml:"endpoints_per_person"` // endpoints one person may have
	Schedule           []time.Duration `yaml:"schedule"`             // waits after the 1st, 2nd, … failure; then dead
	Jitter             float64         `yaml:"jitter"`               // each wait is moved by up to this part of it
	SendTimeout        time.Duration   `yaml:"send_timeout"`         // one attempt
	Workers            int             `yaml:"workers"`              // attempts at once for one channel
	AttemptsPerOwner   int             `yaml:"attempts_per_owner"`   // of them for the endpoints of one person
	AttemptsPerTarget  int             `yaml:"attempts_per_target"`  // of them to one host, and to one address
	SlowAfter          time.Duration   `yaml:"slow_after"`           // an attempt this long is slow; slow ones get half
	DisableAfter       time.Duration   `yaml:"disable_after"`        // nothing but failures for so long: off
	Keep               time.Duration   `yaml:"keep"`                 // how long a finished delivery can be looked at
	BreakerFailures    int             `yaml:"breaker_failures"`     // of the channel itself in a row: it rests
	BreakerPause       time.Duration   `yaml:"breaker_pause"`        // for so long
}

//go:embed migrations
var files embed.FS

// Migrations are the tables of the pipeline.
var Migrations = storage.EmbeddedMigrations("delivery", files)

func DefaultConfig() Config {
	const m, h = time.Minute, time.Hour
	return Config{
		EndpointsPerPerson: 20,
		Schedule:           []time.Duration{5 * time.Second, 5 * m, 30 * m, 2 * h, 5 * h, 10 * h, 14 * h, 20 * h, 24 * h},
		Jitter:             0.2,
		SendTimeout:        15 * time.Second,
		Workers:            16,
		AttemptsPerOwner:   4,
		AttemptsPerTarget:  8,
		SlowAfter:          2 * time.Second,
		DisableAfter:       5 * 24 * h,
		Keep:               7 * 24 * h,
		BreakerFailures:    5,
		BreakerPause:       m,
	}
}

func (c Config) Validate() error {
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"endpoints_per_person", int64(c.EndpointsPerPerson)}, {"workers", int64(c.Workers)},
		{"attempts_per_owner", int64(c.AttemptsPerOwner)}, {"attempts_per_target", int64(c.AttemptsPerTarget)},
		{"slow_after", int64(c.SlowAfter)},
		{"breaker_failures", int64(c.BreakerFailures)}, {"send_timeout", int64(c.SendTimeout)},
		{"disable_after", int64(c.DisableAfter)}, {"keep", int64(c.Keep)}, {"breaker_pause", int64(c.BreakerPause)},
	} {
		if n.value <= 0 {
			return fmt.Errorf("%s: must be above 0", n.key)
		}
	}
	if c.Jitter < 0 || c.Jitter >= 1 {
		return errors.New("jitter: must be at least 0 and below 1")
	}
	var errs []error
	for i, d := range c.Schedule {
		if d < 0 {
			errs = append(errs, fmt.Errorf("schedule[%d]: must not be negative", i))
		}
	}
	return errors.Join(errs...)
}
