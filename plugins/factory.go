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
	decode   func(fill func(into any) error) (any, error)
	build    func(settings any, env Env) (Channel, error)
}

// Define makes a factory. name is the key below "channels:" in config.yaml and the channel's name everywhere.
// defaults is the config with every key at its default; C is a struct with yaml tags whose "enabled" field the
// host reads, and may have Validate() error on its value or pointer, which names the key first. build has no
// side effects. The section is decoded strictly on top of the defaults: an unknown key, a wrong type or a failed
// Validate is an error with line and column and ends the start.
func Define[C any](name string, defaults C, build func(cfg C, env Env) (Channel, error)) Factory {
	return Factory{
		name:     name,
		defaults: func() any { cfg := defaults; return &cfg },
		decode: func(fill func(into any) error) (any, error) {
			cfg := defaults
			if err := fill(&cfg); err != nil {
				return nil, err
			}
			if v, ok := any(&cfg).(interface{ Validate() error }); ok {
				if err := v.Validate(); err != nil {
					return nil, err
				}
			}
			return &cfg, nil
		},
		build: func(settings any, env Env) (Channel, error) {
			cfg, ok := settings.(*C)
			if !ok {
				return nil, fmt.Errorf("channels.%s: settings of type %T", name, settings)
			}
			return build(*cfg, env)
		},
	}
}

func (f Factory) Name() string { return f.name }

// Defaults is a pointer to a fresh config with every key at its default.
func (f Factory) Defaults() any { return f.defaults() }

// Makes reports whether a section's key ("webhook", "webhook/ops") is this factory's.
func (f Factory) Makes(key string) bool {
	kind, _, _ := strings.Cut(key, "/")
	return kind == f.name
}

// Decode gives a pointer to the settings: the defaults, changed by fill (nil = not at all), then validated.
func (f Factory) Decode(fill func(into any) error) (any, error) {
	if fill == nil {
		fill = func(any) error { return nil }
	}
	return f.decode(fill)
}

// BuildFrom makes a channel from settings that Decode returned. The host calls it once for each enabled section.
func (f Factory) BuildFrom(settings any, env Env) (Channel, error) { return f.build(settings, env) }

// Build makes a channel from YAML, the content of its section; empty = all defaults. For tests.
func (f Factory) Build(section []byte, env Env) (Channel, error) {
	settings, err := f.Decode(func(into any) error {
		if len(bytes.TrimSpace(section)) == 0 {
			return nil
		}
		return yaml.UnmarshalWithOptions(section, into, yaml.Strict())
	})
	if err != nil {
		return nil, fmt.Errorf("channels.%s: %w", f.name, err)
	}
	return f.BuildFrom(settings, env)
}

// Provide adds a factory to the program: app.Main(plugins.Provide(telegram.Factory)).
func Provide(f Factory) fx.Option {
	return fx.Supply(fx.Annotate(f, fx.ResultTags(`group:"channels"`)))
}
