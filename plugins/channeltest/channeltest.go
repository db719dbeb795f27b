// Package channeltest is the kit every channel has to pass. A channel's own test is one call:
//
//	func TestContract(t *testing.T) { channeltest.Run(t, telegram.Factory, nil) }
//
// Each case says in words which rule was broken. It opens no network; what a Sender sends is the channel's own
// test, with Verdict to judge errors.
package channeltest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"github.com/belfry-social/belfry/plugins"
)

// limit is how long one call of a channel may take in the kit. It is generous: it finds hangs, not slowness.
const limit = 10 * time.Second

// Canary stands in every secret and every content that the kit hands to a channel. It must be in no log line,
// error or health text.
const Canary = "canary-7f3a91"

// Run checks a factory and the channel it makes against the contract of package plugins. section is YAML laid over
// the defaults; nil = defaults alone.
func Run(t *testing.T, f plugins.Factory, section []byte) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(f, section); err != nil {
				t.Error(err)
			}
		})
	}
}

// Failures runs the kit on a factory and returns what it finds, by case. It is for judging the kit with mutants.
func Failures(f plugins.Factory, section []byte) map[string]error {
	out := map[string]error{}
	for _, c := range cases {
		if err := c.run(f, section); err != nil {
			out[c.name] = err
		}
	}
	return out
}

// testCase is one promise, and the test of it.
type testCase struct {
	name  string
	check func(plugins.Factory, []byte, *host) error
}

// run also looks for goroutines that are left, and for content in the log.
func (c testCase) run(f plugins.Factory, section []byte) error {
	before := goleak.IgnoreCurrent()
	h := newHost(f.Name())
	err := c.check(f, section, h)
	if leak := goleak.Find(before); leak != nil {
		err = errors.Join(err, fmt.Errorf("a goroutine is left after Stop: %w", leak))
	}
	if line := h.leak(); line != "" {
		err = errors.Join(err, fmt.Errorf("content or a secret is in the log: %s", line))
	}
	return err
}

var cases = []testCase{
	{"name is a config key", checkName},
	{"settings are strict", checkStrict},
	{"defaults are valid", checkDefaults},
	{"building has no side effects", checkBuild},
	{"is a listener or a sender", checkKind},
	{"stop is safe without start and twice", checkStop},
	{"starts and stops", checkLife},
	{"publish takes every type and keeps events as they are", checkPublish},
	{"publish goes on when one event is strange", checkStrange},
	{"send reports, keeps the delivery as it is, and ends with its context", checkSend},
	{"endpoint settings are judged with pointers", checkEndpoint},
	{"health answers from memory", checkHealth},
	{"routes are in the document", checkRoutes},
}

func build(f plugins.Factory, section []byte, h *host) (plugins.Channel, error) {
	c, err := f.Build(section, h.env)
	if err != nil {
		return nil, fmt.Errorf("the channel cannot be built from its section: %w", err)
	}
	if c == nil {
		return nil, errors.New("build returned neither a channel nor an error")
	}
	return c, nil
}

func checkName(f plugins.Factory, _ []byte, _ *host) error {
	if f.Name() == "" || strings.Trim(f.Name(), "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return fmt.Errorf("name %q must be lower-case letters, digits and _: it is a key of config.yaml", f.Name())
	}
	return nil
}

func checkStrict(f plugins.Factory, section []byte, h *host) error {
	if _, err := f.Build([]byte("no_such_key: 1\n"), h.env); err == nil {
		return errors.New("an unknown key in the section was accepted")
	}
	v := reflect.ValueOf(f.Defaults())
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("the config is a %s, not a struct", v.Type())
	}
	for i := range v.Elem().NumField() {
		if name, _, _ := strings.Cut(v.Elem().Type().Field(i).Tag.Get("yaml"), ","); name == "enabled" {
			return nil
		}
	}
	return errors.New("the config has no key enabled: the operator cannot switch the channel on or off")
}

func checkDefaults(f plugins.Factory, _ []byte, _ *host) error {
	if _, err := f.Decode(nil); err != nil {
		return fmt.Errorf("the defaults are refused: %w", err)
	}
	if !reflect.DeepEqual(f.Defaults(), f.Defaults()) || f.Defaults() == f.Defaults() {
		return errors.New("Defaults must give a fresh, equal value each time")
	}
	return nil
}

func checkBuild(f plugins.Factory, section []byte, h *host) error {
	before := goleak.IgnoreCurrent()
	if _, err := build(f, section, h); err != nil {
		return err
	}
	if err := goleak.Find(before); err != nil {
		return fmt.Errorf("building started a goroutine: %w", err)
	}
	if n := h.dials(); n > 0 {
		return fmt.Errorf("building opened %d connections", n)
	}
	return nil
}

func checkKind(f plugins.Factory, section []byte, h *host) error {
	c, err := build(f, section, h)
	if err != nil {
		return err
	}
	_, listener := c.(plugins.Listener)
	_, sender := c.(plugins.Sender)
	if !listener && !sender {
		return errors.New("the channel is neither a Listener nor a Sender, so it hears nothing")
	}
	return nil
}

func checkStop(f plugins.Factory, section []byte, h *host) error {
	c, err := build(f, section, h)
	if err != nil {
		return err
	}
	for _, what := range []string{"Stop without Start", "a second Stop"} {
		if err := within(what, func(ctx context.Context) error { return c.Stop(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

func checkLife(f plugins.Factory, section []byte, h *host) error {
	return started(f, section, h, func(plugins.Channel) error { return nil })
}

// started runs fn between Start and Stop.
func started(f plugins.Factory, section []byte, h *host, fn func(plugins.Channel) error) error {
	c, err := build(f, section, h)
	if err != nil {
		return err
	}
	if r, ok := c.(plugins.Router); ok { // a host mounts routes before it starts a channel
		r.Routes(fiber.New(fiber.Config{DisableStartupMessage: true}), newDocument())
	}
	if err := within("Start", c.Start); err != nil {
		return err
	}
	err = fn(c)
	if d, ok := c.(plugins.Drainer); ok {
		if stop := within("Drain", func(ctx context.Context) error { d.Drain(ctx); return nil }); stop != nil && err == nil {
			err = stop
		}
	}
	if stop := within("Stop", c.Stop); stop != nil && err == nil {
		err = stop
	}
	return err
}

// whileRunning runs fn between Start and Stop of a channel that is a T.
func whileRunning[T any](f plugins.Factory, section []byte, h *host, fn func(T) error) error {
	return started(f, section, h, func(c plugins.Channel) error {
		if t, ok := c.(T); ok {
			return fn(t)
		}
		return nil
	})
}

func checkPublish(f plugins.Factory, section []byte, h *host) error {
	return whileRunning(f, section, h, func(l plugins.Listener) error {
		events := sampleEvents()
		want := fmt.Sprintf("%+v", events)
		err := within("Publish", func(context.Context) error { l.Publish(slices.Clone(events)); return nil })
		if err == nil && fmt.Sprintf("%+v", events) != want {
			err = errors.New("Publish changed what an event points to: it is shared with every other channel")
		}
		return err
	})
}

func checkStrange(f plugins.Factory, section []byte, h *host) error {
	return whileRunning(f, section, h, func(l plugins.Listener) error {
		strange := sampleEvents()[:1]
		strange[0].Type = "later.invented"
		strange[0].About = nil
		strange[0].Data = []byte(`{"new":true}`)
		return within("Publish of an unknown type", func(context.Context) error {
			l.Publish(strange)
			l.Publish(sampleEvents())
			return nil
		})
	})
}

func checkSend(f plugins.Factory, section []byte, h *host) error {
	return whileRunning(f, section, h, func(s plugins.Sender) error {
		d := sampleDelivery()
		want := fmt.Sprintf("%+v", d)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var sent error
		err := within("Send with an ended context", func(context.Context) error { sent = s.Send(ctx, d); return nil })
		switch {
		case err != nil:
			return err
		case sent == nil:
			return errors.New("Send reported success although its context had ended and the settings lead nowhere")
		case strings.Contains(sent.Error(), Canary):
			return fmt.Errorf("a secret or content is in the error of Send: %w", sent)
		case fmt.Sprintf("%+v", d) != want:
			return errors.New("Send changed the delivery: the host keeps it for the next attempt")
		}
		return nil
	})
}

func checkEndpoint(f plugins.Factory, section []byte, h *host) error {
	c, err := build(f, section, h)
	if err != nil {
		return err
	}
	s, ok := c.(plugins.Sender)
	if !ok {
		return nil
	}
	for _, raw := range []string{`null`, `[]`, `7`, `{"` + Canary + `": 1}`, `{`, `"` + Canary + `"`} {
		if err := checkRefusal(s, raw); err != nil {
			return fmt.Errorf("settings %s: %w", raw, err)
		}
	}
	if n := h.dials(); n > 0 {
		return fmt.Errorf("CheckEndpoint opened %d connections: it has to judge without network", n)
	}
	return nil
}

func checkRefusal(s plugins.Sender, raw string) error {
	_, err := s.CheckEndpoint(json.RawMessage(raw))
	var fault *plugins.Fault
	if !errors.As(err, &fault) || fault.Code != plugins.CodeValidationFailed || len(fault.Fields) == 0 {
		return fmt.Errorf("want a validation_failed fault with fields, got: %w", cmp.Or(err, errTaken))
	}
	for _, field := range fault.Fields {
		if !strings.HasPrefix(field.Pointer, "/settings") || field.In != "body" {
			return fmt.Errorf("the fault points to %s %q, not below /settings", field.In, field.Pointer)
		}
		if strings.Contains(field.Detail, Canary) || field.Detail == "" {
			return errors.New("the detail repeats the value or is empty")
		}
	}
	return nil
}

// errTaken stands for "no error".
var errTaken = errors.New("they were accepted")

func checkHealth(f plugins.Factory, section []byte, h *host) error {
	return whileRunning(f, section, h, func(c plugins.HealthChecker) error {
		var health error
		err := within("Health", func(context.Context) error { health = c.Health(); return nil })
		switch {
		case err != nil:
			return err
		case health != nil:
			return fmt.Errorf("a channel that has just started and did nothing wrong reports: %w", health)
		case h.dials() > 0:
			return fmt.Errorf("Health opened %d connections", h.dials())
		}
		return nil
	})
}

func checkRoutes(f plugins.Factory, section []byte, h *host) error {
	c, err := build(f, section, h)
	if err != nil {
		return err
	}
	r, ok := c.(plugins.Router)
	if !ok {
		return nil
	}
	app, doc := fiber.New(fiber.Config{DisableStartupMessage: true}), newDocument()
	r.Routes(app, doc)
	for _, route := range app.GetRoutes(true) {
		if route.Method == fiber.MethodHead || route.Method == fiber.MethodOptions {
			continue
		}
		if doc.Paths[route.Path] == nil {
			return fmt.Errorf("route %s %s is not in the document", route.Method, route.Path)
		}
	}
	return nil
}

// within runs one call of a channel under the kit's limit; a panic is an error.
func within(what string, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("%s panicked: %v", what, p)
			}
		}()
		done <- fn(ctx)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-time.After(2 * limit):
		return fmt.Errorf("%s did not return, although its context had ended", what)
	}
}
