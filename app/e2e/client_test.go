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
	chromium := need(t, "chromium", "chromium-browser", "google-chrome")
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
