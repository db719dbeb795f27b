package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCanary (P23): passwords, tokens, tickets, cookies and webhook secrets are in no log line at debug level, no
// metric, no body of an error and no manifest of a backup, whatever is done with them.
func TestCanary(t *testing.T) {
	w := startWorld(t, nil, 2)
	w.stop()
	c := newChild(t, w.Data, "BELFRY_LOG_LEVEL=debug", "BELFRY_CHANNELS_WEBHOOK_ALLOW_HTTP=true")
	c.mustStart()
	const pass = "canary-sings-at-dawn-57"
	secrets := map[string]string{"password": pass, "token": w.People[0].Token, "service token": w.Service}
	var errorBodies bytes.Buffer
	ask := func(who *caller, method, path string, body any, header ...string) (int, []byte) {
		status, out, err := who.ask(method, path, body, header...)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		if status >= 400 {
			errorBodies.Write(out)
		}
		return status, out
	}
	nobody := &caller{base: c.URL, http: http.DefaultClient, token: "x"}
	me, host := newCaller(c.URL, w.People[0].Token), newCaller(c.URL, w.Service)

	// As they are meant.
	if status, out := ask(nobody, "POST", "/v1/auth/register", map[string]any{"username": "canary", "password": pass},
		"Authorization: "); status != 201 {
		t.Fatalf("register: %d %s", status, out)
	}
	resp, err := http.Post(c.URL+"/v1/auth/login", "application/json",
		strings.NewReader(`{"login":"canary","password":"`+pass+`"}`))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("login: %+v, %v", resp, err)
	}
	_ = resp.Body.Close()
	cookie := resp.Cookies()[0]
	secrets["cookie"] = cookie.Value
	var ticket struct{ Ticket string }
	_, out := ask(me, "POST", "/v1/stream-tickets", nil)
	decode(t, out, &ticket)
	secrets["ticket"] = ticket.Ticket
	var token struct{ Token string }
	_, out = ask(me, "POST", "/v1/tokens", map[string]any{"name": "second", "scopes": []string{"read"}})
	_ = json.Unmarshal(out, &token) // a bearer may not make tokens: then there is none
	var endpoint struct{ ID, Secret string }
	_, out = ask(me, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
		"settings": map[string]any{"url": "https://hooks.example/path-canary-31"}})
	decode(t, out, &endpoint)
	secrets["webhook secret"], secrets["webhook address"] = endpoint.Secret, "path-canary-31"
	open, err := http.NewRequest("GET", c.URL+"/v1/events?ticket="+url.QueryEscape(ticket.Ticket), nil)
	if err != nil {
		t.Fatal(err)
	}
	open.Header.Set("Accept", "text/event-stream")
	stream, err := http.DefaultClient.Do(open)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Body.Close()

	// As they are not.
	for _, secret := range []string{pass, w.People[0].Token, w.Service, ticket.Ticket, secrets["cookie"],
		endpoint.Secret} {
		bad := newCaller(c.URL, secret)
		ask(bad, "GET", "/v1/me", nil)
		if status, _ := ask(nobody, "GET", "/v1/events?ticket="+url.QueryEscape(secret), nil, "Accept: text/event-stream",
			"Authorization: "); status != 401 {
			t.Errorf("something that is no ticket any more is answered with %d", status)
		}
		ask(bad, "POST", "/v1/posts", map[string]any{"text": "", "password": secret})
		ask(nobody, "GET", "/v1/me", nil, "Cookie: "+cookie.Name+"="+secret)
		ask(nobody, "POST", "/v1/auth/login", map[string]any{"login": "canary", "password": secret + "x"}, "Authorization: ")
		ask(nobody, "POST", "/v1/auth/register", map[string]any{"username": secret, "password": secret}, "Authorization: ")
		ask(nobody, "POST", "/v1/auth/login", secret, "Authorization: ")
		ask(me, "GET", "/v1/events?after="+url.QueryEscape(secret), nil, "Accept: application/json")
		ask(me, "GET", "/v1/notifications?cursor="+url.QueryEscape(secret), nil)
		_, _, _ = me.ask("GET", "/v1/posts/"+url.PathEscape(secret), nil) // the body names the path that was asked for
		ask(me, "GET", "/v1/events?types="+url.QueryEscape(secret), nil, "Last-Event-ID: "+secret)
		ask(me, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
			"settings": map[string]any{"url": "http://u:" + secret + "@127.0.0.1/"}})
		ask(host, "POST", "/v1/notifications", map[string]any{"receiver": secret, "type": "x", "content": "x"})
		ask(host, "POST", "/v1/posts", map[string]any{"text": "x"}, "Idempotency-Key: "+secret)
	}
	metrics := newCaller(c.Admin, "").must(t, 200, "GET", "/metrics", nil)
	ready := newCaller(c.Admin, "").must(t, 200, "GET", "/readyz", nil)
	kept := t.TempDir()
	mustBelfry(t, "backup", kept, "--data", c.Data)
	manifest, err := os.ReadFile(filepath.Join(kept, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	c.term()
	c.exit(deadline)
	for place, text := range map[string]string{"the log": c.out.String(), "a metric": string(metrics),
		"readyz": string(ready), "an error": errorBodies.String(), "the manifest of a backup": string(manifest)} {
		if len(text) == 0 {
			t.Errorf("%s is empty: nothing was looked at", place)
		}
		for what, secret := range secrets {
			if len(secret) < 8 {
				t.Fatalf("the %s is %q", what, secret)
			}
			for _, form := range []string{secret, url.QueryEscape(secret), strings.TrimPrefix(secret, "whsec_")} {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("the %s is in %s: …%s", what, place, strings.ReplaceAll(text[max(0, at-200):at], secret, "***"))
					break
				}
			}
		}
	}
	if !strings.Contains(c.out.String(), `"level":"debug"`) {
		t.Error("nothing was logged at debug")
	}
}
