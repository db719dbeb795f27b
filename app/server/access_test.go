package server_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// TestWhoIsAsking is every kind of caller against every rule an operation may have.
func TestWhoIsAsking(t *testing.T) {
	const (
		no    = "401 unauthenticated"
		bad   = "401 invalid_token"
		scope = "403 insufficient_scope"
		susp  = "403 account_suspended"
		hid   = "404 not_found"
		ok    = "200"
	)
	callers := []struct {
		name          string
		header, value string
	}{
		{"anonymous", "X-Nothing", "1"},
		{"session", "Cookie", "__Host-belfry=good"},
		{"suspended", "Cookie", "__Host-belfry=suspended"},
		{"moderator", "Cookie", "__Host-belfry=moderator"},
		{"reader", "Authorization", "Bearer bf_reader"},
		{"no role", "Authorization", "bearer bf_moderate"},
		{"service", "Authorization", "Bearer bf_service"},
		{"revoked", "Authorization", "Bearer bf_revoked"},
		{"revoked session", "Cookie", "__Host-belfry=old"},
		{"other scheme", "Authorization", "Basic Z29vZDpnb29k"},
		{"empty token", "Authorization", "Bearer"},
	}
	// Columns in the order of the callers.
	for rule, want := range map[string][]string{
		"none":     {ok, ok, ok, ok, ok, ok, ok, ok, ok, ok, ok},
		"optional": {ok, ok, susp, ok, ok, scope, scope, bad, bad, ok, bad},
		"session":  {no, ok, ok, ok, scope, scope, scope, bad, bad, no, bad},
		"me":       {no, ok, ok, ok, ok, scope, scope, bad, bad, no, bad},
		"read":     {no, ok, susp, ok, ok, scope, scope, bad, bad, no, bad},
		"posts":    {no, ok, susp, ok, scope, scope, scope, bad, bad, no, bad},
		"notify":   {no, scope, scope, scope, scope, scope, ok, bad, bad, no, bad},
		"moderate": {no, hid, hid, ok, hid, hid, hid, bad, bad, no, bad},
	} {
		for i, c := range callers {
			for _, method := range []string{"GET", "POST"} {
				t.Run(rule+"/"+c.name+"/"+method, func(t *testing.T) {
					s := newSite(t)
					a := s.do(method, "/v1/who/"+rule, "", c.header, c.value)
					got := fmt.Sprint(a.StatusCode)
					if a.StatusCode != 200 {
						got += " " + string(a.problem(t).Code)
					}
					if got != want[i] {
						t.Errorf("got %s, want %s", got, want[i])
					}
					if challenge := a.Header.Get("WWW-Authenticate"); (a.StatusCode == 401) != (challenge == `Bearer realm="belfry"`) {
						t.Errorf("status %d has WWW-Authenticate %q", a.StatusCode, challenge)
					}
				})
			}
		}
	}
}

func TestCredentialPrecedence(t *testing.T) {
	s := newSite(t)
	// A bad bearer never falls back to a good cookie.
	s.wantProblem(s.do("GET", "/v1/who/read", "", "Authorization", "Bearer bf_bad", "Cookie", "__Host-belfry=good"), 401,
		social.CodeInvalidToken)
	// The cookie of another scheme's name is not looked at.
	s.wantProblem(s.do("GET", "/v1/who/read", "", "Cookie", "belfry=good"), 401, social.CodeUnauthenticated)
	// An operation without auth does not look at credentials at all.
	before := s.auth.calls()
	s.do("GET", "/v1/who/none", "", "Authorization", "Bearer bf_bad")
	if got := s.auth.calls() - before; got != 0 {
		t.Errorf("AuthNone asked %d times who this is", got)
	}
	local := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.PublicURL = "http://127.0.0.1:8080" })
	if a := local.do("GET", "/v1/who/read", "", "Cookie", "belfry_8080=good", "Host",
		"127.0.0.1:8080"); a.StatusCode != 200 {
		t.Errorf("the cookie of a site on http: got %d %s", a.StatusCode, a.body)
	}
}

// H35: a ticket is good for the stream of GET /v1/events and nowhere else, where it is not used up.
func TestTickets(t *testing.T) {
	s := newSite(t)
	stream := []string{"Accept", "text/event-stream"}
	if a := s.do("GET", "/v1/events?ticket=bft_good", "", stream...); a.StatusCode != 200 {
		t.Errorf("a good ticket: got %d %s", a.StatusCode, a.body)
	}
	s.wantProblem(s.do("GET", "/v1/events?ticket=bft_used", "", stream...), 401, social.CodeInvalidTicket)
	s.wantProblem(s.do("GET", "/v1/events?ticket=bft_used", "", append(stream, "Cookie", "__Host-belfry=good")...), 401,
		social.CodeInvalidTicket)
	s.wantProblem(s.do("GET", "/v1/events", ""), 401, social.CodeUnauthenticated)
	before := s.auth.calls()
	s.wantProblem(s.do("GET", "/v1/who/read?ticket=bft_good", ""), 401, social.CodeUnauthenticated)
	s.wantProblem(s.do("POST", "/v1/who/read?ticket=bft_good", ""), 401, social.CodeUnauthenticated)
	for _, accept := range []string{"", "application/json", "*/*"} {
		s.wantProblem(s.do("GET", "/v1/events?ticket=bft_good", "", "Accept", accept, "Cookie", "__Host-belfry=good"), 401,
			social.CodeInvalidTicket)
	}
	if s.auth.calls() != before {
		t.Error("a ticket was looked at away from the stream")
	}
	if a := s.do("HEAD", "/v1/events?ticket=bft_good", "", stream...); a.StatusCode != 200 || a.body != "" {
		t.Errorf("HEAD: got %d %q, want what GET would give, without a body", a.StatusCode, a.body)
	}
	if last := s.auth.asked[len(s.auth.asked)-1]; !last.Peek {
		t.Error("HEAD uses the ticket up")
	}
}

// H36 and section 1.4 of the contract.
func TestCrossSite(t *testing.T) {
	const cookie, token = "cookie", "token"
	for _, tt := range []struct {
		name, method, path, with, site, origin string
		want                                   int
	}{
		{"same origin", "POST", "/v1/who/read", cookie, "same-origin", "https://social.example", 200},
		{"typed by the person", "POST", "/v1/who/read", cookie, "none", "", 200},
		{"cross-site", "POST", "/v1/who/read", cookie, "cross-site", "https://evil.example", 403},
		{"same-site is not same-origin", "POST", "/v1/who/read", cookie, "same-site", "https://evil.social.example", 403},
		{"the browser's word before Origin", "POST", "/v1/who/read", cookie, "cross-site", "https://social.example", 403},
		{"unknown word", "POST", "/v1/who/read", cookie, "surely-fine", "https://social.example", 403},
		{"old browser, own origin", "POST", "/v1/who/read", cookie, "", "https://social.example", 200},
		{"old browser, other origin", "POST", "/v1/who/read", cookie, "", "https://evil.example", 403},
		{"old browser, null", "POST", "/v1/who/read", cookie, "", "null", 403},
		{"old browser, other port", "POST", "/v1/who/read", cookie, "", "https://social.example:444", 403},
		{"old browser, http", "POST", "/v1/who/read", cookie, "", "http://social.example", 403},
		{"old browser, upper case", "POST", "/v1/who/read", cookie, "", "https://SOCIAL.example", 403},
		{"old browser, longer", "POST", "/v1/who/read", cookie, "", "https://social.example.evil", 403},
		{"no browser", "POST", "/v1/who/read", cookie, "", "", 200},
		{"reading", "GET", "/v1/who/read", cookie, "cross-site", "https://evil.example", 200},
		{"reading the head", "HEAD", "/v1/who/read", cookie, "cross-site", "https://evil.example", 200},
		{"token", "POST", "/v1/who/read", token, "cross-site", "https://evil.example", 200},
		{"route without auth", "POST", "/v1/who/none", cookie, "cross-site", "https://evil.example", 403},
		{"events", "GET", "/v1/events", cookie, "cross-site", "https://evil.example", 403},
		{"events, same-site", "GET", "/v1/events", cookie, "same-site", "", 403},
		{"events, own", "GET", "/v1/events", cookie, "same-origin", "", 200},
		{"events, no browser", "GET", "/v1/events", cookie, "", "", 200},
		{"events, head", "HEAD", "/v1/events", cookie, "cross-site", "", 403},
		{"events, old browser", "GET", "/v1/events", cookie, "", "https://evil.example", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			headers := []string{"Sec-Fetch-Site", tt.site, "Origin", tt.origin, "Cookie", "__Host-belfry=good"}
			if tt.with == token {
				headers = append(headers, "Authorization", "Bearer bf_reader")
			}
			a := s.do(tt.method, tt.path, "", headers...)
			if a.StatusCode != tt.want {
				t.Fatalf("got %d %s, want %d", a.StatusCode, a.body, tt.want)
			}
			if tt.want == 403 {
				if tt.method != "HEAD" {
					s.wantProblem(a, 403, social.CodeCrossSite)
				}
				if s.auth.calls() != 0 {
					t.Error("the session was used before the request was refused")
				}
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("CORS headers without an allowed origin")
			}
		})
	}
}

// H37 and CORS.
func TestCORS(t *testing.T) {
	allow := func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.CORSOrigins = []string{"https://good.example", "http://localhost:5173"}
	}
	for _, origin := range []string{"https://good.example", "http://localhost:5173"} {
		s := newSite(t, allow)
		a := s.do("GET", "/v1/who/read", "", "Origin", origin, "Sec-Fetch-Site", "cross-site", "Authorization",
			"Bearer bf_reader")
		h := a.Header
		if a.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != origin || h.Get("Vary") != "Origin" {
			t.Errorf("%s: got %d, %v", origin, a.StatusCode, h)
		}
		if want := "Belfry-Cursor, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, " +
			"X-Request-Id"; h.Get("Access-Control-Expose-Headers") != want {
			t.Errorf("exposed: %q", h.Get("Access-Control-Expose-Headers"))
		}
		// A page has to be able to read why it was refused.
		if refused := s.do("GET", "/v1/who/read", "", "Origin",
			origin); refused.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Error("a refusal cannot be read by the allowed page")
		}
		p := s.do("OPTIONS", "/v1/notes", "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization")
		if p.StatusCode != 204 || p.Header.Get("Access-Control-Allow-Origin") != origin || p.body != "" ||
			!strings.Contains(p.Header.Get("Access-Control-Allow-Methods"), "PATCH") ||
			!strings.Contains(p.Header.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
			t.Errorf("preflight: got %d %v", p.StatusCode, p.Header)
		}
		for _, resp := range []answer{a, p} {
			if resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		}
	}
	for _, origin := range []string{"null", "https://good.example.evil", "https://GOOD.example",
		"https://good.example:444", "http://good.example",
		"https://evil.example", "https://good.example/", "https://good.example, https://evil.example"} {
		s := newSite(t, allow)
		for _, a := range []answer{
			s.do("GET", "/v1/who/none", "", "Origin", origin),
			s.do("OPTIONS", "/v1/notes", "", "Origin", origin, "Access-Control-Request-Method", "POST"),
		} {
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("origin %s got %s: %s", origin, name, a.Header.Get(name))
				}
			}
			if a.StatusCode >= 400 {
				t.Errorf("origin %s: got %d; the browser keeps the answer from the page, the server need not", origin, a.StatusCode)
			}
		}
	}
}

// The stream rule: a browser gives up for good on anything but 200, so trouble of ours is told in a bye.
func TestStoreTroubleOnAStream(t *testing.T) {
	s := newSite(t)
	s.auth.err = fmt.Errorf("users: authenticate: %w", storage.ErrBusy)
	a := s.do("GET", "/v1/events", "", "Cookie", "__Host-belfry=good", "Accept", "text/event-stream")
	form := regexp.MustCompile(`^event: bye\nretry: (\d+)\n` +
		`data: {"reason":"overload","retry_ms":(\d+),"cursor":null}\n\n$`)
	m := form.FindStringSubmatch(a.body)
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" || !a.Close || m == nil ||
		m[1] != m[2] || len(m[1]) < 4 {
		t.Errorf("got %d %v %q", a.StatusCode, a.Header, a.body)
	}
	s.wantProblem(s.do("GET", "/v1/events", "", "Cookie", "__Host-belfry=good"), 503, social.CodeOverloaded)
	s.auth.err = nil
	s.wantProblem(s.do("GET", "/v1/events", "", "Cookie", "__Host-belfry=old", "Accept", "text/event-stream"), 401,
		social.CodeInvalidToken)
}

// A store that is away is no reason to say that a session is not valid.
func TestAuthenticationTrouble(t *testing.T) {
	s := newSite(t)
	s.auth.err = fmt.Errorf("users: authenticate: %w", storage.ErrClosed)
	s.wantProblem(s.do("GET", "/v1/who/read", "", "Cookie", "__Host-belfry=good"), 503, social.CodeUnavailable)
	s.auth.err = errors.New("disk I/O error")
	s.wantProblem(s.do("GET", "/v1/who/read", "", "Cookie", "__Host-belfry=good"), 500, social.CodeInternal)
}

// I14: what a handler keeps of a request does not change when the next request uses the same buffers.
func TestI14StringsOutliveTheRequest(t *testing.T) {
	s := newSite(t)
	for i := range 50 {
		s.do("GET", "/v1/who/read", "", "Authorization", fmt.Sprintf("Bearer bf_number_%02d", i))
	}
	for i, c := range s.auth.asked {
		if want := fmt.Sprintf("bf_number_%02d", i); c.Bearer != want {
			t.Fatalf("credential %d became %q, was %q", i, c.Bearer, want)
		}
	}
}
