package channeltest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/belfry-social/belfry/plugins"
)

func newDocument() *huma.OpenAPI {
	return huma.DefaultConfig("kit", "1").OpenAPI
}

// sampleEvents has one event of each type.
func sampleEvents() (out []plugins.Event) {
	author, reader := plugins.ID{1}, plugins.ID{2}
	for _, typ := range []string{plugins.EventNotification, plugins.EventNotificationUpdated,
		plugins.EventNotificationRemoved, plugins.EventReadState, plugins.EventFollowChanged, plugins.EventPostCreated,
		plugins.EventPostUpdated, plugins.EventPostDeleted, plugins.EventUserDeleted, plugins.EventAudienceChanged,
		plugins.EventAccessRevoked, plugins.EventAccessRestored} {
		e := plugins.Event{Cursor: plugins.Cursor{Epoch: 1, Seq: plugins.Position(len(out) + 1)}, Type: typ,
			Stream: plugins.Stream{Kind: plugins.To, User: reader}, Time: 1777889472345,
			About: []plugins.ID{author}, Data: []byte(`{"text":"` + Canary + `"}`)}
		if strings.HasPrefix(typ, "post.") || typ == plugins.EventUserDeleted {
			e.Stream = plugins.Stream{Kind: plugins.By, User: author}
		}
		switch typ {
		case plugins.EventAudienceChanged:
			e.Internal, e.Data = true, []byte(`{"other":"`+author.String()+`"}`)
		case plugins.EventAccessRevoked, plugins.EventAccessRestored:
			e.Internal, e.Data = true, []byte(`{}`)
		}
		out = append(out, e)
	}
	return out
}

func sampleDelivery() plugins.Delivery {
	return plugins.Delivery{ID: plugins.ID{9}, Attempt: 1, Receiver: plugins.ID{2},
		Settings: json.RawMessage(`{"url":"https://` + Canary + `.invalid/"}`),
		Secrets:  []string{"whsec_FkzaUJejnm+WsiNEhs32dkdW44empaWQ"},
		Event: json.RawMessage(`{"id":null,"type":"test","time":"2026-05-04T10:11:12.345Z",` +
			`"data":{"message":"` + Canary + `"}}`)}
}

// host is what a real host lends, small: an empty log, people who follow nobody, a dialer that refuses and counts.
type host struct {
	env    plugins.Env
	logged *observer.ObservedLogs

	mu     sync.Mutex
	dialed int
}

func newHost(name string) *host {
	core, logged := observer.New(zapcore.DebugLevel)
	h := &host{logged: logged}
	h.env = plugins.Env{
		Name: name, Version: "0.0.0", PublicURL: "http://127.0.0.1:8080", Log: zap.New(core), Clock: time.Now,
		Metrics: prometheus.NewRegistry(),
		Dial: func(bool) func(context.Context, string, string) (net.Conn, error) {
			return func(context.Context, string, string) (net.Conn, error) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.dialed++
				return nil, plugins.ErrBlockedAddress
			}
		},
		History: h, Audiences: h, Connections: h,
	}
	return h
}

func (h *host) dials() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dialed
}

// leak returns a log line that holds the canary.
func (h *host) leak() string {
	for _, e := range h.logged.All() {
		if line := fmt.Sprint(e.Message, e.ContextMap()); strings.Contains(line, Canary) {
			return line
		}
	}
	return ""
}

// Read finds an empty log.
func (h *host) Read(_ context.Context, _ plugins.Audience, after plugins.Cursor, _ int) (plugins.EventPage, error) {
	return plugins.EventPage{Through: after}, nil
}

// Kept is nothing yet.
func (h *host) Kept() plugins.Kept { return plugins.Kept{Epochs: plugins.Epochs{{Number: 1}}} }

// Audience is the person's own streams.
func (h *host) Audience(_ context.Context, person plugins.ID) (plugins.Audience, error) {
	return plugins.Audience{Person: person, Sources: []plugins.Source{
		{Stream: plugins.Stream{Kind: plugins.To, User: person}},
		{Stream: plugins.Stream{Kind: plugins.By, User: person}},
	}}, nil
}

// Relation: nobody follows anybody.
func (h *host) Relation(context.Context, plugins.ID, plugins.ID) (plugins.Source, bool, bool, error) {
	return plugins.Source{}, false, false, nil
}

// Open allows everybody.
func (h *host) Open(plugins.Actor, func(plugins.ByeReason)) (func(), bool) { return func() {}, true }

// Spend allows everything.
func (h *host) Spend(plugins.Actor, string) (time.Duration, bool) { return 0, true }
