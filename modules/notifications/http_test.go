package notifications_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/humatest"

	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/social"
)

func routes(t *testing.T, w *world) humatest.TestAPI {
	cfg := huma.DefaultConfig("test", "1")
	cfg.CreateHooks = nil // no $schema member, as in the program
	_, api := humatest.New(t, cfg)
	w.s.Routes(api)
	return api
}

// TestRoutes calls each route once well and once ill. Faults are turned into problems by the host, which is not
// here: huma answers 500 with the fault's text.
func TestRoutes(t *testing.T) {
	w := newWorld(t)
	api := routes(t, w)
	alice := social.WithActor(context.Background(), social.Actor{UserID: w.user("alice").ID})
	service := social.WithActor(context.Background(), social.Actor{ServiceID: social.NewID()})
	p := w.post("alice", "harbour")
	for _, who := range []string{"bob", "carol"} {
		w.like(who, p)
	}
	w.post("bob", "comment", under(p))
	list := w.list("alice", notifications.Filter{})
	item, group := list[0].ID.String(), list[1].Group.Key.String()

	for _, tt := range []struct {
		ctx    context.Context
		method string
		path   string
		body   string
		status int
		want   string // in the body
	}{
		{alice, "GET", "/v1/notifications?limit=1&grouped=true&types=like,comment&state=unread", "", 200, `"next":"`},
		{alice, "GET", "/v1/notifications?types=nonsense", "", 500, "validation_failed"},
		{alice, "GET", "/v1/notifications?state=nonsense", "", 422, ""},
		{alice, "GET", "/v1/notifications?cursor=nonsense", "", 500, "invalid_cursor"},
		{alice, "GET", "/v1/notifications/counts", "", 200,
			`{"unseen":2,"unread":2,"capped":false,"by_type":{"comment":1,"like":1}}`},
		{alice, "GET", "/v1/notifications/groups/" + group, "", 200, `"prev":null`},
		{alice, "GET", "/v1/notifications/groups/nonsense", "", 500, "not_found"},
		{alice, "GET", "/v1/notifications/" + item, "", 200, `"type":"comment"`},
		{alice, "GET", "/v1/notifications/" + strings.ToUpper(item), "", 500, "not_found"},
		{alice, "POST", "/v1/notifications/seen", `{"up_to":"` + item + `"}`, 200, `"unseen":0,"unread":2`},
		{alice, "POST", "/v1/notifications/seen", `{"up_to":"nonsense"}`, 500, "validation_failed"},
		{alice, "POST", "/v1/notifications/read", `{"ids":["` + item + `"]}`, 200, `"unread":1`},
		{alice, "POST", "/v1/notifications/read", `{"group":"` + group + `"}`, 200, `"unread":0`},
		{alice, "POST", "/v1/notifications/read", `{"up_to":"` + item + `"}`, 200, `"unread":0`},
		{alice, "POST", "/v1/notifications/read", `{}`, 500, "validation_failed"},
		{alice, "POST", "/v1/notifications/read", `{"ids":[]}`, 500, "validation_failed"},
		{alice, "POST", "/v1/notifications/read", `{"ids":["` + item + `"],"up_to":"` + item + `"}`, 500,
			"validation_failed"},
		{alice, "POST", "/v1/notifications/read", `{"ids":["nonsense"]}`, 500, "validation_failed"},
		{alice, "DELETE", "/v1/notifications/" + item + "/read", "", 200, `"is_read":false`},
		{alice, "PUT", "/v1/notifications/" + item + "/read", "", 200, `"is_read":true`},
		{alice, "PUT", "/v1/notifications/" + item + "/archived", "", 200, `"archived_at":"2025`},
		{alice, "DELETE", "/v1/notifications/" + item + "/archived", "", 200, `"archived_at":null`},
		{alice, "DELETE", "/v1/notifications/" + item, "", 204, ""},
		{alice, "DELETE", "/v1/notifications/" + item, "", 500, "not_found"},
		{service, "POST", "/v1/notifications", `{"receiver":"@alice","type":"build","content":"done","data":{"a":1}}`, 201,
			`"type":"custom.build"`},
		{service, "POST", "/v1/notifications", `{"receiver":"@alice","type":"build","content":""}`, 422, ""},
	} {
		var args []any
		if tt.body != "" {
			args = append(args, strings.NewReader(tt.body), "Content-Type: application/json",
				"Idempotency-Key: "+tt.body[:min(20, len(tt.body))])
		}
		res := api.DoCtx(tt.ctx, tt.method, tt.path, args...)
		if res.Code != tt.status || !strings.Contains(res.Body.String(), tt.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", tt.method, tt.path, tt.body, res.Code, res.Body, tt.status, tt.want)
		}
		if (tt.path == "/v1/notifications/counts" || strings.HasPrefix(tt.path, "/v1/notifications?limit")) &&
			res.Header().Get("Belfry-Cursor") != "1-7" {
			t.Errorf("%s: Belfry-Cursor %q, want 1-7", tt.path, res.Header().Get("Belfry-Cursor"))
		}
	}
	body := `{"receiver":"@alice","type":"build","content":"once"}`
	for _, replayed := range []string{"", "true"} {
		res := api.DoCtx(service, "POST", "/v1/notifications", strings.NewReader(body), "Content-Type: application/json",
			"Idempotency-Key: k")
		var a notifications.Pushed
		if err := json.Unmarshal(res.Body.Bytes(), &a); err != nil || res.Code != http.StatusCreated ||
			res.Header().Get("Idempotency-Replayed") != replayed ||
			res.Header().Get("Location") != "/v1/notifications/"+a.Notification.ID.String() {
			t.Errorf("push with a key: %d %v %s, want 201, replayed %q", res.Code, res.Header(), res.Body, replayed)
		}
	}
}

// TestGuards: each operation says who may call it, and lists and counts how they are tagged.
func TestGuards(t *testing.T) {
	w := newWorld(t)
	api := routes(t, w)
	for path, item := range api.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post,
			"DELETE": item.Delete} {
			if op == nil {
				continue
			}
			want := social.AuthScope(social.ScopeWriteNotifications)
			switch {
			case method == "GET":
				want = social.AuthScope(social.ScopeRead)
			case method+path == "POST/v1/notifications":
				want = social.AuthScope(social.ScopeNotifySend)
				if op.Metadata[social.MetaLimit] != social.BudgetService {
					t.Errorf("%s %s has budget %v", method, path, op.Metadata[social.MetaLimit])
				}
			}
			if op.Metadata[social.MetaAuth] != want {
				t.Errorf("%s %s asks for %v, want %v", method, path, op.Metadata[social.MetaAuth], want)
			}
			if (method == "GET") != (op.Metadata[social.MetaETag] != nil) {
				t.Errorf("%s %s has entity tag %v", method, path, op.Metadata[social.MetaETag])
			}
		}
	}
}
