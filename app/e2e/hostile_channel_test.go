package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

type badConfig struct {
	Enabled bool `yaml:"enabled"`
}

// badListener does in Publish what it is told; hung is closed to let it go.
type badListener struct {
	publish func([]social.Event)
}

func (badListener) Start(context.Context) error     { return nil }
func (badListener) Stop(context.Context) error      { return nil }
func (b badListener) Publish(events []social.Event) { b.publish(events) }

// badSender does in Send what it is told.
type badSender struct {
	badListener
	send func(context.Context) error
}

func (b badSender) Send(ctx context.Context, _ plugins.Delivery) error { return b.send(ctx) }
func (b badSender) CheckEndpoint(settings json.RawMessage) (json.RawMessage, error) {
	return settings, nil
}

func bad(name string, c plugins.Channel) plugins.Factory {
	return plugins.Define(name, badConfig{Enabled: true}, func(badConfig, plugins.Env) (plugins.Channel,
		error) {
		return c, nil
	})
}

// H48: whatever a channel does, the others and the writers notice nothing.
func TestHostileChannels(t *testing.T) {
	letGo := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(letGo) }) }
	panicked, hung, sentTo := make(chan struct{}, 1024), make(chan struct{}, 1024), make(chan string, 1024)
	note := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	nothing := func([]social.Event) {}
	parts := []plugins.Factory{
		bad("panics", badListener{func([]social.Event) { note(panicked); panic("no events for me") }}),
		bad("hangs", badListener{func([]social.Event) { note(hung); <-letGo }}),
		bad("sendpanic", badSender{badListener{nothing},
			func(context.Context) error { sentTo <- "sendpanic"; panic("no delivery for me") }}),
		bad("sendhang", badSender{badListener{nothing},
			func(ctx context.Context) error { sentTo <- "sendhang"; <-letGo; return nil }}),
		bad("sendfail", badSender{badListener{nothing},
			func(context.Context) error { sentTo <- "sendfail"; return errors.New("always") }}),
		bad("sendflood", badSender{badListener{nothing}, func(context.Context) error {
			sentTo <- "sendflood"
			return errors.New(string(make([]byte, 10<<20)))
		}}),
	}
	// A machine under load may keep the good endpoint waiting: three times past send_timeout would set it aside.
	set := map[string]string{"delivery.send_timeout": "2s", "delivery.schedule": "20ms, 20ms, 20ms, 20ms, 20ms, 20ms",
		"delivery.breaker_failures": "3"}
	s, heard := hooked(t, set)
	s.stop()
	for _, f := range parts {
		s.parts = append(s.parts, plugins.Provide(f))
	}
	s.start()
	t.Cleanup(release)

	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	good := newHook(t, nil)
	id, _ := alice.endpoint(good.URL)
	for _, name := range []string{"sendpanic", "sendhang", "sendfail", "sendflood"} {
		alice.want(201, "POST", "/v1/me/endpoints", map[string]any{"channel": name, "settings": map[string]any{}}, nil)
	}
	live, _ := bob.stream("")
	called := map[string]bool{}
	const posts = 30
	for range posts {
		post := alice.post("one of many")
		if b := live.await("post.created"); b.ID == "" {
			t.Fatal("no event")
		}
		bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
		good.next(t)
	}
	heard.until(t, "every delivery to the good endpoint succeeded", func() bool {
		var list struct{ Items []sent }
		alice.want(200, "GET", "/v1/me/endpoints/"+id+"/deliveries?limit=100&state=succeeded", nil, &list)
		return len(list.Items) == posts
	})
	for len(called) < 4 {
		select {
		case name := <-sentTo:
			called[name] = true
		case <-time.After(deadline):
			t.Fatalf("only %v were called: the test shows nothing", called)
		}
	}
	for name, c := range map[string]chan struct{}{"panics": panicked, "hangs": hung} {
		select {
		case <-c:
		case <-time.After(deadline):
			t.Fatalf("%s was never called: the test shows nothing", name)
		}
	}
	var ready struct{ Status string }
	s.anonymous().want(200, "GET", "/readyz", nil, &ready)
	release()
}
