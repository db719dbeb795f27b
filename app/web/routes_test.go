package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/app/web"
)

// TestFilesAreRevalidated: a proxy that compresses makes a tag weak, and the file is still known (RFC 9110 13.1.2).
func TestFilesAreRevalidated(t *testing.T) {
	app := fiber.New()
	web.Routes(app)
	for path, mediaType := range map[string]string{
		"/": "text/html; charset=utf-8", "/@alice": "text/html; charset=utf-8",
		"/assets/app.js": "text/javascript; charset=utf-8", "/favicon.ico": "image/svg+xml",
		"/robots.txt": "text/plain; charset=utf-8", "/belfry.js": "text/javascript; charset=utf-8",
	} {
		first, err := app.Test(httptest.NewRequest("GET", path, nil))
		if err != nil {
			t.Fatal(err)
		}
		tag := first.Header.Get("ETag")
		if first.StatusCode != 200 || first.Header.Get("Content-Type") != mediaType || !strings.HasPrefix(tag, `"`) {
			t.Fatalf("%s: got %d %v", path, first.StatusCode, first.Header)
		}
		for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"x", W/` + tag: 304, "*": 304, `"x"`: 200,
			"": 200} {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("If-None-Match", header)
			a, err := app.Test(r)
			if err != nil || a.StatusCode != status || (status == 304 && a.Header.Get("ETag") != tag) {
				t.Errorf("%s, If-None-Match %s: got %v %v, want %d", path, header, a, err, status)
			}
		}
	}
}

// TestOneFileForEveryOrigin: pages of every origin may load the elements, and nothing else.
func TestOneFileForEveryOrigin(t *testing.T) {
	app := fiber.New()
	web.Routes(app)
	for path, want := range map[string][2]string{"/belfry.js": {"*", "cross-origin"}, "/assets/app.js": {}, "/": {},
		"/assets/belfry.js": {}} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Origin", "https://elsewhere.example")
		a, err := app.Test(r)
		if err != nil || a.StatusCode != 200 {
			t.Fatalf("%s: %v %v", path, a, err)
		}
		got := [2]string{a.Header.Get("Access-Control-Allow-Origin"), a.Header.Get("Cross-Origin-Resource-Policy")}
		if got != want || a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: got %v, want %q", path, a.Header, want)
		}
	}
}
