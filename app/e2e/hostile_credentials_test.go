package e2e_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/storage"
)

// service makes a service token and gives the header line for it.
func (s *site) service(name string) string {
	s.t.Helper()
	var reply struct{ Token string }
	s.command("token service", map[string]any{"name": name}, &reply)
	return "Authorization: Bearer " + reply.Token
}

// command runs one of the command line's commands through the socket of the running server.
func (s *site) command(name string, args, reply any) {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _,
		_ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.Data+"/belfry.sock")
	}}}
	body, err := json.Marshal(map[string]any{"command": name, "args": args})
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := client.Post("http://belfry/", "application/json", strings.NewReader(string(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct {
		Reply json.RawMessage
		Error string
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Error != "" {
		s.t.Fatalf("%s: %v %s", name, err, out.Error)
	}
	if reply != nil {
		if err := json.Unmarshal(out.Reply, reply); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestHostileCredentials(t *testing.T) {
	var log storage.Log
	s := startSite(t, nil, append(app.Standard(), fx.Populate(&log))...)
	alice := s.register("alice")
	bearer := func(secret string) string { return "Authorization: Bearer " + secret }
	var token struct{ ID, Token string }
	alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "bot", "scopes": []string{"events", "read"}}, &token)
	nobody := s.anonymous()

	s.sub(t, "H34 revoked while streaming", func(t *testing.T) {
		for name, tt := range map[string]struct {
			open   func() (*stream, *person, []string)
			revoke func()
		}{
			"token": {func() (*stream, *person, []string) {
				c, _ := nobody.stream("", bearer(token.Token))
				return c, nobody, []string{bearer(token.Token)}
			}, func() { alice.want(204, "DELETE", "/v1/tokens/"+token.ID, nil, nil) }},
			"password": {func() (*stream, *person, []string) {
				other := s.login("alice")
				c, _ := other.stream("")
				return c, other, nil
			}, func() {
				for _, p := range [][2]string{{password, "another " + password}, {"another " + password, password}} {
					alice.want(204, "POST", "/v1/auth/password", map[string]any{"current_password": p[0], "new_password": p[1],
						"revoke_tokens": false}, nil)
				}
			}},
			"another session": {func() (*stream, *person, []string) {
				other := s.login("alice")
				c, _ := other.stream("")
				return c, other, nil
			}, func() {
				var list struct {
					Items []struct {
						ID      string
						Current bool
					}
				}
				alice.want(200, "GET", "/v1/auth/sessions", nil, &list)
				for _, item := range list.Items {
					if !item.Current {
						alice.want(204, "DELETE", "/v1/auth/sessions/"+item.ID, nil, nil)
					}
				}
			}},
		} {
			own, _ := alice.stream("?posts=all")
			c, who, header := tt.open()
			tt.revoke()
			if reason, retry := c.next().bye(t); reason != "revoked" || retry != 0 {
				t.Errorf("%s: told %s, retry %d", name, reason, retry)
			}
			c.ended(t)
			who.refused(t, 401, "invalid_token", "GET", "/v1/events", nil, append(header, "Accept: text/event-stream")...)
			alice.post("after " + name) // the session that acted is still heard
			for b := own.next(); b.Event == "bye"; b = own.next() {
				t.Errorf("%s ended the stream of the session that acted: %+v", name, b)
			}
			own.close()
		}
	})

	s.sub(t, "H34 wrong tokens", func(t *testing.T) {
		alice.want(201, "POST", "/v1/tokens", map[string]any{"name": "bot", "scopes": []string{"events", "read"}}, &token)
		var ticket struct{ Ticket string }
		alice.want(201, "POST", "/v1/stream-tickets", map[string]any{}, &ticket)
		session := alice.http.Jar.Cookies(mustURL(t, s.URL))[0].Value
		for name, secret := range map[string]string{
			"tampered": token.Token[:len(token.Token)-2] + "zz", "cut": token.Token[:20], "longer": token.Token + "A",
			"ticket": ticket.Ticket, "session": session,
			"none": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.", "empty": "bf_", "id": token.ID,
			"upper case": strings.ToUpper(token.Token),
		} {
			for _, path := range []string{"/v1/me", "/v1/events", "/v1/users/" + alice.ID} {
				_, resp := nobody.refused(t, 401, "invalid_token", "GET", path, nil, bearer(secret))
				if got := resp.Header.Get("WWW-Authenticate"); got != `Bearer realm="belfry"` {
					t.Errorf("%s: WWW-Authenticate %q", name, got)
				}
			}
			alice.refused(t, 401, "invalid_token", "GET", "/v1/me", nil, bearer(secret)) // and the cookie does not help
		}
		basic := "Authorization: Basic YWxpY2U6cGFzc3dvcmQ=" // of a proxy in front
		nobody.refused(t, 401, "unauthenticated", "GET", "/v1/me", nil, basic)
		alice.want(200, "GET", "/v1/me", nil, nil, basic)
		nobody.want(200, "GET", "/v1/me", nil, nil, bearer(token.Token))
	})

	s.sub(t, "H35 tickets", func(t *testing.T) {
		ticket := func() string {
			var made struct {
				Ticket    string
				ExpiresIn int `json:"expires_in"`
			}
			alice.want(201, "POST", "/v1/stream-tickets", nil, &made)
			if made.ExpiresIn != 30 || !regexp.MustCompile(`^bft_[A-Za-z0-9_-]{43}$`).MatchString(made.Ticket) {
				t.Errorf("the ticket is %+v", made)
			}
			return made.Ticket
		}
		one := ticket()
		nobody.refused(t, 401, "unauthenticated", "GET", "/v1/me?ticket="+one, nil)
		nobody.want(200, "HEAD", "/v1/events?ticket="+one, nil, nil, "Accept: text/event-stream") // uses nothing up
		away := s.anonymous()
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.9")}}
		away.http.Transport = &http.Transport{DialContext: from.DialContext}
		c, _ := away.stream("?ticket=" + one)
		nobody.refused(t, 401, "invalid_ticket", "GET", "/v1/events?ticket="+one, nil, "Accept: text/event-stream")
		alice.refused(t, 401, "invalid_ticket", "GET", "/v1/events?ticket="+one, nil, "Accept: text/event-stream")
		nobody.refused(t, 401, "invalid_ticket", "GET", "/v1/events?ticket=bft_"+strings.Repeat("A", 43), nil,
			"Accept: text/event-stream")
		two := ticket()
		alice.want(204, "POST", "/v1/auth/logout", nil, nil)
		if reason, _ := c.next().bye(t); reason != "revoked" {
			t.Errorf("the ticket's stream is told %s when its session ends", reason)
		}
		nobody.refused(t, 401, "invalid_ticket", "GET", "/v1/events?ticket="+two, nil, "Accept: text/event-stream")
		for _, line := range s.Logs.All() {
			text, _ := json.Marshal(line.ContextMap())
			for _, secret := range []string{one, two, token.Token} {
				if strings.Contains(string(text), secret) {
					t.Errorf("a log line has a secret: %s", text)
				}
			}
		}
	})
}
