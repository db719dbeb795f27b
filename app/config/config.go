package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-social/belfry/app/demo"
	"github.com/belfry-social/belfry/app/server"
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
	Server        server.Config        `yaml:"server"`
	Admin         server.AdminConfig   `yaml:"admin"`
	Storage       Storage              `yaml:"storage"`
	Limits        server.LimitsConfig  `yaml:"limits"`
	Registration  Registration         `yaml:"registration"`
	Users         users.Config         `yaml:"users"`
	Posts         posts.Config         `yaml:"posts"`
	Follows       follows.Config       `yaml:"follows"`
	Notifications notifications.Config `yaml:"notifications"`
	Delivery      pipeline.Config      `yaml:"delivery"`
	Log           Log                  `yaml:"log"`
	Demo          demo.Config          `yaml:"demo"`

	Channels []Channel `yaml:"-"` // the section "channels", decoded by the factories
}

// Channel is one section below "channels:".
type Channel struct {
	Key      string // "webhook", "webhook/ops"
	Factory  plugins.Factory
	Settings any // pointer to the factory's config struct
	Enabled  bool
}

// Storage says where things are kept.
type Storage struct {
	Data   string   `yaml:"data"`
	Driver string   `yaml:"driver"`
	SQLite SQLite   `yaml:"sqlite"`
	Log    EventLog `yaml:"log"`
}

// SQLite tunes the relational store.
type SQLite struct {
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

// Registration says who may make an account.
type Registration struct {
	Mode string `yaml:"mode"`
}

// Log says what the program writes about itself.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

func Default() Config {
	return Config{
		Server: server.DefaultConfig(),
		Admin:  server.DefaultAdminConfig(),
		Storage: Storage{
			Data:   "data",
			Driver: "sqlite",
			SQLite: SQLite{Synchronous: "full", Readers: 4},
			Log: EventLog{
				Driver:    "bolt",
				MaxSize:   16 << 30,
				Retention: Retention{Age: 30 * 24 * time.Hour, Bytes: 8 << 30},
			},
		},
		Limits:        server.DefaultLimitsConfig(),
		Registration:  Registration{Mode: "open"},
		Users:         users.DefaultConfig(),
		Posts:         posts.DefaultConfig(),
		Follows:       follows.DefaultConfig(),
		Notifications: notifications.DefaultConfig(),
		Delivery:      pipeline.DefaultConfig(),
		Log:           Log{Level: "info", Format: "auto"},
		Demo:          demo.DefaultConfig(),
	}
}

// Validate checks what no single section knows. Its errors begin with the key.
func (c *Config) Validate() error {
	var errs []error
	bad := func(key, says string) { errs = append(errs, errors.New(key+": "+says)) }
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			bad(key, fmt.Sprintf("must be one of %v", allowed))
		}
	}
	must := func(holds bool, key, says string) {
		if !holds {
			bad(key, says)
		}
	}
	keep := c.Storage.Log.Retention
	must(c.Storage.Data != "", "storage.data", "must name a directory")
	oneOf("storage.driver", c.Storage.Driver, "sqlite")
	oneOf("storage.sqlite.synchronous", c.Storage.SQLite.Synchronous, "full", "normal")
	must(c.Storage.SQLite.Readers >= 1 && c.Storage.SQLite.Readers <= 64, "storage.sqlite.readers", "must be 1 to 64")
	oneOf("storage.log.driver", c.Storage.Log.Driver, "bolt")
	must(c.Storage.Log.MaxSize >= 64<<20, "storage.log.max_size", "must be at least 64MiB")
	must(keep.Age >= 0, "storage.log.retention.age", "must not be negative; 0 keeps everything")
	must(keep.Bytes <= c.Storage.Log.MaxSize, "storage.log.retention.bytes", "must not be above storage.log.max_size")
	oneOf("registration.mode", c.Registration.Mode, "open", "invite", "closed")
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "auto", "console", "json")
	c.validateStreams(bad)
	for _, part := range []struct {
		name string
		cfg  interface{ Validate() error }
	}{
		{"server", &c.Server}, {"admin", &c.Admin}, {"limits", &c.Limits}, {"users", &c.Users}, {"posts", &c.Posts},
		{"follows", &c.Follows}, {"notifications", &c.Notifications}, {"delivery", &c.Delivery}, {"demo", &c.Demo},
	} {
		if err := part.cfg.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", part.name, err))
		}
	}
	return errors.Join(errs...)
}

// validateStreams: a client's id is renewed when its connection reaches max_age, so events have to be kept for
// longer than that.
func (c *Config) validateStreams(bad func(key, says string)) {
	age := c.Storage.Log.Retention.Age
	for _, ch := range c.Channels {
		s, ok := ch.Settings.(*sse.Config)
		switch {
		case !ok || !ch.Enabled || age == 0:
		case s.MaxAge == 0:
			bad("channels."+ch.Key+".max_age", "0 (never) needs storage.log.retention.age 0: "+
				"the id of a client that filters would expire while it is connected")
		case age < 2*s.MaxAge:
			bad("channels."+ch.Key+".max_age", "must be at most half of storage.log.retention.age")
		}
	}
}
