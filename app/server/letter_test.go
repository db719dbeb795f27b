package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

// TestPathsAreDecoded: routes and parameters are found in each way to write them (RFC 3986 6.2.2.2).
func TestPathsAreDecoded(t *testing.T) {
	s := newSite(t)
	for path, want := range map[string]string{
		"/v1/notes/%61bc":         "abc",
		"/v1/%6eotes/abc":         "abc",
		"/%76%31/notes/abc":       "abc",
		"/v1/notes/%40alice":      "@alice",
		"/v1/notes/bob%5F":        "bob_",
		"/v1/notes/b%C3%BCcher":   "bücher",
		"/v1/notes/a+b":           "a+b",
		"/v1/notes/a%2Bb%20c":     "a+b c",
		"/v1/notes/a%2Fb":         "a%2Fb", // not two segments
		"/v1/notes/a%252Fb":       "a%252Fb",
		"/v1/notes/%00":           "%00",
		"/v1/notes/%0d%0aX-A:%20": "%0d%0aX-A:%20",
		"/v1/notes/%ff":           "%ff",
		"/v1/notes/%63ount":       "the count", // the route of that name
	} {
		a := s.do("GET", path, "", "Accept", "application/json")
		if a.StatusCode != 200 || !strings.Contains(a.body, fmt.Sprintf("%q", want)) {
			t.Errorf("%s: got %d %s, want %q", path, a.StatusCode, a.body, want)
		}
	}
	if a := s.do("GET", "/%68ealthz", ""); a.StatusCode != 200 {
		t.Errorf("/%%68ealthz: got %d", a.StatusCode)
	}
	p := s.wantProblem(s.do("GET", "/v1/%6eowhere%0a", ""), 404, social.CodeNotFound)
	if p.Instance != "/v1/%6eowhere%0a" {
		t.Errorf("a problem names %q, which is not what was asked for", p.Instance)
	}
	link := s.do("GET", "/v1/%6eotes?cursor=a", "").Header.Get("Link")
	if !strings.HasPrefix(link, "</v1/%6eotes?cursor=NEXT>") {
		t.Errorf("Link: %s", link)
	}
	for _, path := range []string{"/v1/notes%2F7", "/v1/..%2Fnotes/7", "/v1/%2e%2e/notes/7"} {
		s.wantProblem(s.do("GET", path, ""), 404, social.CodeNotFound)
	}
}

// TestExpect: the case of the token is free, and from HTTP/1.0 it counts for nothing (RFC 9110 10.1.1).
func TestExpect(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	for _, expect := range []string{"100-continue", "100-Continue", "100-CONTINUE"} {
		conn, err := dial(address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // below the read timeout
		br := bufio.NewReader(conn)
		fmt.Fprintf(conn, "POST /v1/notes HTTP/1.1\r\n%sContent-Type: application/json\r\nexpect: %s\r\n"+
			"Content-Length: 2\r\n\r\n", hostLine, expect)
		if line, err := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Errorf("%s: got %q %v, want 100", expect, line, err)
		}
		_, _ = br.ReadString('\n')
		_, _ = io.WriteString(conn, "{}")
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: got %v %v", expect, resp, err)
		}
		_ = conn.Close()
	}
	a, _ := raw(t, address, "POST /v1/notes HTTP/1.1\r\n"+hostLine+"Expect: 100-Continue\r\nContent-Length: 65537\r\n\r\n")
	s.wantProblem(a, 413, social.CodeBodyTooLarge)
	a, _ = raw(t, address, "POST /v1/notes HTTP/1.0\r\n"+hostLine+"Content-Type: application/json\r\n"+
		"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
	if a.StatusCode != 200 {
		t.Errorf("HTTP/1.0: got %d, want the answer and no 100", a.StatusCode)
	}
	a, _ = raw(t, address, "POST /v1/notes HTTP/1.1\r\n"+hostLine+"Content-Type: application/json\r\n"+
		"Expect: foo\r\nContent-Length: 2\r\n\r\n{}")
	if a.StatusCode != 200 {
		t.Errorf("an unknown expectation: got %d, want it to count for nothing", a.StatusCode)
	}
}

// TestVersion: what is not HTTP/1 is not answered as if it were, and a minor version is (RFC 9110 2.5).
func TestVersion(t *testing.T) {
	s := newSite(t, quick)
	address := s.serve()
	for version, want := range map[string]int{"1.1": 200, "1.0": 200, "1.2": 200, "2.0": 400, "3.0": 400, "0.9": 400} {
		a, closed := raw(t, address, "GET /healthz HTTP/"+version+"\r\n"+hostLine+"\r\n")
		if a.StatusCode != want || (want == 400 && !closed) {
			t.Errorf("HTTP/%s: got %d, closed %v, want %d", version, a.StatusCode, closed, want)
		}
		if want == 400 {
			s.wantProblem(a, 400, social.CodeBadRequest)
		}
	}
}

// TestConnectionClose: the option is of any case, and one of a list (RFC 9110 7.6.1).
func TestConnectionClose(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	for header, want := range map[string]bool{"": false, "Connection: keep-alive\r\n": false,
		"Connection: close\r\n": true, "Connection: Close\r\n": true, "Connection: te, close\r\n": true,
		"Connection: close, te\r\n":               true,
		"Connection: te\r\nConnection: CLOSE\r\n": true, "Connection: closed\r\n": false} {
		a, closed := raw(t, address, "GET /healthz HTTP/1.1\r\n"+hostLine+header+"\r\n")
		if closed != want || a.Close != want {
			t.Errorf("%q: said %v, closed %v, want %v", header, a.Close, closed, want)
		}
	}
}

// TestRefusalsAreReadable: a page of an allowed origin can read why its request met no route.
func TestRefusalsAreReadable(t *testing.T) {
	s := newSite(t, quick, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.CORSOrigins = []string{"https://good.example"}
	})
	address := s.serve()
	for name, request := range map[string]string{
		"413":         "POST /v1/notes HTTP/1.1\r\n" + hostLine + "%sContent-Length: 65537\r\n\r\n",
		"413 expects": "POST /v1/notes HTTP/1.1\r\n" + hostLine + "%sExpect: 100-continue\r\nContent-Length: 65537\r\n\r\n",
		"431":         "GET / HTTP/1.1\r\n" + hostLine + "X-Long: " + strings.Repeat("a", 20<<10) + "\r\n%s\r\n",
		"431 path":    "GET /" + strings.Repeat("a", 17<<10) + " HTTP/1.1\r\n" + hostLine + "%s\r\n",
		"400 host":    "GET /v1/who/none HTTP/1.1\r\nHost: evil.example\r\n%s\r\n",
		"400 two": "GET /v1/who/none HTTP/1.1\r\n" + hostLine + "Content-Length: 1\r\n" +
			"Transfer-Encoding: chunked\r\n%s\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for origin, want := range map[string]string{"https://good.example": "https://good.example",
				"https://evil.example": "", "null": ""} {
				a, _ := raw(t, address, fmt.Sprintf(request, "Origin: "+origin+"\r\n"))
				if fmt.Sprint(a.StatusCode) != name[:3] || a.Header.Get("Vary") != "Origin" ||
					a.Header.Get("Access-Control-Allow-Origin") != want ||
					(want != "") != (a.Header.Get("Access-Control-Expose-Headers") != "") {
					t.Errorf("%s: got %d %v", origin, a.StatusCode, a.Header)
				}
			}
		})
	}
}

// TestPreflight: EventSource polyfills send Cache-Control; and what is not there is said by the request itself.
func TestPreflight(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.CORSOrigins = []string{"https://good.example"}
	})
	for _, path := range []string{"/v1/events", "/v1/notes", "/v1/nowhere"} {
		a := s.do("OPTIONS", path, "", "Origin", "https://good.example", "Access-Control-Request-Method", "GET",
			"Access-Control-Request-Headers", "cache-control, last-event-id")
		if a.StatusCode != 204 || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Cache-Control") {
			t.Errorf("%s: got %d %v", path, a.StatusCode, a.Header)
		}
	}
}

// TestListsOverLines: several lines of one list header are one list (RFC 9110 5.3).
func TestListsOverLines(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	tag := s.do("GET", "/v1/notes/7", "").Header.Get("ETag")
	for name, tt := range map[string]struct {
		path, headers string
		status        int
	}{
		"Accept":            {"/v1/notes/7", "Accept: text/html\r\nAccept: application/json\r\n", 200},
		"Accept refused":    {"/v1/notes/7", "Accept: application/json;q=0\r\nAccept: */*\r\n", 406},
		"If-None-Match":     {"/v1/notes/7", "If-None-Match: \"x\"\r\nIf-None-Match: W/" + tag + "\r\n", 304},
		"in a list":         {"/v1/notes/7", "If-None-Match: \"x,y\", W/" + tag + "\r\n", 304},
		"If-None-Match, no": {"/v1/notes/7", "If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\n", 200},
		"docs":              {"/docs", "If-None-Match: *\r\n", 304},
		"If-Match":          {"/v1/who/none", "If-Match: \"x\"\r\nIf-Match: \"y\"\r\n", 200}, // for whoever reads it
	} {
		a, _ := raw(t, address, "GET "+tt.path+" HTTP/1.1\r\n"+hostLine+"Connection: close\r\n"+tt.headers+"\r\n")
		if a.StatusCode != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, a.StatusCode, a.body, tt.status)
		}
	}
}

// TestOptionsOfTheServer (RFC 9110 9.3.7).
func TestOptionsOfTheServer(t *testing.T) {
	s := newSite(t)
	a, _ := raw(t, s.serve(), "OPTIONS * HTTP/1.1\r\n"+hostLine+"Connection: close\r\n\r\n")
	if a.StatusCode != 204 || a.Header.Get("Allow") != "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
}

// H8: whoever watches asks for a pod's address, a service's name, or nothing; everybody else for a host of ours.
func TestProbesOfAnyHost(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"address":         {"GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:8080\r\n", 200},
		"service":         {"GET /readyz HTTP/1.1\r\nHost: belfry.default.svc.cluster.local\r\n", 200},
		"underscore":      {"GET /readyz HTTP/1.1\r\nHost: my_belfry_1\r\n", 200},
		"absolute form":   {"GET http://belfry/healthz HTTP/1.1\r\nHost: belfry\r\n", 200},
		"query":           {"GET /healthz?full HTTP/1.1\r\nHost: belfry\r\n", 200},
		"1.0 without":     {"GET /healthz HTTP/1.0\r\n", 200},
		"1.0 empty":       {"GET /readyz HTTP/1.0\r\nHost:\r\n", 200},
		"1.1 without":     {"GET /healthz HTTP/1.1\r\n", 400},
		"two":             {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400},
		"malformed":       {"GET /healthz HTTP/1.1\r\nHost: a@b\r\n", 400},
		"user":            {"GET http://a@belfry/healthz HTTP/1.1\r\nHost: belfry\r\n", 400},
		"another path":    {"GET /v1/instance HTTP/1.1\r\nHost: 10.1.2.3\r\n", 400},
		"below":           {"GET /healthz/x HTTP/1.1\r\nHost: 10.1.2.3\r\n", 400},
		"in a query":      {"GET /v1/instance?/healthz HTTP/1.1\r\nHost: 10.1.2.3\r\n", 400},
		"1.0 other path":  {"GET /v1/instance HTTP/1.0\r\n", 400},
		"dots":            {"GET /v1/../healthz HTTP/1.1\r\nHost: 10.1.2.3\r\n", 400},
		"two slashes":     {"GET //evil.example/healthz HTTP/1.1\r\nHost: 10.1.2.3\r\n", 400},
		"percent-encoded": {"GET /%68ealthz HTTP/1.1\r\nHost: 10.1.2.3\r\n", 200},
	} {
		a, _ := raw(t, address, tt.request+"Connection: close\r\n\r\n")
		if a.StatusCode != tt.status {
			t.Errorf("%s: got %d %s, want %d", name, a.StatusCode, a.body, tt.status)
		}
	}
}

// TestCookiesOfOneName: a cookie from a parent domain or another path may come first; the valid one counts.
func TestCookiesOfOneName(t *testing.T) {
	s := newSite(t)
	for cookies, status := range map[string]int{
		"__Host-belfry=old; __Host-belfry=good":                           200,
		"a=b; __Host-belfry=; __Host-belfry=old; c=d; __Host-belfry=good": 200,
		"__Host-belfry=good; __Host-belfry=moderator":                     200,
		"__Host-belfry=old; __Host-belfry=older":                          401,
		strings.Repeat("__Host-belfry=old; ", 7) + "__Host-belfry=good":   200,
		strings.Repeat("__Host-belfry=old; ", 300) + "__Host-belfry=good": 401, // not for any number
	} {
		before := s.auth.calls()
		if a := s.do("GET", "/v1/who/read", "", "Cookie", cookies); a.StatusCode != status {
			t.Errorf("%.60s: got %d, want %d", cookies, a.StatusCode, status)
		}
		if asked := s.auth.calls() - before; asked > 8 {
			t.Errorf("%.60s: the store was asked %d times", cookies, asked)
		}
	}
	s.wantProblem(s.do("POST", "/v1/who/read", "", "Cookie", "__Host-belfry=; __Host-belfry=good", "Origin",
		"https://evil.example"), 403, social.CodeCrossSite)
	s.auth.err = io.ErrUnexpectedEOF // a store in trouble says nothing of a cookie: it is asked once
	before := s.auth.calls()
	s.wantProblem(s.do("GET", "/v1/who/read", "", "Cookie", "__Host-belfry=good; __Host-belfry=good"), 500,
		social.CodeInternal)
	if asked := s.auth.calls() - before; asked != 1 {
		t.Errorf("the store in trouble was asked %d times", asked)
	}
}

// TestProxyAuthorization: what a proxy wants to know is nothing to us, and does not do away with the check of sites:
// browsers send it by themselves.
func TestProxyAuthorization(t *testing.T) {
	s := newSite(t)
	for _, header := range []string{"Basic Z29vZDpnb29k", "Digest username=x", "Negotiate", "", "Basic"} {
		with := []string{"Authorization", header, "Cookie", "__Host-belfry=good"}
		if a := s.do("POST", "/v1/who/session", "", with...); a.StatusCode != 200 {
			t.Errorf("%q: got %d", header, a.StatusCode)
		}
		s.wantProblem(s.do("POST", "/v1/who/session", "", append(with, "Sec-Fetch-Site", "cross-site")...), 403,
			social.CodeCrossSite)
		s.wantProblem(s.do("POST", "/v1/who/session", "", append(with, "Origin", "https://evil.example")...), 403,
			social.CodeCrossSite)
	}
	if a := s.do("GET", "/v1/events?ticket=bft_good", "", "Authorization", "Basic Z29vZDpnb29k", "Accept",
		"text/event-stream"); a.StatusCode != 200 {
		t.Errorf("a ticket behind a proxy: got %d", a.StatusCode)
	}
}

// TestOwnOriginOverHTTP: over http browsers send Origin and nothing else; the host that was asked for decides.
func TestOwnOriginOverHTTP(t *testing.T) {
	lan := func(cfg *server.Config, _ *server.LimitsConfig) {
		cfg.PublicURL, cfg.InsecureHTTP = "http://belfry.test:21040", true
		cfg.AllowedHosts = []string{"nas.test"}
	}
	for _, tt := range []struct {
		host, origin string
		want         int
	}{
		{"nas.test:21040", "http://nas.test:21040", 200},
		{"NAS.test:21040", "http://nas.test:21040", 200},
		{"nas.test", "http://nas.test", 200},
		{"nas.test:80", "http://nas.test", 200},
		{"belfry.test:21040", "http://belfry.test:21040", 200},
		{"nas.test:21040", "http://belfry.test:21040", 200}, // the public one, as before
		{"localhost:21040", "http://localhost:21040", 200},
		{"nas.test:21040", "http://nas.test:3000", 403},
		{"nas.test:21040", "http://nas.test", 403},
		{"nas.test:21040", "https://nas.test:21040", 403},
		{"nas.test:21040", "http://localhost:21040", 403},
		{"nas.test:21040", "null", 403},
		{"nas.test:21040", "http://evil.example", 403},
		{"nas.test:21040", "http://nas.test:21040.evil.example", 403},
		{"evil.example", "http://evil.example", 400},
	} {
		s := newSite(t, lan)
		a := s.do("POST", "/v1/who/read", "", "Host", tt.host, "Origin", tt.origin, "Cookie", "belfry_21040=good")
		if a.StatusCode != tt.want {
			t.Errorf("%s at %s: got %d %s, want %d", tt.origin, tt.host, a.StatusCode, a.body, tt.want)
		}
	}
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.AllowedHosts = []string{"nas.test"} })
	for _, origin := range []string{"http://nas.test", "https://nas.test"} { // a site on https is told by Sec-Fetch-Site
		s.wantProblem(s.do("POST", "/v1/who/read", "", "Host", "nas.test", "Origin", origin, "Cookie", "__Host-belfry=good"),
			403, social.CodeCrossSite)
	}
}

// TestIdempotencyKeyForm: a key that says nothing is refused, and only where a key is read.
func TestIdempotencyKeyForm(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	for key, status := range map[string]int{"Idempotency-Key: k\r\n": 200, "Idempotency-Key:\r\n": 422,
		"idempotency-key: \t\r\n":  422,
		"Idempotency-Key: a b\r\n": 422, "Idempotency-Key: \u00fc\r\n": 422, "": 200,
		"Idempotency-Key: " + strings.Repeat("k", 256) + "\r\n": 422} {
		a, _ := raw(t, address, "POST /v1/notes HTTP/1.1\r\n"+hostLine+"Content-Type: application/json\r\n"+key+
			"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
		if a.StatusCode != status {
			t.Errorf("%q: got %d, want %d", key, a.StatusCode, status)
		}
		if status == 422 {
			p := s.wantProblem(a, 422, social.CodeValidationFailed)
			if len(p.Errors) != 1 || p.Errors[0].In != "header" || !strings.EqualFold(p.Errors[0].Pointer, "/Idempotency-Key") {
				t.Errorf("%q: %+v", key, p.Errors)
			}
		}
	}
	if a := s.do("GET", "/v1/notes/7", "", "Idempotency-Key", "a b"); a.StatusCode != 200 {
		t.Errorf("a route without keys: got %d", a.StatusCode)
	}
}
