package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what is generated anew: the types and the built files of app/web")

// built is a folder with what app/web makes of its sources: static and package.
var built struct {
	once sync.Once
	dir  string
}

// webBuilt builds app/web once for all tests.
func webBuilt(t *testing.T) string {
	t.Helper()
	npmInstallIn(t, "../web")
	built.once.Do(func() {
		dir, err := filepath.Abs("../web/node_modules/.built") // beside what git does not see
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		run(t, "../web", "node", "build.mjs", filepath.Join(dir, "static"), filepath.Join(dir, "package"))
		built.dir = dir
	})
	if built.dir == "" {
		t.Fatal("app/web does not build")
	}
	return built.dir
}

// run runs a program in a folder and returns what it printed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, name), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestWebIsBuilt: the committed types are those of the document, and the committed files are what the sources make.
// With -update it writes both.
func TestWebIsBuilt(t *testing.T) {
	npmInstallIn(t, "../web")
	_, document := startSite(t, nil).anonymous().do("GET", "/openapi.json", nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "../web", "node", "node_modules/openapi-typescript/bin/cli.js", filepath.Join(dir, "openapi.json"), "-o",
		filepath.Join(dir, "schema.ts"))
	same(t, filepath.Join(dir, "schema.ts"), "../web/client/src/schema.ts")
	to := webBuilt(t)
	for _, name := range []string{"app.js", "app.css", "belfry.js"} {
		same(t, filepath.Join(to, "static", name), filepath.Join("..", "web", "static", name))
	}
}

// same compares what was made with what is committed.
func same(t *testing.T, made, committed string) {
	t.Helper()
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(committed, want, 0o644); err != nil { //nolint:gosec // as every file of the sources
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(committed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale (%v): make web writes it", committed, err)
	}
}

// TestClientPackage: the package as npm packs it works in Node, with and without an EventSource, and in Deno.
func TestClientPackage(t *testing.T) {
	t.Parallel() // it mostly waits for servers to come back
	npmInstall(t)
	home := installedPackage(t)
	script, err := os.ReadFile("browser/package.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "package.mjs"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	deno, err := filepath.Abs("browser/node_modules/@deno")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, by string
		command  []string
	}{
		{"node", "by fetch", []string{"node"}},
		{"node with EventSource", "by EventSource", []string{"node", "--experimental-eventsource"}},
		{"deno", "by EventSource", []string{"deno", "run", "--quiet", "--no-remote", "--node-modules-dir=manual",
			"--allow-net=127.0.0.1", "--allow-env", "--allow-read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if found, _ := filepath.Glob(deno + "/*/deno"); tt.name == "deno" && len(found) > 0 {
				tt.command[0] = found[0]
			}
			said := packageJourney(t, home, tt.command)
			if !strings.Contains(said, "live "+tt.by) || !strings.HasSuffix(strings.TrimSpace(said), "done") {
				t.Errorf("it said:\n%s", said)
			}
		})
	}
}

// packageJourney runs package.mjs against a site of its own.
func packageJourney(t *testing.T, home string, command []string) string {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	alice.follow(bob)
	var made struct{ ID, Token string }
	alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "client", "scopes": []string{"read", "events"}}, &made)
	operator := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/post":
			text, _ := url.QueryUnescape(r.URL.RawQuery)
			bob.post(text)
		case "/restart":
			s.restart()
		case "/revoke":
			alice.want(204, "DELETE", "/v1/tokens/"+made.ID, nil, nil)
		}
	}))
	defer operator.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	args := append(command[1:len(command):len(command)], "package.mjs", s.URL, made.Token)
	cmd := exec.CommandContext(ctx, need(t, command[0]), args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "OPERATOR="+operator.URL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// installedPackage packs the package and installs what was packed into an empty folder.
func installedPackage(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	var packed []struct {
		Filename string
		Files    []struct{ Path string }
	}
	said := run(t, filepath.Join(webBuilt(t), "package"), "npm", "pack", "--json", "--pack-destination", home)
	if err := json.Unmarshal([]byte(said), &packed); err != nil || len(packed) != 1 {
		t.Fatalf("npm pack: %v\n%s", err, said)
	}
	var names []string
	for _, f := range packed[0].Files {
		names = append(names, f.Path)
	}
	for _, want := range []string{"LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "dist/elements.js",
		"dist/elements.d.ts", "dist/schema.d.ts", "package.json"} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+want+" ") {
			t.Errorf("%s is not packed: %v", want, names)
		}
	}
	run(t, home, "npm", "init", "-y")
	run(t, home, "npm", "install", "--offline", "--no-audit", "--no-fund", "./"+packed[0].Filename)
	found, err := filepath.Glob(filepath.Join(home, "node_modules", "*", "*"))
	if err != nil || len(found) != 1 {
		t.Errorf("the package brings others: %v, %v", found, err)
	}
	return home
}

// TestClientTypes: a program in TypeScript reads events by their type, from the installed package.
func TestClientTypes(t *testing.T) {
	home := installedPackage(t)
	compiler, err := filepath.Abs("../web/node_modules/typescript/bin/tsc")
	if err != nil {
		t.Fatal(err)
	}
	compile := func(body string) string {
		text := "import { connect, type components } from \"@belfry/client\";\nimport \"@belfry/client/elements\";\n" + body
		if err := os.WriteFile(filepath.Join(home, "program.ts"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), need(t, "node"), compiler, "--noEmit", "--strict", "--target", "es2022",
			"--lib", "es2022,dom", "--module", "nodenext", "--moduleResolution", "nodenext", "program.ts")
		cmd.Dir = home
		out, err := cmd.CombinedOutput()
		if (err == nil) != (len(out) == 0) {
			t.Fatalf("tsc: %v\n%s", err, out)
		}
		return string(out)
	}
	const begin = `connect({ onEvent(e) { if (e.type === "notification") {
		const n: components["schemas"]["Notification"] = e.data; n.group.key.trim();`
	const end = ` } } }); document.querySelector("belfry-bell")!.auth = { token: "x" };`
	if said := compile(begin + end); said != "" {
		t.Errorf("it does not compile:\n%s", said)
	}
	for _, wrong := range []string{` n.colour; } } });`, ` } }, types: ["nothing"] });`, ` } }, auth: { token: 7 } });`} {
		if compile(begin+wrong) == "" {
			t.Errorf("it compiles, and must not: %s", wrong)
		}
	}
}

// TestClientParser: the parser gives the same blocks wherever the bytes are cut.
func TestClientParser(t *testing.T) {
	folder := "file://" + filepath.Join(webBuilt(t), "package")
	if out := node(t, nil, "parser.mjs", folder, "1"); !strings.HasSuffix(out, "done\n") {
		t.Error(out)
	}
}
