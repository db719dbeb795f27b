package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

// TestEveryRouteHasABudget, those included that nobody registered and those whose answer is a refusal; and a stream is
// told to come back, whatever it was refused for.
func TestEveryRouteHasABudget(t *testing.T) {
	least := server.Rate{Count: 60, Per: time.Minute}
	s := newSite(t, func(cfg *server.Config, l *server.LimitsConfig) {
		cfg.TrustedProxies = []string{"0.0.0.0"} // the peer of an in-process request
		l.Read, l.Write, l.Streams, l.Pages = least, least, least, least
	})
	paths := map[string]bool{"GET /nothing/here": true, "POST /nothing": true, "OPTIONS *": true,
		"OPTIONS /v1/notes": true, "DELETE /docs": true, "GET /v1/events?posts=nonsense": true, "POST /v1/who/session": true}
	for _, r := range s.Fiber().GetRoutes(true) {
		paths[r.Method+" "+regexp.MustCompile(`:[a-z_]+`).ReplaceAllString(r.Path, "x")] = true
	}
	if len(paths) < 40 {
		t.Fatalf("only %d routes", len(paths))
	}
	from := 0
	for path := range paths {
		method, target, _ := strings.Cut(path, " ")
		if method == "CONNECT" || method == "TRACE" {
			continue
		}
		for _, with := range [][]string{{"Accept", "application/json"}, {"Accept", "text/event-stream"},
			{"Cookie", "__Host-belfry=good", "Sec-Fetch-Site", "cross-site"}} {
			from++
			address := fmt.Sprintf("192.0.%d.%d", 2+from/250, from%250)
			last := 0
			for range 61 {
				a := s.do(method, target, "", append(with, "X-Forwarded-For", address)...)
				last = a.StatusCode
				if strings.Contains(a.body, "event: bye") {
					last = 429
				}
			}
			if last != 429 {
				// A signed-in person has one budget under all addresses, and it is used up by the first of these routes.
				t.Errorf("%s %s: request 61 in a moment is answered %d", path, with, last)
			}
		}
	}
	a := s.do("GET", "/v1/events", "", "Accept", "text/event-stream", "X-Forwarded-For", "203.0.113.5")
	if a.StatusCode != 401 {
		t.Errorf("the first is answered %d", a.StatusCode)
	}
}

// TestProbesHaveABudgetOfTheirOwn: whoever floods unknown paths from behind the address of the probe does not end the
// process.
func TestProbesHaveABudgetOfTheirOwn(t *testing.T) {
	s := newSite(t)
	for range 1200 {
		s.do("GET", "/nothing", "")
	}
	s.wantProblem(s.do("GET", "/nothing", ""), 429, social.CodeRateLimited)
	if a := s.do("GET", "/healthz", ""); a.StatusCode != 200 {
		t.Errorf("got %d", a.StatusCode)
	}
	s.clock.Add(time.Second)
	s.wantProblem(s.do("GET", "/nothing", ""), 404, social.CodeNotFound)
}

// TestSecretsInRequestsAreMasked in the log: in paths that are not there, in request ids, and in causes.
func TestSecretsInRequestsAreMasked(t *testing.T) {
	s := newSite(t)
	tail := strings.Repeat("aB3_-", 9)[:43]
	for _, secret := range []string{"bf_" + tail, "bft_" + tail, "bfi_" + tail, tail, "whsec_" + tail + "="} {
		s.do("GET", "/nothing/"+secret+"/x", "")
		s.do("GET", "/v1/events/"+secret, "")
		s.do("GET", "/"+strings.Repeat("long/", 20)+secret+"%2F"+secret, "")
		s.do("GET", "/healthz?ticket="+secret, "", "X-Request-Id", strings.TrimSuffix(secret, "="))
		s.err = fmt.Errorf("cannot do %s", secret)
		s.do("GET", "/v1/fail", "")
	}
	s.do("GET", "/v1/nothing/0197a2b0-7553-7185-8f34-66dafc5fe793", "")
	text := ""
	for _, l := range s.logs.All() {
		text += fmt.Sprintln(l.Message, l.ContextMap())
	}
	if strings.Contains(text, tail[:20]) || !strings.Contains(text, "/nothing/***/x") {
		t.Errorf("a secret is in the log, or nothing of the path:\n%s", text)
	}
	if !strings.Contains(text, "0197a2b0-7553-7185-8f34-66dafc5fe793") {
		t.Error("an id is masked, too")
	}
}

// TestTransportSecurity is asked for where people come by https, on every kind of answer, and nowhere else.
func TestTransportSecurity(t *testing.T) {
	for public, want := range map[string]string{"https://social.example": "max-age=31536000", "http://localhost": ""} {
		s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.PublicURL = public })
		for _, path := range []string{"/docs", "/v1/notes", "/nothing"} {
			if got := s.do("GET", path, "", "Host", strings.SplitN(public, "//", 2)[1]).Header.Get(
				"Strict-Transport-Security"); got != want {
				t.Errorf("%s%s: %q, want %q", public, path, got, want)
			}
		}
		if got := s.do("GET", "/docs", "", "Host", "elsewhere.example"); got.StatusCode != 400 ||
			got.Header.Get("Strict-Transport-Security") != want {
			t.Errorf("%s, refused: %d %v", public, got.StatusCode, got.Header)
		}
	}
}

// TestAdminRefusesOtherSites: pages of other sites, of the public listener's too, have no browser ask for a profile.
func TestAdminRefusesOtherSites(t *testing.T) {
	admin := server.NewAdmin(server.DefaultAdminConfig(), server.NewReadiness(), server.NewRegistry()).Handler()
	for _, tt := range []struct {
		header, value string
		want          int
	}{
		{"X-None", "", 200}, {"Sec-Fetch-Site", "none", 200}, {"Sec-Fetch-Site", "same-origin", 200},
		{"Origin", "http://127.0.0.1:8081", 200},
		{"Sec-Fetch-Site", "cross-site", 403}, {"Sec-Fetch-Site", "same-site", 403}, {"Sec-Fetch-Site", "what", 403},
		{"Origin", "https://evil.example", 403}, {"Origin", "null", 403}, {"Origin", "http://127.0.0.1:8080", 403},
	} {
		for _, path := range []string{"/healthz", "/metrics", "/debug/pprof/cmdline"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = "127.0.0.1:8081"
			r.Header.Set(tt.header, tt.value)
			w := httptest.NewRecorder()
			admin.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("%s with %s: %s is answered %d, want %d", path, tt.header, tt.value, w.Code, tt.want)
			}
		}
	}
}
