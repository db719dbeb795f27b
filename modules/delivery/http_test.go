package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/humatest"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
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

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	w.clock = w.fix.Clock
	s := w.service(defaults(), hook())
	_, api := humatest.New(t, huma.DefaultConfig("test", "1"))
	s.Routes(api)
	for path, item := range api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete} {
			if op != nil && op.Metadata[social.MetaAuth] == nil {
				t.Errorf("%s %s does not say who may call it", op.Method, path)
			}
		}
	}
	ctx := social.WithActor(t.Context(), social.Actor{UserID: social.NewID()})
	do := func(method, path string, want int, args ...any) map[string]any {
		t.Helper()
		res := api.DoCtx(ctx, method, path, args...)
		if res.Code != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, res.Code, res.Body, want)
		}
		out := map[string]any{"location": res.Header().Get("Location"), "replayed": res.Header().Get("Idempotency-Replayed")}
		if res.Body.Len() > 0 {
			if err := json.Unmarshal(res.Body.Bytes(), &out); err != nil {
				t.Fatalf("%s %s: %s", method, path, res.Body)
			}
		}
		return out
	}
	body := map[string]any{"channel": "hook", "name": "my bot", "settings": map[string]any{"url": "https://bot.example/"},
		"types": []string{"like"}}
	made := do(http.MethodPost, "/v1/me/endpoints", 201, "Idempotency-Key: a", body)
	path := made["location"].(string)
	if path != "/v1/me/endpoints/"+made["id"].(string) || made["secret"] == nil || made["replayed"] != "" {
		t.Errorf("made %v", made)
	}
	for _, name := range []string{"id", "channel", "name", "settings", "types", "enabled", "state", "disabled_reason",
		"failing_since",
		"last_success_at", "last_failure_at", "secret", "created_at", "updated_at"} {
		if _, ok := made[name]; !ok {
			t.Errorf("the answer lacks %s", name)
		}
	}
	if again := do(http.MethodPost, "/v1/me/endpoints", 201, "Idempotency-Key: a", body); again["replayed"] != "true" ||
		again["secret"] != nil || again["id"] != made["id"] {
		t.Errorf("repeated: %v", again)
	}
	if l := do(http.MethodGet, "/v1/me/endpoints", 200); len(l["items"].([]any)) != 1 {
		t.Errorf("list is %v", l)
	}
	changed := do(http.MethodPatch, path, 200, strings.NewReader(`{"types":null,"name":null,"enabled":false}`))
	if changed["types"] != nil || changed["name"] != "hook" || changed["state"] != "disabled" ||
		changed["disabled_reason"] != "owner" {
		t.Errorf("changed to %v", changed)
	}
	changed = do(http.MethodPatch, path, 200, strings.NewReader(`{"enabled":true}`))
	if changed["state"] != "active" || fmt.Sprint(changed["settings"]) != "map[url:https://bot.example/]" {
		t.Errorf("changed to %v", changed)
	}
	if r := do(http.MethodPost, path+"/rotate-secret", 200, "Idempotency-Key: r",
		map[string]any{"overlap_s": 0}); r["secret"] == nil || r["secret"] == made["secret"] {
		t.Errorf("rotated to %v", r)
	}
	do(http.MethodPost, path+"/rotate-secret", 200)
	d := do(http.MethodPost, path+"/test", 202, "Idempotency-Key: t")
	if d["location"] != path+"/deliveries/"+d["id"].(string) || d["event_id"] != nil || len(d["attempts"].([]any)) != 0 {
		t.Errorf("test is %v", d)
	}
	if l := do(http.MethodGet, path+"/deliveries?state=pending", 200); len(l["items"].([]any)) != 1 {
		t.Errorf("deliveries are %v", l)
	}
	do(http.MethodGet, d["location"].(string), 200)
	do(http.MethodPost, d["location"].(string)+"/retry", 202)
	do(http.MethodDelete, path, 204)
}
