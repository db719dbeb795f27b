package sse

import (
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
	TailBytes       social.Size   `yaml:"tail_bytes"`       // memory for the newest events; older ones are read from the log
	ProgressTimeout time.Duration `yaml:"progress_timeout"` // data waits and less than 1 KiB was taken: closed
	WriteTimeout    time.Duration `yaml:"write_timeout"`    // one event stands half written: closed
	PeerTimeout     time.Duration `yaml:"peer_timeout"`     // bytes unacknowledged by the peer's kernel: closed (TCP_USER_TIMEOUT)
	FinishTimeout   time.Duration `yaml:"finish_timeout"`   // from bye to the hard close
	QueryTimeout    time.Duration `yaml:"query_timeout"`    // one question to the log or the store
	SendBuffer      social.Size   `yaml:"send_buffer"`      // SO_SNDBUF: how much the kernel hides from progress_timeout
	CatchUpWorkers  int           `yaml:"catch_up_workers"` // goroutines that read the log for those behind the tail
	AudienceWorkers int           `yaml:"audience_workers"` // goroutines that ask what people read
	WriteWorkers    int           `yaml:"write_workers"`    // goroutines that write to connections that are not plain TCP
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
	ProgressTimeout: 10 * time.Second,
	WriteTimeout:    30 * time.Second,
	PeerTimeout:     25 * time.Second,
	FinishTimeout:   time.Second,
	QueryTimeout:    5 * time.Second,
	SendBuffer:      64 << 10,
	CatchUpWorkers:  4,
	AudienceWorkers: 4,
	WriteWorkers:    16,
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

// Validate names the first key that is wrong.
func (c *Config) Validate() error {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"heartbeat", c.Heartbeat}, {"progress_timeout", c.ProgressTimeout}, {"write_timeout", c.WriteTimeout},
		{"peer_timeout", c.PeerTimeout}, {"finish_timeout", c.FinishTimeout}, {"query_timeout", c.QueryTimeout},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s: must be positive", d.key)
		}
	}
	if c.MaxAge < 0 {
		return fmt.Errorf("max_age: must not be negative; 0 = never")
	}
	for _, s := range []struct {
		key   string
		value social.Size
	}{{"tail_bytes", c.TailBytes}, {"send_buffer", c.SendBuffer}} {
		if s.value < 4<<10 {
			return fmt.Errorf("%s: at least 4KiB", s.key)
		}
	}
	for _, w := range []struct {
		key   string
		value int
	}{
		{"catch_up_workers", c.CatchUpWorkers}, {"audience_workers", c.AudienceWorkers}, {"write_workers", c.WriteWorkers},
	} {
		if w.value < 1 || w.value > 1024 {
			return fmt.Errorf("%s: from 1 to 1024", w.key)
		}
	}
	if c.MaxStreamsPerAddress < 0 {
		return fmt.Errorf("max_streams_per_address: must not be negative; 0 = no bound")
	}
	for i, name := range c.Aliases {
		if frames.PresetOf(name) == nil {
			return fmt.Errorf("aliases: there is no %q; known are %s", name, strings.Join(frames.PresetNames(), ", "))
		}
		if slices.Contains(c.Aliases[:i], name) {
			return fmt.Errorf("aliases: %q stands there twice", name)
		}
	}
	switch c.Holder {
	case holderAuto, holderGoroutine:
	case holderEpoll:
		if !wire.HaveEpoll {
			return fmt.Errorf("holder: epoll is there on Linux only; auto takes what this system has")
		}
	default:
		return fmt.Errorf("holder: auto, epoll or goroutine")
	}
	return nil
}

// wire is the part of the holder. The hub judges a write that makes no progress; the limit is for one behind which
// nothing waits.
func (c *Config) wire() wire.Config {
	return wire.Config{Goroutines: c.Holder == holderGoroutine, SendBuffer: int(c.SendBuffer), PeerTimeout: c.PeerTimeout,
		Writers: c.WriteWorkers, WriteLimit: 2 * c.ProgressTimeout}
}
