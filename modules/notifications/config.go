package notifications

import (
	"errors"
	"time"
)

// Config is how long acts belong together and how work in pages is cut.
type Config struct {
	GroupWindow time.Duration `yaml:"group_window"` // how old a group may be for another act to join it
	// ReviveWindow is how long after its withdrawal an act that is done again revives its row silently.
	ReviveWindow time.Duration `yaml:"revive_window"`
	Batch        int           `yaml:"batch"`       // how many rows one transaction empties; the rest is a job's
	SweepEvery   time.Duration `yaml:"sweep_every"` // how often the job looks for rows to empty
}

func DefaultConfig() Config {
	return Config{GroupWindow: 24 * time.Hour, ReviveWindow: 24 * time.Hour, Batch: 200, SweepEvery: 2 * time.Second}
}

func (c Config) Validate() error {
	switch {
	case c.GroupWindow < 0:
		return errors.New("group_window: must not be negative")
	case c.ReviveWindow < 0:
		return errors.New("revive_window: must not be negative")
	case c.Batch < 1:
		return errors.New("batch: must be at least 1")
	case c.SweepEvery <= 0:
		return errors.New("sweep_every: must be above 0")
	}
	return nil
}
