package demo

import (
	"errors"
	"time"
)

// Config is the section "demo": the shape of `belfry serve --demo`.
type Config struct {
	People int           `yaml:"people"`
	Posts  int           `yaml:"posts"`
	Every  time.Duration `yaml:"every"`
	Seed   uint64        `yaml:"seed"`
}

func DefaultConfig() Config { return Config{People: 24, Posts: 60, Every: 4 * time.Second, Seed: 1} }

func (c Config) Validate() error {
	switch {
	case c.People < 3 || c.People > 1000:
		return errors.New("people: must be 3 to 1000")
	case c.Posts < 0 || c.Posts > 100_000:
		return errors.New("posts: must be 0 to 100000")
	case c.Every < 100*time.Millisecond:
		return errors.New("every: must be at least 100ms")
	}
	return nil
}
