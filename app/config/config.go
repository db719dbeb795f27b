package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-social/belfry/app/demo"
	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/media"
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
	Quota         quota.Config         `yaml:"quota"`
	Registration  Registration         `yaml:"registration"`
	Users         users.Config         `yaml:"users"`
	Posts         posts.Config         `yaml:"posts"`
	Follows       follows.Config       `yaml:"follows"`
	Notifications notifications.Config `yaml:"notifications"`
	Media         media.Config         `yaml:"media"`
	Delivery      pipeline.Config      `yaml:"delivery"`
	Log           Log                  `yaml:"log"`
	Demo          demo.Config          `yaml:"demo"`

	Channels []Channel `yaml:"-"` // the section "channels", decoded by the factories
	Ignored  []string  `yaml:"-"` // names of environment variables that begin with BELFRY_ and are somebody else's
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
		Quota:         quota.DefaultConfig(),
		Registration:  Registration{Mode: "open"},
		Users:         users.DefaultConfig(),
		Posts:         posts.DefaultConfig(),
		Follows:       follows.DefaultConfig(),
		Notifications: notifications.DefaultConfig(),
		Media:         media.DefaultConfig(),
		Delivery:      pipeline.DefaultConfig(),
		Log:           Log{Level: "info", Format: "auto"},
		Demo:          demo.DefaultConfig(),
	}
}

// validateSections checks each section by itself. Its errors begin with the key.
func (c *Config) validateSections() []error {
	var errs []error
	must := func(holds bool, key, says string) {
		if !holds {
			errs = append(errs, errors.New(key+": "+says))
		}
	}
	oneOf := func(key, value string, allowed ...string) {
		must(slices.Contains(allowed, value), key, "must be one of "+strings.Join(allowed, ", "))
	}
	store := c.Storage
	must(store.Data != "", "storage.data", "must name a directory")
	oneOf("storage.driver", store.Driver, "sqlite")
	oneOf("storage.sqlite.synchronous", store.SQLite.Synchronous, "full", "normal")
	must(store.SQLite.Readers >= 1 && store.SQLite.Readers <= 64, "storage.sqlite.readers", "must be 1 to 64")
	oneOf("storage.log.driver", store.Log.Driver, "bolt")
	must(store.Log.MaxSize >= 64<<20, "storage.log.max_size", "must be at least 64MiB")
	must(store.Log.Retention.Age >= 0, "storage.log.retention.age", "must not be negative; 0 keeps everything")
	oneOf("registration.mode", c.Registration.Mode, "open", "invite", "closed")
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "auto", "console", "json")
	for _, part := range []struct {
		name string
		cfg  interface{ Validate() error }
	}{
		{"server", &c.Server}, {"admin", &c.Admin}, {"limits", &c.Limits}, {"quota", &c.Quota}, {"users", &c.Users},
		{"posts", &c.Posts}, {"follows", &c.Follows}, {"notifications", &c.Notifications}, {"delivery", &c.Delivery},
		{"demo", &c.Demo}, {"media", &c.Media},
	} {
		if err := part.cfg.Validate(); err != nil {
			for _, e := range split(err) {
				errs = append(errs, fmt.Errorf("%s.%w", part.name, e))
			}
		}
	}
	return errs
}

// validateTogether checks keys that have to fit each other. Of two that do not, it blames one that was given.
func (c *Config) validateTogether(given func(key string) bool) []error {
	var errs []error
	blame := func(key, says, other, otherSays string) {
		if !given(key) && given(other) {
			key, says = other, otherSays
		}
		errs = append(errs, errors.New(key+": "+says))
	}
	if err := c.Server.PlainHosts(); err != nil {
		errs = append(errs, fmt.Errorf("server.%w", err))
	}
	keep, most := c.Storage.Log.Retention, c.Storage.Log.MaxSize
	if keep.Bytes > most {
		blame("storage.log.retention.bytes", fmt.Sprintf("must not be above storage.log.max_size, which is %s", most),
			"storage.log.max_size", fmt.Sprintf("must not be below storage.log.retention.bytes, which is %s", keep.Bytes))
	}
	for _, ch := range c.Channels {
		// A client's id is renewed when its connection reaches max_age, so events have to be kept for longer than that.
		s, ok := ch.Settings.(*sse.Config)
		key, age := "channels."+ch.Key+".max_age", "storage.log.retention.age"
		switch {
		case !ok || !ch.Enabled || keep.Age == 0:
		case s.MaxAge == 0:
			blame(key, "0 (never) needs "+age+" 0: the id of a client that filters would expire while it is connected",
				age, "must be 0, because "+key+" is 0 (never)")
		case keep.Age < 2*s.MaxAge:
			blame(key, fmt.Sprintf("must be at most half of %s, which is %s", age, keep.Age),
				age, fmt.Sprintf("must be at least twice %s, which is %s", key, s.MaxAge))
		}
	}
	return errs
}
