package sse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/frames"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// Config is the section channels.sse. The host reads Enabled; while it is false, a request for a stream is
// answered 204 by the other ways of /v1/events.
type Config struct {
	Enabled         bool          `yaml:"enabled"`
	Heartbeat       time.Duration `yaml:"heartbeat"`        // silence after which a comment is sent
	MaxAge          time.Duration `yaml:"max_age"`          // a connection ends after this +-20 %; 0 = never
	TailBytes       social.Size   `yaml:"tail_bytes"`       // memory for the newest events
	ProgressTimeout time.Duration `yaml:"progress_timeout"` // data waits and less than 1 KiB was taken: closed
	PeerTimeout     time.Duration `yaml:"peer_timeout"`     // bytes are out and nothing is acknowledged: closed (Linux)
	FinishTimeout   time.Duration `yaml:"finish_timeout"`   // from bye to the hard close
	QueryTimeout    time.Duration `yaml:"query_timeout"`    // one question to the log or the store
	SendBuffer      social.Size   `yaml:"send_buffer"`      // SO_SNDBUF: how much the kernel hides from progress_timeout
	CatchUpWorkers  int           `yaml:"catch_up_workers"` // goroutines that read the log for those behind the tail
	AudienceWorkers int           `yaml:"audience_workers"` // goroutines that ask what people read
	// MaxStreamsPerAddress bounds the open streams of one public address, IPv6 by /64; 0 = no bound.
	MaxStreamsPerAddress int      `yaml:"max_streams_per_address"`
	Aliases              []string `yaml:"aliases"` // connect, sub, alarm
	Holder               string   `yaml:"holder"`  // auto, epoll or goroutine: what holds idle connections
}

var defaults = Config{
	Enabled:         true,
	Heartbeat:       15 * time.Second,
	MaxAge:          time.Hour,
	TailBytes:       64 << 20,
	ProgressTimeout: 14 * time.Second,
	PeerTimeout:     25 * time.Second,
	FinishTimeout:   time.Second,
	QueryTimeout:    5 * time.Second,
	SendBuffer:      64 << 10,
	CatchUpWorkers:  4,
	AudienceWorkers: 4,
	// A public address is a household, a company or a carrier's gateway. One of these rarely has more than some
	// hundred people on one site at once, and with a twentieth of server.max_streams it cannot shut others out.
	MaxStreamsPerAddress: 1000,
	Holder:               holderAuto,
}

const (
	holderAuto      = "auto"
	holderEpoll     = "epoll"
	holderGoroutine = "goroutine"
)

func (c *Config) Validate() error {
	workers := func(n int) bool { return n < 1 || n > 1024 }
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{c.Heartbeat <= 0, "heartbeat: must be positive"},
		{c.ProgressTimeout <= 0, "progress_timeout: must be positive"},
		{c.PeerTimeout <= 0, "peer_timeout: must be positive"},
		{c.FinishTimeout <= 0, "finish_timeout: must be positive"},
		{c.QueryTimeout <= 0, "query_timeout: must be positive"},
		{c.MaxAge < 0, "max_age: must not be negative; 0 = never"},
		{c.TailBytes < 4<<10, "tail_bytes: at least 4KiB"},
		{c.SendBuffer < 4<<10, "send_buffer: at least 4KiB"},
		{workers(c.CatchUpWorkers), "catch_up_workers: from 1 to 1024"},
		{workers(c.AudienceWorkers), "audience_workers: from 1 to 1024"},
		{c.MaxStreamsPerAddress < 0, "max_streams_per_address: must not be negative; 0 = no bound"},
		{!slices.Contains([]string{holderAuto, holderEpoll, holderGoroutine}, c.Holder), "holder: auto, epoll or goroutine"},
		{c.Holder == holderEpoll && !wire.HaveEpoll,
			"holder: epoll is there on Linux only; auto takes what this system has"},
	} {
		if rule.broken {
			return errors.New(rule.text)
		}
	}
	var errs []error
	for i, name := range c.Aliases {
		if frames.PresetOf(name) == nil {
			errs = append(errs, fmt.Errorf("aliases[%d]: there is no %q; known are %s", i, name,
				strings.Join(frames.PresetNames(), ", ")))
		} else if slices.Contains(c.Aliases[:i], name) {
			errs = append(errs, fmt.Errorf("aliases[%d]: %q stands there twice", i, name))
		}
	}
	return errors.Join(errs...)
}

// wire is the part of the holder.
func (c *Config) wire() wire.Config {
	return wire.Config{Goroutines: c.Holder == holderGoroutine, SendBuffer: int(c.SendBuffer), PeerTimeout: c.PeerTimeout}
}
