package follows

import "errors"

// Config bounds what one person may follow and what is kept in memory.
type Config struct {
	// MaxFollowing is how many people one person may follow; one more is refused with limit_reached.
	MaxFollowing int `yaml:"max_following"`
	// CachedEdges is how many follows are kept in memory, for all readers together (40 bytes each); 0 = none.
	CachedEdges int `yaml:"cached_edges"`
}

func DefaultConfig() Config { return Config{MaxFollowing: 10_000, CachedEdges: 1 << 18} }

func (c Config) Validate() error {
	switch {
	case c.MaxFollowing < 1:
		return errors.New("max_following: must be at least 1")
	case c.CachedEdges < 0:
		return errors.New("cached_edges: must not be negative")
	}
	return nil
}
