package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// picky is a sender that normalises settings, and refuses or panics over some.
type picky struct{ sender }

func (picky) CheckEndpoint(settings json.RawMessage) (json.RawMessage, error) {
	var v struct{ URL string }
	if err := json.Unmarshal(settings, &v); err != nil || v.URL == "" {
		return nil, social.Invalid(social.BodyField("/settings/url", social.FieldRequired, "An address."))
	}
	if v.URL == "panic" {
		panic("over the settings")
	}
	return json.Marshal(map[string]string{"url": strings.ToLower(v.URL)})
}

func hook() named {
	return named{"hook", picky{sender{send: func(context.Context, plugins.Delivery) error { return nil }}}}
}

func draft(url string, types ...string) pipeline.EndpointDraft {
	return pipeline.EndpointDraft{Channel: "hook", Settings: json.RawMessage(`{"url":"` + url + `"}`), Types: types}
}

func TestAddEndpointRefusals(t *testing.T) {
	w := newWorld(t)
	s := w.service(pipeline.DefaultConfig(), hook())
	me := social.NewID()
	for _, tt := range []struct {
		name    string
		draft   pipeline.EndpointDraft
		pointer string
		code    social.FieldCode
	}{
		{"unknown channel", pipeline.EndpointDraft{Channel: "pigeon", Settings: json.RawMessage(`{}`)}, "/channel",
			social.FieldNotFound},
		{"settings", draft(""), "/settings/url", social.FieldRequired},
		{"unknown type", draft("x", "like", "Post"), "/types/1", social.FieldBadFormat},
		{"type twice", draft("x", "like", "like"), "/types/1", social.FieldDuplicate},
		{"bad custom type", draft("x", "custom.A"), "/types/0", social.FieldBadFormat},
		{"no types", pipeline.EndpointDraft{Channel: "hook", Settings: json.RawMessage(`{"url":"x"}`), Types: []string{}},
			"/types", social.FieldTooShort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.AddEndpoint(t.Context(), me, tt.draft, nil)
			var f *social.Fault
			if !errors.As(err, &f) || len(f.Fields) != 1 || f.Fields[0].Pointer != tt.pointer || f.Fields[0].Code != tt.code {
				t.Errorf("gave %v, want %s at %s", err, tt.code, tt.pointer)
			}
		})
	}
	if _, err := s.AddEndpoint(t.Context(), me, draft("panic"), nil); err == nil || social.IsFault(err,
		social.CodeValidationFailed) {
		t.Errorf("settings over which the channel panics gave %v, want an internal error", err)
	}
	if n := w.count(`SELECT COUNT(*) FROM endpoints`); n != 0 {
		t.Errorf("%d endpoints were made of refused drafts", n)
	}
}

func TestEndpointsAreTheirOwnersOnly(t *testing.T) {
	w := newWorld(t)
	s := w.service(pipeline.DefaultConfig(), hook())
	ctx, me, other := t.Context(), social.NewID(), social.NewID()
	e, err := s.AddEndpoint(ctx, me, draft("https://Bot.example/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Settings) != `{"url":"https://bot.example/"}` || e.Name != "hook" || !e.Enabled || e.State != "active" ||
		e.Types != nil || e.Secret == nil {
		t.Errorf("made %+v", e)
	}
	d, err := s.TestEndpoint(ctx, me, e.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	off := false
	for name, call := range map[string]func(owner social.ID) error{
		"get": func(o social.ID) error { _, err := s.Endpoint(ctx, o, e.ID); return err },
		"change": func(o social.ID) error {
			_, err := s.ChangeEndpoint(ctx, o, e.ID, pipeline.EndpointPatch{Enabled: &off})
			return err
		},
		"rotate": func(o social.ID) error { _, err := s.RotateSecret(ctx, o, e.ID, 0, nil); return err },
		"test":   func(o social.ID) error { _, err := s.TestEndpoint(ctx, o, e.ID, nil); return err },
		"list": func(o social.ID) error {
			_, err := s.Deliveries(ctx, o, e.ID, "", social.PageQuery{Limit: 1})
			return err
		},
		"look":   func(o social.ID) error { _, err := s.Delivery(ctx, o, e.ID, d.ID); return err },
		"retry":  func(o social.ID) error { _, err := s.RetryDelivery(ctx, o, e.ID, d.ID); return err },
		"remove": func(o social.ID) error { return s.RemoveEndpoint(ctx, o, e.ID) },
	} {
		if err := call(other); !social.IsFault(err, social.CodeNotFound) {
			t.Errorf("%s by somebody else gave %v, want not found", name, err)
		}
	}
	second, err := s.AddEndpoint(ctx, other, draft("https://other.example/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delivery(ctx, other, second.ID, d.ID); !social.IsFault(err, social.CodeNotFound) {
		t.Errorf("a delivery of somebody else's endpoint gave %v, want not found", err)
	}
	shown, err := s.Endpoint(ctx, me, e.ID)
	if err != nil || shown.Secret != nil || !shown.Enabled {
		t.Errorf("afterwards the endpoint is %+v, %v; want it unchanged, without the secret", shown, err)
	}
}

func TestEndpointLimit(t *testing.T) {
	w := newWorld(t)
	cfg := pipeline.DefaultConfig()
	cfg.EndpointsPerPerson = 2
	s := w.service(cfg, hook())
	me := social.NewID()
	var first social.ID
	for i := range 3 {
		e, err := s.AddEndpoint(t.Context(), me, draft("x"), nil)
		if (i == 2) != social.IsFault(err, social.CodeLimitReached) {
			t.Errorf("endpoint %d gave %v", i+1, err)
		}
		if i == 0 {
			first = e.ID
		}
	}
	if err := s.RemoveEndpoint(t.Context(), me, first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddEndpoint(t.Context(), me, draft("x"), nil); err != nil {
		t.Errorf("after a removal: %v", err)
	}
}

func TestRepeatedCreationShowsNoSecret(t *testing.T) {
	w := newWorld(t)
	s := w.service(pipeline.DefaultConfig(), hook())
	me := social.Actor{UserID: social.NewID()}
	once := func() *storage.Once {
		return storage.NewOnce(me, w.clock.Now(), "POST /v1/me/endpoints", "k", []byte("body"))
	}
	a, err := s.AddEndpoint(t.Context(), me.UserID, draft("x"), once())
	if err != nil || a.Secret == nil {
		t.Fatalf("first: %+v, %v", a, err)
	}
	b, err := s.AddEndpoint(t.Context(), me.UserID, draft("x"), once())
	if err != nil || b.ID != a.ID || b.Secret != nil {
		t.Errorf("repeated: %+v, %v; want the same one, without its secret", b, err)
	}
	if n := w.count(`SELECT COUNT(*) FROM idempotency_keys WHERE answer LIKE '%whsec_%'`); n != 0 {
		t.Error("a kept answer holds the secret")
	}
}

func TestRotatedSecretsBothSign(t *testing.T) {
	w := newWorld(t)
	w.clock = w.fix.Clock
	seen := make(chan []string, 1)
	s := w.start(w.service(exact(), named{"hook", sender{send: func(_ context.Context,
		d plugins.Delivery) error {
		seen <- d.Secrets
		return nil
	}}}))
	me := social.NewID()
	e := w.endpoint(s, me)
	r, err := s.RotateSecret(t.Context(), me, e.ID, time.Hour, nil)
	if err != nil || r.Secret == nil || *r.Secret == *e.Secret {
		t.Fatalf("rotation gave %+v, %v", r, err)
	}
	for _, want := range [][]string{{*r.Secret, *e.Secret}, {*r.Secret}} {
		if _, err := s.TestEndpoint(t.Context(), me, e.ID, nil); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("signed with %d secrets, want the %d that hold", len(got), len(want))
		}
		w.fix.Advance(2 * time.Hour)
	}
}

func TestDeliveriesByState(t *testing.T) {
	w := newWorld(t)
	s := w.service(pipeline.DefaultConfig(), hook()) // not started: nothing is sent
	me := social.NewID()
	e, err := s.AddEndpoint(t.Context(), me, draft("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.TestEndpoint(t.Context(), me, e.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	for state, want := range map[string]int{"": 3, "pending": 3, "dead": 0} {
		l, err := s.Deliveries(t.Context(), me, e.ID, state, social.PageQuery{Limit: 10})
		if err != nil || len(l.Items) != want {
			t.Errorf("state %q: %d deliveries, %v; want %d", state, len(l.Items), err, want)
		}
	}
	l, err := s.Deliveries(t.Context(), me, e.ID, "", social.PageQuery{Limit: 2})
	if err != nil || l.Next == nil {
		t.Fatalf("first page: %+v, %v", l, err)
	}
	if _, err := s.Deliveries(t.Context(), me, e.ID, "dead", social.PageQuery{Limit: 2,
		Cursor: *l.Next}); !social.IsFault(err, social.CodeInvalidCursor) {
		t.Errorf("a cursor of another filter gave %v, want invalid_cursor", err)
	}
}
