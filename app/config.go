package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse"
)

// Config is everything that can be set. Its keys are public: config.yaml names each one with its default, a test
// compares the two.
type Config struct {
	Server        ServerConfig         `yaml:"server"`
	Admin         AdminConfig          `yaml:"admin"`
	Storage       StorageConfig        `yaml:"storage"`
	Limits        LimitsConfig         `yaml:"limits"`
	Registration  RegistrationConfig   `yaml:"registration"`
	Users         users.Config         `yaml:"users"`
	Posts         posts.Config         `yaml:"posts"`
	Follows       follows.Config       `yaml:"follows"`
	Notifications notifications.Config `yaml:"notifications"`
	Delivery      pipeline.Config      `yaml:"delivery"`
	Log           LogConfig            `yaml:"log"`
	Demo          DemoConfig           `yaml:"demo"`

	Channels []ChannelConfig `yaml:"-"` // the section "channels", decoded by the factories
}

// ChannelConfig is one section below "channels:".
type ChannelConfig struct {
	Key      string // "webhook", "webhook/ops"
	Factory  plugins.Factory
	Settings any // pointer to the factory's config struct
	Enabled  bool
}

// StorageConfig says where things are kept.
type StorageConfig struct {
	Data   string       `yaml:"data"`
	Driver string       `yaml:"driver"`
	SQLite SQLiteConfig `yaml:"sqlite"`
	Log    EventLog     `yaml:"log"`
}

// SQLiteConfig tunes the relational store.
type SQLiteConfig struct {
	Synchronous string `yaml:"synchronous"`
	Readers     int    `yaml:"readers"`
}

// EventLog tunes the event log.
type EventLog struct {
	Driver    string      `yaml:"driver"`
	MaxSize   social.Size `yaml:"max_size"`
	Retention Retention   `yaml:"retention"`
}

// Retention says how much of the log is kept.
type Retention struct {
	Age   time.Duration `yaml:"age"`
	Bytes social.Size   `yaml:"bytes"`
}

// RegistrationConfig says who may make an account.
type RegistrationConfig struct {
	Mode string `yaml:"mode"`
}

// LogConfig says what the program writes about itself.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// DemoConfig shapes `belfry serve --demo`.
type DemoConfig struct {
	People int           `yaml:"people"`
	Posts  int           `yaml:"posts"`
	Every  time.Duration `yaml:"every"`
	Seed   uint64        `yaml:"seed"`
}

// DefaultConfig has every key at its default.
func DefaultConfig() Config {
	return Config{
		Server: DefaultServerConfig(),
		Admin:  DefaultAdminConfig(),
		Storage: StorageConfig{
			Data:   "data",
			Driver: "sqlite",
			SQLite: SQLiteConfig{Synchronous: "full", Readers: 4},
			Log: EventLog{
				Driver:    "bolt",
				MaxSize:   16 << 30,
				Retention: Retention{Age: 30 * 24 * time.Hour, Bytes: 8 << 30},
			},
		},
		Limits:        DefaultLimitsConfig(),
		Registration:  RegistrationConfig{Mode: "open"},
		Users:         users.DefaultConfig(),
		Posts:         posts.DefaultConfig(),
		Follows:       follows.DefaultConfig(),
		Notifications: notifications.DefaultConfig(),
		Delivery:      pipeline.DefaultConfig(),
		Log:           LogConfig{Level: "info", Format: "auto"},
		Demo:          DemoConfig{People: 24, Posts: 60, Every: 4 * time.Second, Seed: 1},
	}
}

// Validate checks what no single section knows. Its errors begin with the key.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
	}
	oneOf := func(key, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		bad(key, "must be one of %v", allowed)
	}
	if c.Storage.Data == "" {
		bad("storage.data", "must name a directory")
	}
	oneOf("storage.driver", c.Storage.Driver, "sqlite")
	oneOf("storage.sqlite.synchronous", c.Storage.SQLite.Synchronous, "full", "normal")
	if c.Storage.SQLite.Readers < 1 || c.Storage.SQLite.Readers > 64 {
		bad("storage.sqlite.readers", "must be 1 to 64")
	}
	oneOf("storage.log.driver", c.Storage.Log.Driver, "bolt")
	if c.Storage.Log.MaxSize < 64<<20 {
		bad("storage.log.max_size", "must be at least 64MiB")
	}
	if c.Storage.Log.Retention.Age < 0 {
		bad("storage.log.retention.age", "must not be negative; 0 keeps everything")
	}
	if c.Storage.Log.Retention.Bytes > c.Storage.Log.MaxSize {
		bad("storage.log.retention.bytes", "must not be above storage.log.max_size")
	}
	oneOf("registration.mode", c.Registration.Mode, "open", "invite", "closed")
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "auto", "console", "json")
	if c.Demo.People < 3 || c.Demo.People > 1000 {
		bad("demo.people", "must be 3 to 1000")
	}
	if c.Demo.Posts < 0 || c.Demo.Posts > 100_000 {
		bad("demo.posts", "must be 0 to 100000")
	}
	if c.Demo.Every < 100*time.Millisecond {
		bad("demo.every", "must be at least 100ms")
	}
	c.validateStreams(bad)
	for _, part := range []struct {
		name string
		cfg  any
	}{
		{"server", &c.Server}, {"admin", &c.Admin}, {"limits", &c.Limits}, {"users", &c.Users}, {"posts", &c.Posts},
		{"follows", &c.Follows}, {"notifications", &c.Notifications}, {"delivery", &c.Delivery},
	} {
		if v, ok := part.cfg.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				errs = append(errs, fmt.Errorf("%s.%w", part.name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// validateStreams: a client's id is renewed when its connection reaches max_age, so events have to be kept for
// longer than that.
func (c *Config) validateStreams(bad func(key, format string, args ...any)) {
	age := c.Storage.Log.Retention.Age
	for _, ch := range c.Channels {
		s, ok := ch.Settings.(*sse.Config)
		switch {
		case !ok || !ch.Enabled || age == 0:
		case s.MaxAge == 0:
			bad("channels."+ch.Key+".max_age", "0 (never) needs storage.log.retention.age 0: the id of a client that filters would expire while it is connected")
		case age < 2*s.MaxAge:
			bad("channels."+ch.Key+".max_age", "must be at most half of storage.log.retention.age")
		}
	}
}
