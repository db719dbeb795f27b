package users_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/humatest"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

// api serves the module's routes without the host: the actor is put into the context by hand. A fault shows as 500
// here, with its text.
type api struct {
	humatest.TestAPI
	*world
}

func serve(t *testing.T) *api {
	w := open(t)
	config := huma.DefaultConfig("test", "1")
	config.CreateHooks = nil // no $schema
	_, test := humatest.New(t, config)
	w.users.Routes(test)
	return &api{test, w}
}

func (a *api) as(t *testing.T, welcome users.Welcome) context.Context {
	return social.WithActor(t.Context(), a.actor(t, welcome))
}

// object reads an answer and checks that it has exactly these members.
func object(t *testing.T, what string, raw []byte, members string) map[string]json.RawMessage {
	t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatalf("%s: %s: %v", what, raw, err)
	}
	want := strings.Fields(members)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(o)); !slices.Equal(got, want) {
		t.Errorf("%s has %v, want %v", what, got, want)
	}
	return o
}

func status(t *testing.T, what string, r *httptest.ResponseRecorder, want int) {
	t.Helper()
	if r.Code != want {
		t.Fatalf("%s: status %d, want %d: %s", what, r.Code, want, r.Body)
	}
}

func refused(t *testing.T, what string, r *httptest.ResponseRecorder, code social.Code) {
	t.Helper()
	if !strings.Contains(r.Body.String(), string(code)+": ") {
		t.Errorf("%s: status %d, %s; want the fault %s", what, r.Code, r.Body, code)
	}
}

const (
	userMembers = "id username display_name avatar_url url bio locked bot " +
		"followers_count following_count posts_count created_at viewer"
	meMembers      = userMembers + " email email_verified role state locale time_zone deletion_at"
	sessionMembers = "id current user_agent address created_at last_used_at expires_at"
	tokenMembers   = "id name scopes token created_at last_used_at expires_at"
)

func TestHTTPSignIn(t *testing.T) {
	a := serve(t)
	r := a.PostCtx(from(t.Context(), "192.0.2.7"), "/v1/auth/register", "User-Agent: Test/3", strings.NewReader(
		`{"username":"Alice","password":"a harbour at dawn","display_name":null,"email":null,"locale":null,"invite":null}`))
	status(t, "register", r, http.StatusCreated)
	body := object(t, "register", r.Body.Bytes(), "user session")
	me := object(t, "user", body["user"], meMembers)
	session := object(t, "session", body["session"], sessionMembers)
	id := strings.Trim(string(me["id"]), `"`)
	if r.Header().Get("Location") != "/v1/users/"+id || string(me["viewer"]) != "null" ||
		string(me["deletion_at"]) != "null" || string(me["email"]) != "null" ||
		string(me["created_at"]) != `"2025-03-01T12:00:00.000Z"` || string(session["user_agent"]) != `"Test/3"` ||
		string(session["current"]) != "true" {
		t.Errorf("register: Location %s, %s", r.Header().Get("Location"), r.Body)
	}
	cookie, err := http.ParseSetCookie(r.Header().Get("Set-Cookie"))
	if err != nil || cookie.Name != "__Host-belfry" {
		t.Fatalf("Set-Cookie %q: %v", r.Header().Get("Set-Cookie"), err)
	}
	if strings.Contains(r.Body.String(), cookie.Value) {
		t.Error("the session's secret is in the body")
	}
	who, err := a.users.Authenticate(t.Context(), social.Credentials{Cookie: cookie.Value})
	if err != nil || who.UserID.String() != id {
		t.Fatalf("the cookie stands for %+v, %v", who, err)
	}

	r = a.Post("/v1/auth/login", map[string]any{"login": "alice", "password": password})
	status(t, "login", r, http.StatusOK)
	object(t, "login", r.Body.Bytes(), "user session")
	if r.Header().Get("Set-Cookie") == "" || r.Header().Get("Location") != "" {
		t.Errorf("login: headers %v", r.Header())
	}
	refused(t, "wrong login", a.Post("/v1/auth/login", map[string]any{"login": "alice", "password": "x"}),
		social.CodeBadCredentials)
	status(t, "register with a server-owned field",
		a.Post("/v1/auth/register", map[string]any{"username": "bob", "password": password, "role": "admin"}), 422)

	ctx := social.WithActor(t.Context(), who)
	r = a.GetCtx(ctx, "/v1/auth/sessions")
	status(t, "sessions", r, http.StatusOK)
	var page struct{ Items []json.RawMessage }
	if err := json.Unmarshal(r.Body.Bytes(), &page); err != nil || len(page.Items) != 2 {
		t.Fatalf("sessions: %s, %v", r.Body, err)
	}
	first := object(t, "listed session", page.Items[0], sessionMembers)
	r = a.DeleteCtx(ctx, "/v1/auth/sessions/"+strings.Trim(string(first["id"]), `"`))
	status(t, "end another session", r, http.StatusNoContent)
	if r.Header().Get("Set-Cookie") != "" {
		t.Error("ending another session takes this cookie away")
	}
	refused(t, "a malformed id", a.DeleteCtx(ctx, "/v1/auth/sessions/NOPE"), social.CodeNotFound)
	status(t, "password", a.PostCtx(ctx, "/v1/auth/password",
		map[string]any{"current_password": password, "new_password": "another harbour"}), http.StatusNoContent)
	r = a.PostCtx(ctx, "/v1/auth/logout")
	status(t, "logout", r, http.StatusNoContent)
	if cookie, err := http.ParseSetCookie(r.Header().Get("Set-Cookie")); err != nil || cookie.Value != "" ||
		cookie.MaxAge != -1 {
		t.Errorf("logout: Set-Cookie %q", r.Header().Get("Set-Cookie"))
	}
}

func TestHTTPEndOfOwnSessionTakesTheCookie(t *testing.T) {
	a := serve(t)
	welcome := a.register(t, "alice")
	r := a.DeleteCtx(a.as(t, welcome), "/v1/auth/sessions/"+welcome.Session.ID.String())
	status(t, "end own session", r, http.StatusNoContent)
	if !strings.Contains(r.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("Set-Cookie %q", r.Header().Get("Set-Cookie"))
	}
}

func TestHTTPTokens(t *testing.T) {
	a := serve(t)
	ctx := a.as(t, a.register(t, "alice"))
	const draft = `{"name":"program","scopes":["read","events"],"expires_at":"2025-03-02T13:00:00.5+01:00"}`
	r := a.PostCtx(ctx, "/v1/tokens", "Idempotency-Key: k1", strings.NewReader(draft))
	status(t, "create", r, http.StatusCreated)
	token := object(t, "token", r.Body.Bytes(), tokenMembers)
	id := strings.Trim(string(token["id"]), `"`)
	if r.Header().Get("Location") != "/v1/tokens/"+id || r.Header().Get("Idempotency-Replayed") != "" ||
		!strings.HasPrefix(string(token["token"]), `"bf_`) ||
		string(token["expires_at"]) != `"2025-03-02T12:00:00.500Z"` || string(token["last_used_at"]) != "null" ||
		string(token["scopes"]) != `["read","events"]` {
		t.Errorf("create: %s, Location %s", r.Body, r.Header().Get("Location"))
	}
	r = a.PostCtx(ctx, "/v1/tokens", "Idempotency-Key: k1", strings.NewReader(draft))
	status(t, "replay", r, http.StatusCreated)
	again := object(t, "replay", r.Body.Bytes(), tokenMembers)
	if string(again["token"]) != "null" || string(again["id"]) != string(token["id"]) ||
		r.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("replay: %s, headers %v", r.Body, r.Header())
	}
	refused(t, "a bad time", a.PostCtx(ctx, "/v1/tokens",
		map[string]any{"name": "x", "scopes": []string{"read"}, "expires_at": "soon"}), social.CodeValidationFailed)
	r = a.GetCtx(ctx, "/v1/tokens")
	status(t, "list", r, http.StatusOK)
	if strings.Count(r.Body.String(), `"id"`) != 1 || strings.Contains(r.Body.String(), "bf_") {
		t.Errorf("list: %s", r.Body)
	}
	for _, in := range []any{strings.NewReader("{}"), nil} {
		var r *httptest.ResponseRecorder
		if in == nil {
			r = a.PostCtx(ctx, "/v1/stream-tickets")
		} else {
			r = a.PostCtx(ctx, "/v1/stream-tickets", in)
		}
		status(t, "ticket", r, http.StatusCreated)
		if ticket := object(t, "ticket", r.Body.Bytes(),
			"ticket expires_in expires_at"); string(ticket["expires_in"]) != "30" {
			t.Errorf("ticket: %s", r.Body)
		}
	}
	status(t, "delete", a.DeleteCtx(ctx, "/v1/tokens/"+id), http.StatusNoContent)
	refused(t, "delete again", a.DeleteCtx(ctx, "/v1/tokens/"+id), social.CodeNotFound)
}

func TestHTTPProfile(t *testing.T) {
	a := serve(t)
	welcome := a.register(t, "alice")
	ctx := a.as(t, welcome)
	r := a.PatchCtx(ctx, "/v1/me", strings.NewReader(
		`{"bio":"hello","email":"a@b.example","bot":true,"current_password":"a harbour at dawn"}`))
	status(t, "patch", r, http.StatusOK)
	me := object(t, "me", r.Body.Bytes(), meMembers)
	if string(me["bio"]) != `"hello"` || string(me["email"]) != `"a@b.example"` || string(me["bot"]) != "true" {
		t.Errorf("patch: %s", r.Body)
	}
	r = a.PatchCtx(ctx, "/v1/me", strings.NewReader(
		`{"email":null,"avatar_media_id":null,"current_password":"a harbour at dawn"}`))
	status(t, "clear", r, http.StatusOK)
	me = object(t, "me", r.Body.Bytes(), meMembers)
	if string(me["bio"]) != `"hello"` || string(me["email"]) != "null" || string(me["bot"]) != "true" {
		t.Errorf("null clears and absent keeps: %s", r.Body)
	}
	for name, body := range map[string]string{"a wrong type": `{"bot":"yes"}`, "an unknown field": `{"is_admin":true}`,
		"a server-owned one": `{"username":"root"}`} {
		status(t, name, a.PatchCtx(ctx, "/v1/me", strings.NewReader(body)), 422)
	}
	refused(t, "an avatar", a.PatchCtx(ctx, "/v1/me",
		strings.NewReader(`{"avatar_media_id":"0198f3a0-1111-7a6e-9b1d-2f4c5e6a7b80"}`)), social.CodeValidationFailed)
	r = a.GetCtx(ctx, "/v1/me")
	status(t, "me", r, http.StatusOK)
	object(t, "me", r.Body.Bytes(), meMembers)
}

// A suspended person may look at the own account and leave, nothing else.
func TestHTTPSuspended(t *testing.T) {
	a := serve(t)
	welcome := a.register(t, "alice")
	if err := a.users.Suspend(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	ctx := a.as(t, welcome)
	for _, r := range []*httptest.ResponseRecorder{
		a.GetCtx(ctx, "/v1/auth/sessions"), a.GetCtx(ctx, "/v1/tokens"),
		a.DeleteCtx(ctx, "/v1/auth/sessions/"+welcome.Session.ID.String()),
		a.DeleteCtx(ctx, "/v1/tokens/"+welcome.Session.ID.String()),
		a.PostCtx(ctx, "/v1/tokens", map[string]any{"name": "x", "scopes": []string{"read"}}),
		a.PostCtx(ctx, "/v1/auth/password", map[string]any{"current_password": password, "new_password": "another harbour"}),
	} {
		refused(t, "suspended", r, social.CodeAccountSuspended)
	}
	status(t, "me", a.GetCtx(ctx, "/v1/me"), http.StatusOK)
	status(t, "logout", a.PostCtx(ctx, "/v1/auth/logout"), http.StatusNoContent)
}

// The host refuses to start when an operation does not say who may call it.
func TestHTTPOperations(t *testing.T) {
	a := serve(t)
	got := map[string]social.Auth{}
	for path, item := range a.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PATCH": item.Patch,
			"PUT": item.Put, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			got[method+" "+path], _ = op.Metadata[social.MetaAuth].(social.Auth)
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) == 0 || len(op.Errors) == 0 {
				t.Errorf("%s %s is not described: %+v", method, path, op)
			}
		}
	}
	want := map[string]social.Auth{
		"POST /v1/auth/register": social.AuthNone, "POST /v1/auth/login": social.AuthNone,
		"POST /v1/auth/token": social.AuthNone, "POST /v1/auth/logout": social.AuthAny,
		"POST /v1/auth/password": social.AuthSession, "GET /v1/auth/sessions": social.AuthSession,
		"DELETE /v1/auth/sessions/{id}": social.AuthSession,
		"GET /v1/tokens":                social.AuthSession, "POST /v1/tokens": social.AuthSession,
		"DELETE /v1/tokens/{id}":  social.AuthSession,
		"POST /v1/stream-tickets": "events", "GET /v1/me": social.AuthMe, "PATCH /v1/me": "write:account",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("operations are %v, want %v", got, want)
	}
}
