package e2e_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// productFiles gives the text of each file of the program that ends so, tests, kits and the load tool left out.
func productFiles(t *testing.T, end string, see func(path string, text []byte)) {
	t.Helper()
	seen := 0
	for _, top := range []string{"app", "modules", "plugins", "storage"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "bench" || d.Name() == "e2e" || d.Name() == "testdata" || d.Name() == "node_modules"):
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, end) || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			seen++
			see(path, text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Fatalf("there is no %s", end)
	}
}

// TestDangerousImports: the program runs no other program, knows no weak hash or cipher, no XML, no gob, no templates
// and no unsafe memory.
func TestDangerousImports(t *testing.T) {
	refused := regexp.MustCompile(`^(os/exec|plugin|unsafe|C|crypto/(md5|sha1|des|rc4|dsa)|encoding/(xml|gob)|` +
		`(text|html)/template)$`)
	productFiles(t, ".go", func(path string, text []byte) {
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if name := strings.Trim(i.Path.Value, `"`); refused.MatchString(name) {
				t.Errorf("%s imports %s", path, name)
			}
		}
	})
}

// TestPageCode: the page's own code makes no markup or code of text, sends other windows nothing, and keeps on the
// device only what it says: drafts, choices of the reader, when a tab was last looked at, and one entry that goes with
// the session.
func TestPageCode(t *testing.T) {
	refused := regexp.MustCompile(`\b(innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|` +
		`eval|Function|srcdoc|sessionStorage|indexedDB|(window|parent|opener|top)\.postMessage)\b|` +
		`addEventListener\("message"|` +
		`set(Timeout|Interval)\(["'` + "`]")
	kept := regexp.MustCompile(`localStorage\.setItem\(([^,]+),`)
	stores := regexp.MustCompile(`from "idb-keyval"`)
	fields, passwords := regexp.MustCompile(`<input[^>]*type="password"[^>]*>|type=\{shown \?[^}]*\}[^>]*>`), 0
	see := func(path string, text []byte) {
		if hit := refused.Find(text); hit != nil {
			t.Errorf("%s has %s", path, hit)
		}
		for _, m := range kept.FindAllSubmatch(text, -1) {
			name := filepath.Base(path) + " " + string(m[1])
			if !slices.Contains([]string{"drafts.ts where", "theme.ts KEY", "bell.ts KEY",
				"bell.ts LOOKED"}, name) {
				t.Errorf("%s keeps %s", path, m[1])
			}
		}
		if stores.Match(text) && filepath.Base(path) != "local.ts" {
			t.Errorf("%s has a store of its own", path)
		}
		for _, field := range fields.FindAllString(string(text), -1) {
			if passwords++; !strings.Contains(field, "autocomplete=") || strings.Contains(field, "onPaste") {
				t.Errorf("%s: a field %s", path, field)
			}
		}
	}
	productFiles(t, ".ts", see)
	productFiles(t, ".tsx", see)
	if passwords < 4 {
		t.Errorf("%d fields for passwords were found", passwords)
	}
	built := regexp.MustCompile(`\b(eval|new Function)\(|document\.write\(`)
	productFiles(t, ".js", func(path string, text []byte) {
		if hit := built.Find(text); hit != nil && !strings.Contains(path, "assets/rapidoc") { // which has a policy of its own
			t.Errorf("%s has %s", path, hit)
		}
	})
}

// TestBrowserHeaders: whatever is asked for, browsers are told what it is, not to guess, not to frame it, and where
// not to tell of it; and what is not for the public is not there.
func TestBrowserHeaders(t *testing.T) {
	s := startSite(t, nil)
	alice := s.register("alice")
	kinds := regexp.MustCompile(`^(text/|application/(problem\+|vnd\.oai\.openapi\+)?json|image/)`)
	anyScript := regexp.MustCompile(`script-src[^;]*('unsafe|\*)`)
	for path, status := range map[string]int{"/": 200, "/@alice": 200, "/assets/app.js": 200, "/assets/app.css": 200,
		"/docs": 200, "/openapi.json": 200, "/robots.txt": 200, "/problems/not_found": 200, "/v1/me": 200, "/v1/home": 404,
		"/v1/users/by-name/alice": 200, "/v1/posts/0": 404, "/healthz": 200, "/assets/": 404, "/assets": 404,
		"/.git/config": 404, "/.svn/entries": 404, "/metrics": 404, "/debug/pprof/": 404, "/nothing": 404} {
		resp, body := alice.do("GET", path, nil)
		h := resp.Header
		if resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, status)
		}
		kind, policy := h.Get("Content-Type"), h.Get("Content-Security-Policy")
		if strings.HasPrefix(kind, "text/") && !strings.HasSuffix(kind, "; charset=utf-8") ||
			len(body) > 0 && !kinds.MatchString(kind) {
			t.Errorf("%s is called %q", path, kind)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" ||
			!strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") ||
			strings.HasPrefix(kind, "text/html") && !strings.Contains(policy, "base-uri 'none'") ||
			strings.HasPrefix(kind, "text/html") && anyScript.MatchString(policy) {
			t.Errorf("%s has the headers %v", path, h)
		}
		if strings.HasPrefix(path, "/v1/") && !strings.Contains(h.Get("Cache-Control"), "no-store") &&
			!strings.Contains(h.Get("Cache-Control"), "no-cache") {
			t.Errorf("%s may be kept: %q", path, h.Get("Cache-Control"))
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "TRACK"} {
		resp, _, _ := s.raw(t, method+" / HTTP/1.1\r\nHost: localhost\r\nX-Secret: echo\r\nConnection: close\r\n\r\n")
		if resp.StatusCode < 400 {
			t.Errorf("%s is answered %d", method, resp.StatusCode)
		}
	}
}
