package channeltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/channeltest"
)

type config struct {
	Enabled bool `yaml:"enabled"`
}

// good is a channel that keeps the contract: listener, sender, router.
type good struct{ env plugins.Env }

func (g *good) Start(context.Context) error { return nil }
func (g *good) Stop(context.Context) error  { return nil }
func (g *good) Publish([]social.Event)      {}
func (g *good) Health() error               { return nil }
func (g *good) Send(ctx context.Context, d plugins.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("nowhere to send to")
}
func (g *good) CheckEndpoint(s json.RawMessage) (json.RawMessage, error) {
	return nil, social.Invalid(social.BodyField("/settings", social.FieldWrongType, "Never right."))
}
func (g *good) Routes(r fiber.Router, doc *huma.OpenAPI) {
	r.Get("/v1/kit", func(c *fiber.Ctx) error { return nil })
	doc.AddOperation(&huma.Operation{Method: "GET", Path: "/v1/kit"})
}

func factory(name string, make func(*good) plugins.Channel) plugins.Factory {
	return plugins.Define(name, config{Enabled: true}, func(_ config, env plugins.Env) (plugins.Channel, error) {
		return make(&good{env: env}), nil
	})
}

type (
	badStart    struct{ *good }
	badStop     struct{ *good }
	panics      struct{ *good }
	writes      struct{ *good }
	talks       struct{ *good }
	lies        struct{ *good }
	leaks       struct{ *good }
	echoes      struct{ *good }
	pointless   struct{ *good }
	unwell      struct{ *good }
	undescribed struct{ *good }
	dials       struct{ *good }
	changes     struct{ *good }
	mute        struct{}
	orphan      struct {
		*good
		done chan struct{}
	}
)

func (badStart) Start(context.Context) error { return errors.New("no") }
func (badStop) Stop(context.Context) error   { panic("stopped without start") }
func (panics) Publish(events []social.Event) {
	for _, e := range events {
		if e.Type == "later.invented" {
			panic("unknown type")
		}
	}
}
func (writes) Publish(events []social.Event) { events[0].Data[0] = '[' }
func (c talks) Publish(events []social.Event) {
	c.env.Log.Info("event", zap.ByteString("data", events[0].Data))
}
func (lies) Send(context.Context, plugins.Delivery) error { return nil }
func (leaks) Send(_ context.Context, d plugins.Delivery) error {
	return fmt.Errorf("post %s failed", d.Settings)
}
func (echoes) CheckEndpoint(s json.RawMessage) (json.RawMessage, error) {
	return nil, social.Invalid(social.BodyField("/settings", social.FieldWrongType, string(s)))
}
func (pointless) CheckEndpoint(s json.RawMessage) (json.RawMessage, error) { return s, nil }
func (unwell) Health() error                                               { return errors.New("not yet") }
func (undescribed) Routes(r fiber.Router, _ *huma.OpenAPI) {
	r.Get("/v1/kit", func(c *fiber.Ctx) error { return nil })
}
func (c dials) CheckEndpoint(s json.RawMessage) (json.RawMessage, error) {
	_, _ = c.env.Dial(true)(context.Background(), "tcp", "127.0.0.1:1")
	return c.good.CheckEndpoint(s)
}
func (changes) Send(_ context.Context, d plugins.Delivery) error {
	d.Secrets[0] = ""
	return errors.New("no")
}
func (mute) Start(context.Context) error     { return nil }
func (mute) Stop(context.Context) error      { return nil }
func (o orphan) Start(context.Context) error { go func() { <-o.done }(); return nil }

func TestKitPassesAGoodChannel(t *testing.T) {
	channeltest.Run(t, factory("good", func(g *good) plugins.Channel { return g }), nil)
}

// TestKitCatchesMutants breaks one promise at a time.
func TestKitCatchesMutants(t *testing.T) {
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	loose := plugins.Define("loose", struct{}{}, func(struct{}, plugins.Env) (plugins.Channel, error) {
		return &good{},
			nil
	})
	eager := plugins.Define("eager", config{}, func(_ config, env plugins.Env) (plugins.Channel, error) {
		_, _ = env.Dial(true)(context.Background(), "tcp", "127.0.0.1:1")
		return &good{}, nil
	})
	for name, f := range map[string]plugins.Factory{
		"a name that is no key":       factory("Not A Key", func(g *good) plugins.Channel { return g }),
		"no key enabled":              loose,
		"dials while building":        eager,
		"does not start":              factory("m", func(g *good) plugins.Channel { return badStart{g} }),
		"stop without start panics":   factory("m", func(g *good) plugins.Channel { return badStop{g} }),
		"panics at an unknown type":   factory("m", func(g *good) plugins.Channel { return panics{g} }),
		"writes into a shared event":  factory("m", func(g *good) plugins.Channel { return writes{g} }),
		"logs content":                factory("m", func(g *good) plugins.Channel { return talks{g} }),
		"says sent though it was not": factory("m", func(g *good) plugins.Channel { return lies{g} }),
		"secret in an error":          factory("m", func(g *good) plugins.Channel { return leaks{g} }),
		"repeats a refused value":     factory("m", func(g *good) plugins.Channel { return echoes{g} }),
		"takes any settings":          factory("m", func(g *good) plugins.Channel { return pointless{g} }),
		"unwell from the start":       factory("m", func(g *good) plugins.Channel { return unwell{g} }),
		"route without documentation": factory("m", func(g *good) plugins.Channel { return undescribed{g} }),
		"network in CheckEndpoint":    factory("m", func(g *good) plugins.Channel { return dials{g} }),
		"changes the host's delivery": factory("m", func(g *good) plugins.Channel { return changes{g} }),
		"neither listener nor sender": factory("m", func(*good) plugins.Channel { return mute{} }),
		"leaves a goroutine behind":   factory("m", func(g *good) plugins.Channel { return orphan{g, done} }),
	} {
		t.Run(name, func(t *testing.T) {
			if len(channeltest.Failures(f, nil)) == 0 {
				t.Error("the kit did not notice")
			}
		})
	}
}
