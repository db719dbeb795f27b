// Package logging is the channel that writes one line for each event into the program's log: what happened, never
// what was said.
package logging

import (
	"context"
	"errors"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// Config is the section channels.logging.
type Config struct {
	Enabled bool   `yaml:"enabled"`
	Level   string `yaml:"level"` // of the lines: debug, info or warn
}

func (c Config) Validate() error {
	if l, err := zapcore.ParseLevel(c.Level); err != nil || l > zapcore.WarnLevel {
		return errors.New("level: must be debug, info or warn")
	}
	return nil
}

// Factory makes the channel.
var Factory = plugins.Define("logging", Config{Enabled: true, Level: "info"}, New)

// Module adds the channel to a program.
var Module = plugins.Provide(Factory)

// Channel writes a line for each event. Internal entries are counted and written at debug.
type Channel struct {
	log   *zap.Logger
	level zapcore.Level
}

func New(cfg Config, env plugins.Env) (plugins.Channel, error) {
	level, err := zapcore.ParseLevel(cfg.Level)
	return &Channel{log: env.Log, level: level}, err
}

// Start and Stop do nothing: the log is open.
func (c *Channel) Start(context.Context) error { return nil }
func (c *Channel) Stop(context.Context) error  { return nil }

// Publish writes the lines. No content is in them: a line names the event, its stream and who acted.
func (c *Channel) Publish(events []social.Event) {
	for _, e := range events {
		level := c.level
		if e.Internal {
			level = zapcore.DebugLevel
		}
		entry := c.log.Check(level, "event")
		if entry == nil {
			continue
		}
		fields := []zap.Field{zap.Stringer("id", e.Cursor), zap.String("type", e.Type), zap.Stringer("stream", e.Stream),
			zap.Stringer("time", e.Time), zap.Int("bytes", len(e.Data))}
		if len(e.About) > 0 {
			fields = append(fields, zap.Stringer("actor", e.About[0]))
		}
		if e.Internal {
			fields = append(fields, zap.Bool("internal", true))
		}
		entry.Write(fields...)
	}
}

var _ plugins.Listener = (*Channel)(nil)
