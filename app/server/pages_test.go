package server_test

import (
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

// TestProblemPages: the type of every problem leads somewhere (RFC 9457 3.1.1).
func TestProblemPages(t *testing.T) {
	s := newSite(t)
	for _, code := range server.Codes() {
		a := s.do("GET", "/problems/"+string(code), "")
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/html; charset=utf-8" ||
			!strings.Contains(a.body, string(code)) || a.Header.Get("ETag") == "" {
			t.Errorf("%s: got %d %v %s", code, a.StatusCode, a.Header, a.body)
		}
		if strings.Contains(a.body, "<p></p>") {
			t.Errorf("%s: the page does not say what to do", code)
		}
	}
	p := s.wantProblem(s.do("GET", "/v1/who/read", ""), 401, social.CodeUnauthenticated)
	if a := s.do("GET", p.Type, ""); a.StatusCode != 200 {
		t.Errorf("%s: got %d", p.Type, a.StatusCode)
	}
	for _, path := range []string{"/problems/nonsense", "/problems/", "/problems", "/problems/a/b"} {
		s.wantProblem(s.do("GET", path, ""), 404, social.CodeNotFound)
	}
}

// TestBrowserSeesAPage: a person is shown a page, a program the problem; and the API never shows a page.
func TestBrowserSeesAPage(t *testing.T) {
	s := newSite(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, tt := range []struct {
		path, accept, host string
		status             int
		page               bool
	}{
		{"/nowhere", browser, "social.example", 404, true},
		{"/v1", browser, "social.example", 404, true},
		{"/nowhere", "*/*", "social.example", 404, false},
		{"/nowhere", "application/json, text/html;q=0.5", "social.example", 404, false},
		{"/nowhere", "", "social.example", 404, false},
		{"/v1/nowhere", browser, "social.example", 404, false},
		{"/%761/nowhere", browser, "social.example", 404, false},
		{"/", browser, "nas.lan", 400, true},
		{"/v1/me", browser, "nas.lan", 400, false},
	} {
		a := s.do("GET", tt.path, "", "Accept", tt.accept, "Host", tt.host)
		page := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
		if a.StatusCode != tt.status || page != tt.page {
			t.Errorf("%s, Accept %s: got %d %s", tt.path, tt.accept, a.StatusCode, a.Header.Get("Content-Type"))
		}
		if page && (!strings.Contains(a.body, a.Header.Get("X-Request-Id")) || strings.Contains(a.body, tt.path+"<") ||
			a.Header.Get("Content-Security-Policy") == "" || a.Header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: %v %s", tt.path, a.Header, a.body)
		}
	}
}
