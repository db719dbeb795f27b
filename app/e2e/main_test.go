package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins/logging"
	"github.com/belfry-social/belfry/plugins/sse"
	"github.com/belfry-social/belfry/plugins/webhook"

	"go.uber.org/fx"
)

// TestMainJob: people register, follow, post, like and comment; who is there sees it at once, who was away gets
// what was missed, in order, once; poll and stream agree.
func TestMainJob(t *testing.T) {
	s := startSite(t, nil)
	alice, bob, carol := s.register("alice"), s.register("bob"), s.register("carol")
	bob.follow(alice)

	live, ready := bob.stream("")
	if ready.Event != "ready" || ready.ID == "" {
		t.Fatalf("first block: %+v", ready)
	}
	away, _ := alice.stream("?after=oldest")
	start := away.await("notification") // bob follows her
	away.close()

	post := alice.post("First light over the harbour")
	if b := live.await("post.created"); !strings.Contains(b.Data, post) {
		t.Errorf("bob saw %s, want the post %s", b.Data, post)
	}
	carol.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
	comment := carol.post("Where is this?", "reply_to", post)

	back, ready := alice.stream("", "Last-Event-ID: "+start.ID)
	if ready.ID != start.ID {
		t.Errorf("resumed at %s, want %s", ready.ID, start.ID)
	}
	var got []string
	for len(got) < 2 {
		b := back.next()
		if e := b.event(t); e.Type == "notification" {
			var n struct {
				Type   string
				Object struct{ ID string }
			}
			if err := json.Unmarshal(e.Data, &n); err != nil {
				t.Fatal(err)
			}
			got = append(got, n.Type+" "+n.Object.ID)
		}
	}
	if want := "like " + post + " comment " + comment; strings.Join(got, " ") != want {
		t.Errorf("alice caught up with %q, want %q", got, want)
	}

	// The same range by poll: equal ids and equal bytes.
	var page struct {
		Items []json.RawMessage
		Next  string
	}
	alice.want(200, "GET", "/v1/events?limit=100&after="+start.ID, nil, &page)
	again, _ := alice.stream("", "Last-Event-ID: "+start.ID)
	for _, item := range page.Items {
		if b := again.next(); b.Data != string(item) {
			t.Errorf("stream and poll differ:\n%s\n%s", b.Data, item)
		}
	}

	// And after a restart: the same again.
	s.restart()
	after, _ := alice.stream("", "Last-Event-ID: "+start.ID)
	for _, item := range page.Items {
		if b := after.next(); b.Data != string(item) {
			t.Errorf("after the restart:\n%s\n%s", b.Data, item)
		}
	}
}

// TestModulesLeftOut: the program starts and does what is left without each part that may be left out.
func TestModulesLeftOut(t *testing.T) {
	all := map[string]fx.Option{"users": users.Module, "posts": posts.Module, "follows": follows.Module,
		"people": people.Module, "media": media.Module, "notifications": notifications.Module, "delivery": delivery.Module,
		"sse": sse.Module, "logging": logging.Module, "webhook": webhook.Module}
	for _, out := range []string{"follows", "people", "media", "notifications", "delivery", "sse", "logging", "webhook"} {
		t.Run(out, func(t *testing.T) {
			var parts []fx.Option
			for name, part := range all {
				if name != out {
					parts = append(parts, part)
				}
			}
			s := startSite(t, nil, parts...)
			alice, bob := s.register("alice"), s.register("bob")
			post := alice.post("still here, @bob")
			bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil)
			alice.want(200, "GET", "/v1/timelines/home", nil, nil)
			events := map[string]int{"delivery": 404}[out]
			if events == 0 {
				events = 200
			}
			alice.want(events, "GET", "/v1/events?after=oldest", nil, nil, "Accept: application/json")
			if out == "sse" {
				alice.want(204, "GET", "/v1/events", nil, nil, "Accept: text/event-stream")
			}
		})
	}
}

// TestChannelsSwitchedOff: each channel is off by its section.
func TestChannelsSwitchedOff(t *testing.T) {
	s := startSite(t, map[string]string{"channels.sse.enabled": "false", "channels.webhook.enabled": "false",
		"channels.logging.enabled": "false"})
	alice := s.register("alice")
	alice.want(204, "GET", "/v1/events", nil, nil, "Accept: text/event-stream")
	alice.want(200, "GET", "/v1/events", nil, nil, "Accept: application/json")
	alice.want(422, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
		"settings": map[string]any{"url": "https://bot.example/"}}, nil)
	alice.post("hello")
	if n := s.Logs.FilterMessage("event").Len(); n != 0 {
		t.Errorf("the logging channel is off and wrote %d lines", n)
	}
	var view struct {
		Features struct {
			SSE      bool
			Channels []string
		}
	}
	alice.want(200, "GET", "/v1/instance", nil, &view)
	if view.Features.SSE || len(view.Features.Channels) != 0 {
		t.Errorf("instance says %+v", view.Features)
	}
}
