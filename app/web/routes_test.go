package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/app/web"
	"github.com/belfry-social/belfry/modules/social"
)

// TestFilesAreRevalidated: a proxy that compresses makes a tag weak, and the file is still known (RFC 9110 13.1.2).
func TestFilesAreRevalidated(t *testing.T) {
	app := fiber.New()
	web.Routes(app, social.Site{Name: "Belfry"}, nil)
	for path, mediaType := range map[string]string{
		"/": "text/html; charset=utf-8", "/@alice": "text/html; charset=utf-8",
		"/assets/main.js": "text/javascript; charset=utf-8", "/favicon.ico": "image/svg+xml",
		"/robots.txt": "text/plain; charset=utf-8",
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
