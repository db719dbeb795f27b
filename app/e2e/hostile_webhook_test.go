package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHostileWebhookAddress(t *testing.T) {
	s := startSite(t, nil)
	alice := s.register("alice")
	s.sub(t, "H43 addresses that are not public", func(t *testing.T) {
		for _, url := range []string{
			"https://127.0.0.1/", "https://127.1/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/",
			"https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/",
			"https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fc00::1]/", "https://[fe80::1]/",
			"https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://0.0.0.0/",
			"https://2130706433/", "https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0x7f000001/", "https://localhost/",
			"https://localhost./", "https://LOCALHOST/", "https://bot.localhost/",
			"https://user@bot.example/", "https://user:secret@bot.example/", "https://bot.example:22/",
			"https://bot.example:25/", "http://bot.example/", "ftp://bot.example/", "//bot.example/",
			"https:///", "https://", "bot.example", "", "https://bot.example/" + strings.Repeat("a", 2048),
			"https://255.255.255.255/", "https://224.0.0.1/", "https://[::]/",
		} {
			p, _ := alice.refused(t, 422, "validation_failed", "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
				"settings": map[string]any{"url": url}})
			if len(p.Errors) != 1 || p.Errors[0].In != "body" || p.Errors[0].Pointer != "/settings/url" ||
				(len(url) > 10 && strings.Contains(p.Errors[0].Detail, url)) {
				t.Errorf("%.60s: %+v", url, p.Errors)
			}
		}
		for _, settings := range []any{map[string]any{}, map[string]any{"url": 7},
			map[string]any{"url": "https://bot.example/", "token": "x"}, "https://bot.example/"} {
			if p, _ := alice.refused(t, 422, "validation_failed", "POST", "/v1/me/endpoints",
				map[string]any{"channel": "webhook", "settings": settings}); len(p.Errors) == 0 ||
				!strings.HasPrefix(p.Errors[0].Pointer, "/settings") {
				t.Errorf("%v: %+v", settings, p.Errors)
			}
		}
		var list struct{ Items []any }
		if alice.want(200, "GET", "/v1/me/endpoints", nil, &list); len(list.Items) != 0 {
			t.Errorf("%d endpoints were made", len(list.Items))
		}
		alice.endpoint("https://bot.example/hook")
	})
	s.sub(t, "the 21st endpoint", func(t *testing.T) {
		for range 19 {
			alice.endpoint("https://bot.example/hook")
		}
		alice.refused(t, 409, "limit_reached", "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook",
			"settings": map[string]any{"url": "https://bot.example/"}})
	})
}

func TestHostileWebhookAnswers(t *testing.T) {
	s, heard := hooked(t, map[string]string{"delivery.schedule": "1h", "channels.webhook.timeout": "2s"})
	bob := s.register("bob")
	// ask lets bob like a post of a new person, whose endpoint answers with answer, and gives the delivery once
	// done says that it has gone far enough.
	n := 0
	ask := func(t *testing.T, answer http.HandlerFunc, done func(sent) bool) (*person, string, sent) {
		t.Helper()
		n++
		p := s.register("person" + string(rune('a'+n)))
		h := newHook(t, answer)
		id, _ := p.endpoint(h.URL)
		bob.want(200, "PUT", "/v1/posts/"+p.post("tell me")+"/like", nil, nil)
		h.next(t)
		var d sent
		heard.until(t, "the attempt is recorded", func() bool {
			list := p.deliveries(id)
			if len(list) != 1 {
				return false
			}
			d = list[0]
			return done(d)
		})
		return p, id, d
	}
	tried := func(d sent) bool { return len(d.Attempts) == 1 }
	state := func(p *person, id string) (out struct {
		Enabled        bool
		State          string
		DisabledReason *string `json:"disabled_reason"`
	}) {
		p.want(200, "GET", "/v1/me/endpoints/"+id, nil, &out)
		return out
	}

	s.sub(t, "H45 redirect", func(t *testing.T) {
		inside := newHook(t, nil)
		_, _, d := ask(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside.URL, http.StatusMovedPermanently)
		}, tried)
		if a := d.Attempts[0]; d.State != "pending" || a.Outcome != "http_status" || a.HTTPStatus == nil ||
			*a.HTTPStatus != 301 {
			t.Errorf("the delivery is %+v", d)
		}
		if len(inside.got) != 0 {
			t.Error("the redirect was followed")
		}
	})
	s.sub(t, "H46 an answer without end", func(t *testing.T) {
		_, _, d := ask(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}, tried)
		if d.State != "succeeded" || d.Attempts[0].Outcome != "ok" {
			t.Errorf("the status was 200 and the delivery is %+v", d)
		}
	})
	s.sub(t, "H46 no answer", func(t *testing.T) {
		_, _, d := ask(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, tried)
		if a := d.Attempts[0]; d.State != "pending" || a.Outcome != "timeout" {
			t.Errorf("the delivery is %+v", d)
		}
	})
	s.sub(t, "H47 gone", func(t *testing.T) {
		p, id, d := ask(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
			func(d sent) bool { return d.State == "dead" })
		if a := d.Attempts[0]; a.HTTPStatus == nil || *a.HTTPStatus != 410 {
			t.Errorf("the delivery is %+v", d)
		}
		if e := state(p, id); e.Enabled || e.State != "disabled" || e.DisabledReason == nil || *e.DisabledReason != "gone" {
			t.Errorf("the endpoint is %+v", e)
		}
		// What comes after is not for it, and it may be switched on again.
		bob.post("hello @" + p.Name)
		p.want(200, "PATCH", "/v1/me/endpoints/"+id, map[string]any{"enabled": true}, nil)
		if e := state(p, id); !e.Enabled || e.State != "active" || e.DisabledReason != nil {
			t.Errorf("the endpoint is %+v", e)
		}
	})
	for status, wait := range map[int]time.Duration{429: 2 * time.Hour, 503: 30 * 24 * time.Hour} {
		s.sub(t, "H47 "+http.StatusText(status), func(t *testing.T) {
			_, _, d := ask(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", map[int]string{429: "7200", 503: "2592000"}[status])
				w.WriteHeader(status)
			}, tried)
			if d.NextAttemptAt == nil || d.State != "pending" {
				t.Fatalf("the delivery is %+v", d)
			}
			got := d.NextAttemptAt.Sub(d.Attempts[0].At)
			if least, most := min(wait, 24*time.Hour), min(wait, 24*time.Hour)+time.Minute; got < least || got > most {
				t.Errorf("Retry-After %s: the next attempt is after %s, want %s to %s", wait, got, least, most)
			}
		})
	}
	s.sub(t, "H47 not reachable", func(t *testing.T) {
		p := s.register("lonely")
		id, _ := p.endpoint("http://" + freePort(t) + "/")
		bob.want(200, "PUT", "/v1/posts/"+p.post("nobody listens")+"/like", nil, nil)
		var d sent
		heard.until(t, "the attempt is recorded", func() bool {
			list := p.deliveries(id)
			if len(list) == 1 {
				d = list[0]
			}
			return len(d.Attempts) == 1
		})
		if d.Attempts[0].Outcome != "connect" || d.State != "pending" {
			t.Errorf("the delivery is %+v", d)
		}
		if e := state(p, id); e.State != "failing" || !e.Enabled {
			t.Errorf("the endpoint is %+v", e)
		}
		// A like taken back is not told: the delivery is cancelled before its next attempt.
		p.want(202, "POST", "/v1/me/endpoints/"+id+"/deliveries/"+d.ID+"/retry", nil, nil)
	})
}
