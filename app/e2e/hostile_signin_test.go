package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestHostileSignIn(t *testing.T) {
	s := startSite(t, map[string]string{"limits.enabled": "true", "limits.login_address": "14/15m",
		"limits.register": "100/1h"})
	alice := s.register("alice")
	from := func(address string) *person {
		p := s.anonymous()
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		p.http.Transport = &http.Transport{DialContext: from.DialContext}
		return p
	}
	login := func(name, secret string) map[string]any { return map[string]any{"login": name, "password": secret} }

	s.sub(t, "H32 unknown and known names", func(t *testing.T) {
		p := from("127.0.0.7")
		_, known := p.do("POST", "/v1/auth/login", login("alice", "wrong password"))
		_, unknown := p.do("POST", "/v1/auth/login", login("nobody_here", "wrong password"))
		_, never := p.do("POST", "/v1/auth/login", login("no name at all!", "wrong password"))
		if plain(string(known)) != plain(string(unknown)) || plain(string(known)) != plain(string(never)) {
			t.Errorf("who exists can be told:\n%s\n%s\n%s", known, unknown, never)
		}
		p.refused(t, 401, "bad_credentials", "POST", "/v1/auth/login", login("nobody_here", "wrong password"))
	})

	s.sub(t, "H31 guessing", func(t *testing.T) {
		guesser := from("127.0.0.8")
		for range 10 {
			guesser.refused(t, 401, "bad_credentials", "POST", "/v1/auth/login", login("alice", "wrong password"))
		}
		p, resp := guesser.refused(t, 429, "rate_limited", "POST", "/v1/auth/login", login("alice", password))
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 || p.RetryAfter == nil ||
			*p.RetryAfter != seconds {
			t.Errorf("Retry-After %q, in the problem %v", resp.Header.Get("Retry-After"), p.RetryAfter)
		}
		from("127.0.0.9").want(200, "POST", "/v1/auth/login", login("alice", password), nil)
		for i := range 4 { // the address has 14 in all, whoever is meant
			guesser.refused(t, map[bool]int{true: 401, false: 429}[i < 3], map[bool]string{true: "bad_credentials",
				false: "rate_limited"}[i < 3],
				"POST", "/v1/auth/login", login(fmt.Sprint("somebody", i), "wrong password"))
		}
		alice.want(200, "GET", "/v1/me", nil, nil)
	})

	s.sub(t, "H33 long passwords", func(t *testing.T) {
		p := from("127.0.0.10")
		register := func(name, secret string) map[string]any { return map[string]any{"username": name, "password": secret} }
		for _, n := range []int{257, 60_000} {
			if got, _ := p.refused(t, 422, "validation_failed", "POST", "/v1/auth/register", register("longer",
				strings.Repeat("x", n))); !got.field("body", "/password", "too_long") {
				t.Errorf("%d bytes: %+v", n, got.Errors)
			}
			if got, _ := p.refused(t, 422, "validation_failed", "POST", "/v1/auth/login",
				login("alice", strings.Repeat("x", n))); !got.field("body", "/password", "too_long") {
				t.Errorf("%d bytes: %+v", n, got.Errors)
			}
		}
		// A client that sends 1 MiB all the same may meet a closed connection before it reads this.
		resp, body, _ := s.raw(t, "POST /v1/auth/register HTTP/1.1\r\nHost: localhost\r\n"+
			"Content-Type: application/json\r\nContent-Length: 1048576\r\n\r\n")
		if resp.StatusCode != 413 || !strings.Contains(body, `"code":"body_too_large"`) {
			t.Errorf("1 MiB: %d %s", resp.StatusCode, body)
		}
		long := strings.Repeat("correct horse ", 20)[:256]
		p.want(201, "POST", "/v1/auth/register", register("longer", long), nil)
		p.want(200, "POST", "/v1/auth/login", login("longer", long), nil)
		p.refused(t, 401, "bad_credentials", "POST", "/v1/auth/login", login("longer", long[:255]))
		p.refused(t, 401, "bad_credentials", "POST", "/v1/auth/login", login("longer", long[:72]))
		if got, _ := p.refused(t, 422, "validation_failed", "POST", "/v1/auth/register", register("shorter",
			"seven77")); !got.field("body", "/password", "too_short") {
			t.Errorf("7 characters: %+v", got.Errors)
		}
	})
}

func TestHostileOrigin(t *testing.T) {
	s := startSite(t, map[string]string{"server.cors_origins": "https://good.example"})
	alice := s.register("alice")
	s.sub(t, "H36 other sites' pages", func(t *testing.T) {
		draft := map[string]any{"text": "forged"}
		alice.refused(t, 403, "cross_site", "POST", "/v1/posts", draft, "Sec-Fetch-Site: cross-site",
			"Origin: https://evil.example")
		alice.refused(t, 403, "cross_site", "POST", "/v1/posts", draft, "Origin: https://evil.example")
		alice.refused(t, 403, "cross_site", "POST", "/v1/posts", draft, "Origin: null")
		alice.refused(t, 403, "cross_site", "POST", "/v1/posts", draft, "Origin: https://good.example") // CORS is for tokens
		alice.refused(t, 403, "cross_site", "POST", "/v1/auth/login", map[string]any{"login": "alice", "password": password},
			"Sec-Fetch-Site: cross-site")
		_, resp := alice.refused(t, 403, "cross_site", "GET", "/v1/events", nil, "Accept: text/event-stream",
			"Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("the foreign page is given %s", name)
			}
		}
		alice.want(201, "POST", "/v1/posts", map[string]any{"text": "my own page"}, nil, "Sec-Fetch-Site: same-origin",
			"Origin: "+s.URL)
		var list struct{ Items []any }
		if alice.want(200, "GET", "/v1/users/"+alice.ID+"/posts", nil, &list); len(list.Items) != 1 {
			t.Errorf("%d posts, want the one of the own page", len(list.Items))
		}
	})
	s.sub(t, "H37 origins", func(t *testing.T) {
		for origin, allowed := range map[string]bool{"https://good.example": true, "null": false,
			"https://good.example.evil": false, "https://GOOD.example": false, "https://good.example:444": false} {
			for _, resp := range []*http.Response{
				alice.want(200, "GET", "/v1/instance", nil, nil, "Origin: "+origin),
				alice.want(204, "OPTIONS", "/v1/posts", nil, nil, "Origin: "+origin, "Access-Control-Request-Method: POST"),
			} {
				got := resp.Header.Get("Access-Control-Allow-Origin")
				if allowed && got != origin || !allowed && got != "" || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("origin %s is answered %q", origin, got)
				}
			}
		}
	})
}

// H11: connections on which nothing comes, as browsers open them ahead of need, do not hold up the end.
func TestHostileSilence(t *testing.T) {
	s := startSite(t, nil)
	s.register("alice")
	for _, begin := range []string{"", "GET /v1/me HTT"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, begin)
	}
	s.anonymous().want(200, "GET", "/v1/instance", nil, nil) // accepted behind them
	s.stop()
}
