package server_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	humaapi "github.com/danielgtaylor/huma/v2"
	web "github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

func TestDocumentHasEveryRoute(t *testing.T) {
	s := newSite(t)
	if lines := undocumented(s); len(lines) > 0 {
		t.Fatalf("routes and document differ:\n%s", strings.Join(lines, "\n"))
	}
	s.Fiber().Get("/v1/secret/:id", func(*web.Ctx) error { return nil })
	s.Document().AddOperation(&humaapi.Operation{OperationID: "ghost", Method: "GET", Path: "/v1/ghost",
		Metadata: map[string]any{social.MetaAuth: social.AuthNone}})
	want := []string{"GET /v1/ghost: in the document, not routed", "GET /v1/secret/{id}: routed, not in the document"}
	if got := undocumented(s); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// undocumented compares the routes under /v1 with the document. It returns one line for each route that is not in
// it and each operation that has no route, in order; none when the two agree. HEAD goes with its GET.
func undocumented(s *site) []string {
	routes := map[string]bool{}
	for _, r := range s.Fiber().GetRoutes(true) {
		if strings.HasPrefix(r.Path, "/v1") && r.Method != web.MethodHead {
			routes[r.Method+" "+pathOf(r.Path)] = true
		}
	}
	operations := map[string]bool{}
	for p, item := range s.Document().Paths {
		for _, op := range []*humaapi.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && strings.HasPrefix(p, "/v1") {
				operations[op.Method+" "+p] = true
			}
		}
	}
	var out []string
	for r := range routes {
		if !operations[r] {
			out = append(out, r+": routed, not in the document")
		}
	}
	for o := range operations {
		if !routes[o] {
			out = append(out, o+": in the document, not routed")
		}
	}
	slices.Sort(out)
	return out
}

// pathOf turns Fiber's ":id" into the document's "{id}".
func pathOf(route string) string {
	parts := strings.Split(route, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, ":") {
			parts[i] = "{" + strings.TrimSuffix(p[1:], "?") + "}"
		}
	}
	return strings.Join(parts, "/")
}

func TestOperationWithoutAuthPanics(t *testing.T) {
	s := newSite(t)
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "forgotten") {
			t.Errorf("got %q, want a panic that names the operation", v)
		}
	}()
	s.Register(func(api humaapi.API) {
		humaapi.Register(api, humaapi.Operation{OperationID: "forgotten", Method: "GET", Path: "/v1/forgotten"},
			func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	})
}

// TestOpenAPI: the document is OpenAPI 3.1, complete in itself, and a golden file.
func TestOpenAPI(t *testing.T) {
	s := newSite(t)
	a := s.do("GET", "/openapi.json", "")
	if a.StatusCode != 200 || a.Header.Get("ETag") == "" || !strings.HasPrefix(a.Header.Get("Content-Type"),
		"application/vnd.oai.openapi+json") {
		t.Fatalf("got %d %v", a.StatusCode, a.Header)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi: %v", doc["openapi"])
	}
	walkRefs(t, doc, doc, "")
	if strings.Contains(a.body, "$schema") || strings.Contains(a.body, "octet-stream") {
		t.Error("the document offers $schema or a raw body")
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name, closed := range map[string]bool{"NoteBody": true, "Deep": true, "Instance": false, "Problem": false} {
		if _, said := schemas[name].(map[string]any)["additionalProperties"]; said != closed {
			t.Errorf("schema %s: closed %v, want %v: bodies are strict, answers may grow", name, said, closed)
		}
	}
	golden(t, filepath.Join("testdata", "openapi.json"), []byte(a.body))
}

type thing struct {
	Owner *owner       `json:"owner"`
	Ref   *social.ID   `json:"ref"`
	Kind  *string      `json:"kind" enum:"a,b"`
	At    *social.Time `json:"at"`
	Made  social.Time  `json:"made"`
	Later *owner       `json:"later,omitempty"`
	List  []string     `json:"list" nullable:"true"`
}

type owner struct {
	Name string `json:"name"`
}

// TestAnswersInTheDocument: what may be null in an answer is so in the document, events are told apart by type, and
// every status is declared.
func TestAnswersInTheDocument(t *testing.T) {
	s := newSite(t)
	type answer struct{ Body thing }
	s.Register(func(api humaapi.API) {
		humaapi.Register(api, humaapi.Operation{OperationID: "put-thing", Method: "PUT", Path: "/v1/things/{id}",
			Metadata: map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWritePosts),
				social.MetaEvents: map[string]any{"thing.made": thing{}, "thing_gone": owner{}}}},
			func(context.Context, *struct {
				ID  string `path:"id"`
				Key string `header:"Idempotency-Key"`
			}) (*answer, error) {
				return nil, nil
			})
	})
	var doc struct {
		Paths      map[string]map[string]struct{ Responses map[string]any }
		Components struct {
			Schemas map[string]struct {
				Properties    map[string]json.RawMessage
				OneOf         json.RawMessage
				Discriminator json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(s.do("GET", "/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	schemas := doc.Components.Schemas
	for name, want := range map[string]string{
		"owner": `{"anyOf":[{"$ref":"#/components/schemas/Owner"},{"type":"null"}]}`,
		"ref":   `{"type":["string","null"]}`,
		"kind":  `{"enum":["a","b",null],"type":["string","null"]}`,
		"at":    `{"format":"date-time","type":["string","null"]}`,
		"made":  `{"format":"date-time","type":"string"}`,
		"later": `{"$ref":"#/components/schemas/Owner"}`,
		"list":  `{"items":{"type":"string"},"type":["array","null"]}`,
	} {
		if got := string(schemas["Thing"].Properties[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got, want := string(schemas["Event"].OneOf), `[{"$ref":"#/components/schemas/EventThingMade"},`+
		`{"$ref":"#/components/schemas/EventThingGone"}]`; got != want {
		t.Errorf("Event is one of %s, want %s", got, want)
	}
	if got, want := string(schemas["Event"].Discriminator), `{"mapping":{"thing.made":"#/components/schemas/EventThing`+
		`Made","thing_gone":"#/components/schemas/EventThingGone"},"propertyName":"type"}`; got != want {
		t.Errorf("Event is told apart by %s, want %s", got, want)
	}
	if got, want := string(schemas["EventThingGone"].Properties["type"]),
		`{"enum":["thing_gone"],"type":"string"}`; got != want {
		t.Errorf("its type is %s, want %s", got, want)
	}
	want := strings.Fields("200 400 401 403 404 406 408 409 413 422 429 431 500 503 507 default")
	if got := slices.Sorted(maps.Keys(doc.Paths["/v1/things/{id}"]["put"].Responses)); !slices.Equal(got, want) {
		t.Errorf("it answers %v, want %v", got, want)
	}
}

// walkRefs checks that every $ref leads somewhere.
func walkRefs(t *testing.T, doc map[string]any, v any, at string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			var target any = doc
			for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := target.(map[string]any)
				target = m[part]
			}
			if target == nil {
				t.Errorf("%s: %s leads nowhere", at, ref)
			}
		}
		for k, e := range v {
			walkRefs(t, doc, e, at+"/"+k)
		}
	case []any:
		for _, e := range v {
			walkRefs(t, doc, e, at)
		}
	}
}

func TestInstance(t *testing.T) {
	s := newSite(t)
	a := s.do("GET", "/v1/instance", "")
	if got := a.Header.Get("Cache-Control"); got != "public, max-age=60" {
		t.Errorf("Cache-Control: %q", got)
	}
	golden(t, filepath.Join("testdata", "instance.json"), []byte(a.body))
}

func TestDocsPage(t *testing.T) {
	s := newSite(t)
	page := s.do("GET", "/docs", "")
	policy := page.Header.Get("Content-Security-Policy")
	if page.StatusCode != 200 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(policy, "script-src 'self';") {
		t.Fatalf("got %d %v", page.StatusCode, page.Header)
	}
	for _, foreign := range []string{"https://", "http://", "//cdn", "unpkg", "<style", "onload"} {
		if strings.Contains(page.body, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	_, rest, _ := strings.Cut(page.body, `src="`)
	src, _, _ := strings.Cut(rest, `"`)
	script := s.do("GET", src, "")
	if script.StatusCode != 200 || !strings.HasPrefix(script.Header.Get("Content-Type"), "text/javascript") ||
		len(script.body) < 100_000 {
		t.Errorf("script %s: got %d, %d bytes of %s", src, script.StatusCode, len(script.body),
			script.Header.Get("Content-Type"))
	}
}

// TestDocsPageInBrowser: RapiDoc loads the document under our policy.
func TestDocsPageInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium")
		}
		t.Skip("SKIP: no chromium on this machine")
	}
	s := newSite(t)
	s.clock.Add(0)
	address := s.serve()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=10000", "--enable-logging=stderr", "--log-level=0",
		"--dump-dom", "http://"+address+"/docs")
	var errs strings.Builder
	cmd.Stderr = &errs
	if _, err := cmd.Output(); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "CONSOLE") && (strings.Contains(line, "Refused") || strings.Contains(line, "violates") ||
			strings.Contains(line, "Error")) {
			t.Errorf("the browser says: %s", line)
		}
	}
	for _, asked := range []string{"/docs", "/openapi.json"} {
		if !slices.ContainsFunc(s.logs.All(), func(e logEntry) bool { return e.ContextMap()["route"] == asked }) {
			t.Errorf("the page never asked for %s", asked)
		}
	}
}

// TestAdmin: the operator's listener.
func TestAdmin(t *testing.T) {
	s := newSite(t)
	failing := map[string]error{}
	ready, admin := newAdmin(s, failing)
	ask := func(path, host string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(body)
	}
	step := func(name string, status int, want ...string) {
		t.Helper()
		got, body := ask("/readyz", "127.0.0.1:8081")
		if got != status {
			t.Errorf("%s: got %d, want %d", name, got, status)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: %s is not in %s", name, w, body)
			}
		}
	}
	step("starting", 503, `"status":"starting"`, `{"name":"log","ok":true,"detail":"fine"}`)
	ready.Ready()
	step("ready", 200, `"status":"ready"`)
	failing["channel"] = errBroken
	step("degraded", 200, `"status":"degraded"`, `{"name":"channel","ok":false,"detail":"broken"}`)
	failing["log"] = errBroken
	step("failed", 503, `"status":"degraded"`)
	delete(failing, "log")
	ready.Drain()
	step("draining", 503, `"status":"draining"`)

	s.do("GET", "/v1/notes/7", "")
	if status, body := ask("/metrics", "localhost:8081"); status != 200 ||
		!strings.Contains(body, `belfry_http_requests_total{method="GET",route="/v1/notes/:id",status="2xx"} 1`) ||
		!strings.Contains(body, "go_goroutines") {
		t.Errorf("/metrics: got %d", status)
	}
	for _, path := range []string{"/healthz", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"} {
		if status, _ := ask(path, "127.0.0.1:8081"); status != 200 {
			t.Errorf("%s: got %d", path, status)
		}
	}
	if status, _ := ask("/metrics", "evil.example"); status != 400 {
		t.Errorf("another name: got %d, want 400", status)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		s.wantProblem(s.do("GET", path, ""), 404, social.CodeNotFound)
	}
	if a := s.do("GET", "/healthz", ""); a.body != `{"status":"ok"}` {
		t.Errorf("/healthz: %s", a.body)
	}
}
