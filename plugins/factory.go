package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"go.uber.org/fx"
)

// ErrBlockedAddress is what Env.Dial returns for an address that is not public.
var ErrBlockedAddress = errors.New("address is not public")

// Factory makes channels of one kind from their sections of config.yaml. Make it with Define.
type Factory struct {
	name     string
	defaults func() any
	build    func(section []byte, env Env) (Channel, error)
}

// Define makes a factory. name is the key below "channels:" in config.yaml and the channel's name everywhere.
// defaults is the config with every key at its default; C is a struct with yaml tags whose "enabled" field the
// host reads, and may have Validate() error, which names the key. build has no side effects.
//
// The section is decoded strictly on top of the defaults: an unknown key, a wrong type or a failed Validate is
// an error with line and column and ends the start.
func Define[C any](name string, defaults C, build func(cfg C, env Env) (Channel, error)) Factory {
	decode := func(section []byte) (C, error) {
		cfg := defaults
		if len(bytes.TrimSpace(section)) > 0 {
			if err := yaml.UnmarshalWithOptions(section, &cfg, yaml.Strict()); err != nil {
				return cfg, fmt.Errorf("channels.%s: %w", name, err)
			}
		}
		if v, ok := any(&cfg).(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return cfg, fmt.Errorf("channels.%s.%w", name, err)
			}
		}
		return cfg, nil
	}
	return Factory{
		name:     name,
		defaults: func() any { return defaults },
		build: func(section []byte, env Env) (Channel, error) {
			cfg, err := decode(section)
			if err != nil {
				return nil, err
			}
			return build(cfg, env)
		},
	}
}

// Name is the key below "channels:".
func (f Factory) Name() string { return f.name }

// Defaults is the config with every key at its default, for documentation and tests.
func (f Factory) Defaults() any { return f.defaults() }

// Makes reports whether a section's key ("webhook", "webhook/ops") is this factory's.
func (f Factory) Makes(key string) bool {
	kind, _, _ := strings.Cut(key, "/")
	return kind == f.name
}

// Build makes a channel from its section (YAML; empty = all defaults). The host calls it once for each enabled
// section.
func (f Factory) Build(section []byte, env Env) (Channel, error) { return f.build(section, env) }

// Provide adds a factory to the program: app.Main(plugins.Provide(telegram.Factory)).
func Provide(f Factory) fx.Option {
	return fx.Supply(fx.Annotate(f, fx.ResultTags(`group:"channels"`)))
}
