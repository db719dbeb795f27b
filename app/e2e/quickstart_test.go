package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestQuickstart: the pages of docs/quickstart-web.md work as they stand there, from another origin. They sign in, list
// and stream, come back after a restart with what they have missed, and ask for the password when the token has ended.
func TestQuickstart(t *testing.T) {
	t.Parallel() // with the other tests of the browser
	chromium := chromium(t)
	npmInstall(t)
	text, err := os.ReadFile("../../docs/quickstart-web.md")
	if err != nil {
		t.Fatal(err)
	}
	printed := regexp.MustCompile("(?s)```html\n(.*?)```").FindAllSubmatch(text, -1)
	if len(printed) != 2 || bytes.Count(printed[0][1], []byte("\n")) > 20 {
		t.Fatalf("%d pages, the first of at most twenty lines", len(printed))
	}
	var at string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := printed[0][1]
		if r.URL.Path == "/list.html" {
			page = printed[1][1]
		}
		_, _ = w.Write(bytes.ReplaceAll(page, []byte("http://127.0.0.1:8080"), []byte(at)))
	}))
	defer elsewhere.Close()
	origin := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) // another site, not only another port
	s := startSite(t, map[string]string{"server.cors_origins": origin})
	at = s.URL
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)

	lines, wait := startNode(t, "quickstart.mjs", origin, "alice", password, chromium)
	expect := func(want string) {
		t.Helper()
		if line, err := lines.ReadString('\n'); line != want+"\n" {
			t.Fatalf("the page says %q, %v; want %q", line, err, want)
		}
	}
	expect("bell 1")
	bob.post("Good morning, @alice")
	expect("toast mentioned you in a post")
	expect("bell 2")
	expect("list mentioned you in a post, followed you")

	post := alice.post("First light")
	s.restart()
	bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil) // the pages are not back yet: bye asks for a second
	expect("toast liked your post")
	expect("bell 3")
	expect("list liked your post, mentioned you in a post, followed you")
	var list struct{ Items []struct{ ID string } }
	alice.want(200, "GET", "/v1/notifications?limit=1", nil, &list)
	alice.want(200, "PUT", "/v1/notifications/"+list.Items[0].ID+"/read", nil, nil)
	expect("bell 2")
	bob.want(200, "DELETE", "/v1/posts/"+post+"/like", nil, nil)
	expect("list mentioned you in a post, followed you")

	var tokens struct{ Items []struct{ ID string } }
	alice.want(200, "GET", "/v1/tokens", nil, &tokens)
	alice.want(204, "DELETE", "/v1/tokens/"+tokens.Items[0].ID, nil, nil)
	expect("signed out")
	if text := wait(); text != "" {
		t.Errorf("the browser: %s", text)
	}
}

// TestReadmePage: the lines of the README for a page of the site's own, in one.
func TestReadmePage(t *testing.T) {
	t.Parallel()
	chromium := chromium(t)
	npmInstall(t)
	blocks, _ := readPage(t, "README.md")
	at := slices.IndexFunc(blocks, func(b fenced) bool { return b.kind == "js" })
	if at < 0 {
		t.Fatal("there are no such lines")
	}
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	cookie := bob.http.Jar.Cookies(u)[0]
	lines, wait := startNode(t, "snippet.mjs", s.URL, cookie.Name+"="+cookie.Value, blocks[at].text, chromium)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the page says %q, %v", line, err)
	}
	alice.post("Hello, @bob")
	if line, err := lines.ReadString('\n'); line != "alice mentioned you in a post\n" {
		t.Errorf("the page says %q, %v", line, err)
	}
	if text := wait(); text != "" {
		t.Errorf("the browser: %s", text)
	}
}

// startNode starts a script of the folder browser and gives what it prints. wait waits for its end and tells what was
// wrong.
func startNode(t *testing.T, args ...string) (lines *bufio.Reader, wait func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*deadline)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, need(t, "node"), args...)
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
	return bufio.NewReader(out), func() string {
		if err := cmd.Wait(); err != nil {
			return err.Error() + "\n" + stderr.String()
		}
		return ""
	}
}

// TestLoginTokenRoad: the road of native programs, its answer, and that it sets no cookie.
func TestLoginTokenRoad(t *testing.T) {
	s := startSite(t, map[string]string{"limits.enabled": "true"})
	alice := s.register("alice")
	ask := map[string]any{"login": "alice", "password": password, "name": "terminal", "scopes": []string{"read"},
		"expires_at": time.Now().Add(time.Hour).Format(time.RFC3339)}
	nobody := s.anonymous()
	var made struct{ ID, Token string }
	resp := nobody.want(201, "POST", "/v1/auth/token", ask, &made, "Origin: https://elsewhere.example",
		"Sec-Fetch-Site: cross-site")
	if len(resp.Cookies()) > 0 || resp.Header.Get("Location") != "/v1/tokens/"+made.ID {
		t.Errorf("the answer has the headers %v", resp.Header)
	}
	bearer := "Authorization: Bearer " + made.Token
	nobody.want(200, "GET", "/v1/me", nil, nil, bearer)
	nobody.want(403, "POST", "/v1/posts", map[string]any{"text": "hello"}, nil, bearer)
	nobody.want(204, "POST", "/v1/auth/logout", nil, nil, bearer)
	nobody.want(401, "GET", "/v1/me", nil, nil, bearer)
	alice.want(200, "GET", "/v1/me", nil, nil)

	// Ten attempts for an account, whichever way: the eleventh is refused, on both roads.
	ask["password"] = "not " + password
	for range 9 {
		nobody.want(401, "POST", "/v1/auth/token", ask, nil)
	}
	nobody.want(429, "POST", "/v1/auth/token", ask, nil)
	nobody.want(429, "POST", "/v1/auth/login", map[string]any{"login": "alice", "password": password}, nil)
}
