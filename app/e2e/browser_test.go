package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBrowser drives the web client in a real Chromium. SHOTS=<folder> keeps the screenshots.
func TestBrowser(t *testing.T) {
	s := journeys(t)
	operator := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mustBelfry(t, "user", "delete", strings.TrimPrefix(r.URL.Path, "/"), "--yes", "--data", s.Data)
	}))
	defer operator.Close()
	journey(t, []string{"BELFRY_ADMIN=" + s.Admin, "OPERATOR=" + operator.URL}, "page.mjs", s.URL, shots(t), chromium(t))
}

// TestBrowserLiving drives it as people who live there do.
func TestBrowserLiving(t *testing.T) {
	s := journeys(t)
	service := strings.TrimSpace(mustBelfry(t, "token", "service", "host", "--data", s.Data))
	journey(t, nil, "living.mjs", s.URL, service, shots(t), chromium(t))
}

// TestBrowserPictures: posts with pictures, and portraits.
func TestBrowserPictures(t *testing.T) {
	s := journeys(t)
	journey(t, nil, "pictures.mjs", s.URL, shots(t), chromium(t))
}

// TestBrowserWriting: nothing written is lost, made twice or overwritten in silence.
func TestBrowserWriting(t *testing.T) {
	s := journeys(t)
	journey(t, nil, "writing.mjs", s.URL, shots(t), chromium(t))
}

// TestBrowserAccess: every screen can be used without a mouse, without good eyes, on a phone.
func TestBrowserAccess(t *testing.T) {
	s := journeys(t)
	journey(t, nil, "access.mjs", s.URL, shots(t), chromium(t))
}

// TestBrowserOvertaken: an answer that is older than an event takes nothing of it back.
func TestBrowserOvertaken(t *testing.T) {
	s := journeys(t)
	journey(t, nil, "overtaken.mjs", s.URL, shots(t), chromium(t))
}

// TestBrowserSlow: on a slow network what is done shows at once and is done once.
func TestBrowserSlow(t *testing.T) {
	s := journeys(t)
	journey(t, nil, "slow.mjs", s.URL, shots(t), chromium(t))
}

// TestBrowserStaying: lists, the inbox and sessions as people meet them who stay.
func TestBrowserStaying(t *testing.T) {
	s := journeys(t)
	journey(t, nil, "staying.mjs", s.URL, shots(t), chromium(t))
}

// journeys is a site for a browser. It runs beside others: all mostly wait.
func journeys(t *testing.T) *site {
	t.Helper()
	t.Parallel()
	chromium(t)
	npmInstall(t)
	return startSite(t, nil)
}

// journey runs a script of the folder browser, whose last line has to be "done".
func journey(t *testing.T, env []string, script string, args ...string) {
	t.Helper()
	if out := node(t, env, append([]string{script}, args...)...); !strings.HasSuffix(strings.TrimSpace(out), "done") {
		t.Errorf("the journey broke off:\n%s", out)
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	return need(t, "chromium", "chromium-browser", "google-chrome")
}

// shots is the folder for screenshots.
func shots(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// TestBrowserOverHTTP drives the web client under a name of the local network, at two sites of one host.
func TestBrowserOverHTTP(t *testing.T) {
	t.Parallel()
	npmInstall(t)
	first, second := freePort(t), freePort(t)
	at := func(address string) string { _, port, _ := strings.Cut(address, ":"); return "http://nas.test:" + port }
	for _, address := range []string{first, second} {
		_, port, _ := strings.Cut(address, ":")
		startSite(t, map[string]string{"server.listen": address, "server.public_url": "http://belfry.test:" + port,
			"server.insecure_http": "true", "server.allowed_hosts": "nas.test", "server.cors_origins": at(second)})
	}
	journey(t, nil, "hosts.mjs", at(first), at(second), chromium(t))
}

// TestStockClients: the browser's EventSource and the npm package hear every post once and in order, byte for byte,
// although their connections are cut twice (H18).
func TestStockClients(t *testing.T) {
	t.Parallel()
	npmInstall(t)
	address := freePort(t)
	_, port, _ := strings.Cut(address, ":")
	s := startSite(t, map[string]string{"server.listen": address, "server.public_url": "http://127.0.0.1:" + port})
	author, reader := s.register("author"), s.register("reader")
	reader.follow(author)
	hostile := []string{"plain", "line\nline", "id: 9\ndata: x\n\nevent: bye", "\u2028\u2029\ufeffbom", "tab\there",
		"\"quotes\" \\ </script>", "emoji 👩‍👩‍👧 ⛵", "CR is not allowed, LF is\n\n"}
	const count = 30
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookie := reader.http.Jar.Cookies(u)[0]

	ctx, cancel := context.WithTimeout(t.Context(), 80*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "node"), "clients.mjs", s.URL, cookie.Name+"="+cookie.Value, chromium(t),
		strconv.Itoa(count))
	cmd.Dir = "browser"
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReaderSize(out, 1<<20)
	if line, err := lines.ReadString(10); err != nil || line != "ready\n" {
		cancel()
		_ = cmd.Wait()
		t.Fatalf("clients did not get ready: %q %v\n%s", line, err, stderr.String())
	}
	var sent []string
	for i := range count {
		text := hostile[i%len(hostile)] + strconv.Itoa(i)
		author.post(text)
		sent = append(sent, text)
	}
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("clients: %v\n%s", err, stderr.String())
		}
		var got struct {
			Client string
			List   []struct{ ID, Text string }
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		var heard []string
		for _, e := range got.List {
			heard = append(heard, e.Text)
		}
		if !slices.Equal(heard, sent) {
			t.Errorf("%s heard %q, want %q", got.Client, heard, sent)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("clients: %v\n%s", err, stderr.String())
	}
}

// need finds a program. Where it is missing, a laptop skips and CI fails.
func need(t *testing.T, names ...string) string {
	t.Helper()
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("none of %v is installed", names)
	}
	t.Skipf("SKIP: none of %v is installed", names)
	return ""
}

var installing sync.Mutex // tests of the browser run beside each other

// npmInstall puts the packages of the folder browser in place, once.
func npmInstall(t *testing.T) {
	t.Helper()
	npmInstallIn(t, "browser")
}

func npmInstallIn(t *testing.T, dir string) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	npm := need(t, "npm")
	need(t, "node")
	// npm writes this file last; a lock file that is younger has other packages.
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err == nil && !done.ModTime().Before(lock.ModTime()) {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
		t.Skipf("SKIP: npm ci: %v", err)
	}
}

// node runs a script of the folder browser and returns what it printed.
func node(t *testing.T, env []string, args ...string) string {
	t.Helper()
	return nodeWithin(t, 8*time.Minute, env, args...) // a busy machine is no fault
}

// nodeWithin is node for a journey that takes longer.
func nodeWithin(t *testing.T, limit time.Duration, env []string, args ...string) string {
	t.Helper()
	scripts, err := filepath.Glob("browser/*.mjs")
	for _, s := range scripts { // so that a result is not taken from before one has changed
		if _, err := os.ReadFile(s); err != nil {
			t.Fatal(err)
		}
	}
	if len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "node"), args...)
	cmd.Dir = "browser"
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}
