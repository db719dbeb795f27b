package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
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

// TestFilesArePacked: by gzip for whoever takes it, and for nobody else; a version that the page names is kept.
func TestFilesArePacked(t *testing.T) {
	app := fiber.New()
	web.Routes(app, social.Site{Name: "Belfry"}, nil)
	get := func(path, encodings string) (*http.Response, []byte) {
		t.Helper()
		r := httptest.NewRequest("GET", path, nil)
		if encodings != "" {
			r.Header.Set("Accept-Encoding", encodings)
		}
		a, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	plain, whole := get("/assets/app.js", "")
	for _, refused := range []string{"br", "gzip;q=0", "identity"} {
		if a, b := get("/assets/app.js", refused); a.Header.Get("Content-Encoding") != "" || !bytes.Equal(b, whole) {
			t.Errorf("Accept-Encoding: %s is answered in %q", refused, a.Header.Get("Content-Encoding"))
		}
	}
	packed, b := get("/assets/app.js", "br, gzip")
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, whole) || len(b) > 40<<10 {
		t.Errorf("%d bytes packed, %v", len(b), err)
	}
	if packed.Header.Get("ETag") == plain.Header.Get("ETag") || packed.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("packed: %v", packed.Header)
	}
	_, page := get("/", "")
	names := regexp.MustCompile(`/assets/app\.js\?v=[0-9a-f]{16}`).FindAllString(string(page), -1)
	if len(names) != 1 {
		t.Fatalf("the page names %v", names)
	}
	const year = "public, max-age=31536000, immutable"
	for path, want := range map[string]string{names[0]: year, "/assets/app.js": "no-cache",
		"/assets/app.js?v=0": "no-cache", "/": "no-cache", "/sw.js": "no-cache"} {
		if a, _ := get(path, ""); a.Header.Get("Cache-Control") != want {
			t.Errorf("%s: %s", path, a.Header.Get("Cache-Control"))
		}
	}
	if a, _ := get("/assets/index.html", ""); a.StatusCode == 200 {
		t.Error("the page is an asset")
	}
}

// TestOneFileForEveryOrigin: pages of every origin may load the elements, and nothing else.
func TestOneFileForEveryOrigin(t *testing.T) {
	app := fiber.New()
	web.Routes(app, social.Site{Name: "Belfry"}, nil)
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
