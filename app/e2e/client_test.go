package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestClientTabs: in every tab of a browser the package hears each event once and in order, over one connection,
// whatever happens to tabs, server and proxy. SEED repeats a run of acts by chance, ONLY names one journey.
func TestClientTabs(t *testing.T) {
	t.Parallel() // it mostly waits for a browser
	chromium := chromium(t)
	npmInstall(t)
	through := freePort(t)
	s := startSite(t, map[string]string{"server.listen": freePort(t), "server.public_url": "http://" + through})
	alice, bob := s.register("alice"), s.register("bob")
	alice.follow(bob)
	token := func(p *person, scopes ...string) string {
		var made struct{ Token string }
		p.want(201, "POST", "/v1/tokens", map[string]any{"name": "client", "scopes": scopes}, &made)
		return made.Token
	}
	operator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.restart()
		_, _ = io.WriteString(w, s.Admin)
	}))
	defer operator.Close()
	seed := os.Getenv("SEED")
	if seed == "" {
		seed = strconv.FormatInt(time.Now().UnixNano()%1_000_000, 10)
	}
	env := []string{"BELFRY_ADMIN=" + s.Admin, "OPERATOR=" + operator.URL}
	out := nodeWithin(t, 5*time.Minute, env, "client.mjs", s.URL, through,
		token(alice, "read", "events"), "alice", token(bob, "read", "write:posts"), chromium, seed)
	if !strings.HasSuffix(strings.TrimSpace(out), "done") {
		t.Errorf("the journey broke off:\n%s", out)
	}
	t.Log(out)
}

// TestClientElements: bell and toast on a page of another origin, with a strict policy, whatever comes first.
func TestClientElements(t *testing.T) {
	t.Parallel() // it mostly waits for a browser
	chromium := chromium(t)
	npmInstall(t)
	_, port, _ := strings.Cut(freePort(t), ":")
	s := startSite(t, map[string]string{"server.cors_origins": "http://localhost:" + port})
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	var made struct{ ID, Token string }
	alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "client", "scopes": []string{"read", "events"}}, &made)
	operator := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/mention":
			bob.post("Good morning " + r.URL.RawQuery + ", @alice")
		case "/read":
			var list struct{ Items []struct{ ID string } }
			alice.want(200, "GET", "/v1/notifications?limit=1", nil, &list)
			alice.want(200, "PUT", "/v1/notifications/"+list.Items[0].ID+"/read", nil, nil)
		case "/restart":
			s.restart()
		case "/revoke":
			alice.want(204, "DELETE", "/v1/tokens/"+made.ID, nil, nil)
		}
	}))
	defer operator.Close()
	shots := os.Getenv("SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	out := node(t, []string{"OPERATOR=" + operator.URL}, "elements.mjs", s.URL, "127.0.0.1:"+port, made.Token, chromium,
		shots)
	if !strings.HasSuffix(strings.TrimSpace(out), "done") {
		t.Errorf("the journey broke off:\n%s", out)
	}
}

// TestDocsPage: /docs introduces the API, has its groups in reading order, each with its words, and its forms work for
// who signs in there.
func TestDocsPage(t *testing.T) {
	t.Parallel() // it mostly waits for a browser
	chromium := chromium(t)
	npmInstall(t)
	s := startSite(t, nil)
	var doc struct {
		Tags []struct{ Name, Description string }
	}
	s.anonymous().want(200, "GET", "/openapi.json", nil, &doc)
	var groups []string
	for _, g := range doc.Tags {
		groups = append(groups, g.Name)
		if g.Description == "" {
			t.Errorf("the group %s is not described: app/server/introduction.go", g.Name)
		}
	}
	if len(groups) < 8 || groups[0] != "server" || groups[1] != "auth" {
		t.Errorf("the groups are %v", groups)
	}
	shots := os.Getenv("SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	out := node(t, []string{"GROUPS=" + strings.Join(groups, " ")}, "docs.mjs", s.URL, chromium, shots)
	if !strings.HasSuffix(strings.TrimSpace(out), "done") {
		t.Errorf("the journey broke off:\n%s", out)
	}
}
