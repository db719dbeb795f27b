package e2e_test

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// What could act for an account, or read what it is told, ends when an operator gives the account back to its owner.
func TestRecovery(t *testing.T) {
	for name, command := range map[string]func(s *site){
		"reset-password": func(s *site) {
			s.command("user reset-password", map[string]any{"username": "alice", "password": password + "!"}, nil)
		},
		"sign-out": func(s *site) { s.command("user sign-out", map[string]any{"username": "alice"}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			hook := httptest.NewServer(nil)
			defer hook.Close()
			s := startSite(t, map[string]string{"channels.webhook.allow_http": "true", "channels.webhook.allow_private": "true"})
			alice, bob := s.register("alice"), s.register("bob")
			endpoint, _ := alice.endpoint(hook.URL)
			bob.endpoint(hook.URL)
			var token struct{ Token string }
			alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "t", "scopes": []string{"read", "events"}}, &token)
			bearer := "Authorization: Bearer " + token.Token
			bySession, _ := alice.stream("")
			byToken, _ := s.anonymous().stream("", bearer)
			command(s)
			for _, c := range []*stream{bySession, byToken} {
				if b := c.await("bye"); b.Data == "" {
					t.Errorf("%+v", b)
				}
			}
			alice.refused(t, 401, "invalid_token", "GET", "/v1/me", nil)
			s.anonymous().refused(t, 401, "invalid_token", "GET", "/v1/me", nil, bearer)
			if name == "reset-password" {
				s.anonymous().refused(t, 401, "bad_credentials", "POST", "/v1/auth/login",
					map[string]any{"login": "alice", "password": password})
				return
			}
			again := s.login("alice")
			var e struct {
				State  string
				Reason string `json:"disabled_reason"`
			}
			again.want(200, "GET", "/v1/me/endpoints/"+endpoint, nil, &e)
			if e.State != "disabled" || e.Reason != "admin" {
				t.Errorf("the endpoint is %+v", e)
			}
			again.want(200, "PATCH", "/v1/me/endpoints/"+endpoint, map[string]any{"enabled": true}, &e)
			if e.State != "active" {
				t.Errorf("switched on again it is %+v", e)
			}
			var list struct{ Items []struct{ State string } }
			bob.want(200, "GET", "/v1/me/endpoints", nil, &list)
			if len(list.Items) != 1 || list.Items[0].State != "active" {
				t.Errorf("bob's endpoints are %+v", list)
			}
		})
	}
}

// A browser has one session: signing in or registering again ends the one before, whosesoever it was.
func TestOneSessionOfABrowser(t *testing.T) {
	s := startSite(t, nil)
	alice := s.register("alice")
	elsewhere := s.login("alice")
	s.register("bob")
	old := alice.http.Jar.Cookies(mustURL(t, s.URL))
	c, _ := alice.stream("")
	alice.want(200, "POST", "/v1/auth/login", map[string]any{"login": "bob", "password": password}, nil)
	c.await("bye")
	was := s.anonymous()
	was.http.Jar.SetCookies(mustURL(t, s.URL), old)
	was.refused(t, 401, "invalid_token", "GET", "/v1/me", nil)
	elsewhere.want(200, "GET", "/v1/me", nil, nil)
	bobs := alice.http.Jar.Cookies(mustURL(t, s.URL))
	alice.want(201, "POST", "/v1/auth/register", map[string]any{"username": "carol", "password": password}, nil)
	was.http.Jar.SetCookies(mustURL(t, s.URL), bobs)
	was.refused(t, 401, "invalid_token", "GET", "/v1/me", nil)
	alice.want(200, "GET", "/v1/me", nil, nil)
}

// Whoever signs out leaves nothing of their answers in the browser.
func TestLogOutClearsTheBrowser(t *testing.T) {
	s := startSite(t, nil)
	for name, leave := range map[string]func(p *person) string{
		"log-out": func(p *person) string {
			return p.want(204, "POST", "/v1/auth/logout", nil, nil).Header.Get("Clear-Site-Data")
		},
		"the own session": func(p *person) string {
			var list struct{ Items []struct{ ID string } }
			p.want(200, "GET", "/v1/auth/sessions", nil, &list)
			return p.want(204, "DELETE", "/v1/auth/sessions/"+list.Items[0].ID, nil, nil).Header.Get("Clear-Site-Data")
		},
	} {
		if got := leave(s.register("alice" + strings.ReplaceAll(name, " ", "_")[:3])); got != `"cache"` {
			t.Errorf("%s: Clear-Site-Data is %q", name, got)
		}
	}
}
