package posts

import "errors"

// Config bounds what one post may hold and what is kept in memory.
type Config struct {
	MaxText     int `yaml:"max_text"`     // code points
	MaxWarning  int `yaml:"max_warning"`  // code points
	MaxMentions int `yaml:"max_mentions"` // of people who are there; more is refused
	MaxTags     int `yaml:"max_tags"`
	// CachedKeys is how many order keys are kept in memory for home timelines (8 bytes each); 0 = none.
	CachedKeys int `yaml:"cached_keys"`
	// CachedBytes is about how much content of posts is kept in memory for them; 0 = none.
	CachedBytes int `yaml:"cached_bytes"`
}

func DefaultConfig() Config {
	return Config{MaxText: 5000, MaxWarning: 200, MaxMentions: 50, MaxTags: 30, CachedKeys: 1 << 21, CachedBytes: 16 << 20}
}

func (c Config) Validate() error {
	switch {
	case c.MaxText < 1 || c.MaxText > 5000:
		// An event is at most 64 KiB, and one code point takes at most 6 bytes of JSON.
		return errors.New("max_text: must be within 1 and 5000")
	case c.MaxWarning < 1 || c.MaxWarning > 200:
		return errors.New("max_warning: must be within 1 and 200")
	case c.MaxMentions < 0 || c.MaxMentions > 50:
		return errors.New("max_mentions: must be within 0 and 50")
	case c.MaxTags < 0 || c.MaxTags > 30:
		return errors.New("max_tags: must be within 0 and 30")
	case c.CachedKeys < 0:
		return errors.New("cached_keys: must not be negative")
	case c.CachedBytes < 0:
		return errors.New("cached_bytes: must not be negative")
	}
	return nil
}
