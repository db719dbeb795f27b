package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// A quota that is used up ends an account's writing, and nothing else of anybody.
func TestQuota(t *testing.T) {
	s := startSite(t, map[string]string{"limits.enabled": "true", "limits.write": "100000/1m", "limits.register": "100/1h",
		"quota.new_account.share": "1", "quota.rows_per_hour": "500", "quota.bytes_per_hour": "256KiB",
		"quota.service_bytes_per_day": "256KiB"})
	mallory, bob := s.register("mallory"), s.register("bob")
	bob.follow(mallory)
	c, _ := bob.stream("")
	post := mallory.post("the first")
	c.await("post.created")

	limited := func(t *testing.T, p *person, policy string, body map[string]any) {
		t.Helper()
		for range 600 {
			resp, text := p.do("POST", "/v1/posts", body)
			if resp.StatusCode == http.StatusCreated {
				continue
			}
			if resp.StatusCode != 429 || !strings.HasPrefix(resp.Header.Get("RateLimit-Policy"), `"`+policy+`";q=`) ||
				resp.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "rate_limited") {
				t.Errorf("answered %d %q %s", resp.StatusCode, resp.Header.Get("RateLimit-Policy"), text)
			}
			return
		}
		t.Error("600 posts and no end")
	}
	limited(t, mallory, "bytes_per_hour", map[string]any{"text": strings.Repeat("x", 5000)})
	before := mallory.count(t)
	for _, refused := range [][2]string{{"PUT", "/v1/posts/" + post + "/like"},
		{"PUT", "/v1/users/" + bob.ID + "/follow"}} {
		mallory.refused(t, 429, "rate_limited", refused[0], refused[1], nil)
	}
	mallory.refused(t, 429, "rate_limited", "PATCH", "/v1/me", map[string]any{"bio": "x"})
	if after := mallory.count(t); after != before {
		t.Errorf("%d posts after the refusals, %d before", after, before)
	}

	mallory.want(200, "GET", "/v1/timelines/home", nil, nil)
	mallory.want(204, "DELETE", "/v1/posts/"+post, nil, nil)
	mallory.want(201, "POST", "/v1/stream-tickets", nil, nil)
	mallory.want(204, "POST", "/v1/auth/logout", nil, nil)
	again := s.login("mallory")
	again.refused(t, 429, "rate_limited", "POST", "/v1/posts", map[string]any{"text": "x"})
	bob.post("nobody else is refused")

	limited(t, bob, "rows_per_hour", map[string]any{"text": "x"})
}

// count is how many posts a person's list has.
func (p *person) count(t *testing.T) int {
	t.Helper()
	var me struct {
		Count int `json:"posts_count"`
	}
	p.want(200, "GET", "/v1/users/"+p.ID, nil, &me)
	return me.Count
}

// A disk with less room than the reserve takes what makes room, and moderators' work, and signing in; all else that
// people write is refused, and what they read goes on.
func TestDiskReserve(t *testing.T) {
	s := startSite(t, nil)
	alice, mod := s.register("alice"), s.register("mona")
	s.command("user role", map[string]any{"username": "mona", "role": "moderator"}, nil)
	post, other := alice.post("one"), alice.post("two")
	c, _ := mod.stream("")
	s.set["quota.disk_reserve"] = "8000000000GiB" // more than any disk has
	s.restart()
	c.close()

	alice.refused(t, 507, "storage_full", "POST", "/v1/posts", map[string]any{"text": "x"})
	alice.refused(t, 507, "storage_full", "PUT", "/v1/posts/"+post+"/like", nil)
	alice.refused(t, 507, "storage_full", "POST", "/v1/tokens", map[string]any{"name": "x", "scopes": []string{"read"}})
	s.anonymous().refused(t, 507, "storage_full", "POST", "/v1/auth/register",
		map[string]any{"username": "late", "password": password})
	alice.want(200, "GET", "/v1/timelines/home", nil, nil)
	alice.want(204, "DELETE", "/v1/posts/"+post, nil, nil)
	s.login("alice").want(204, "POST", "/v1/auth/logout", nil, nil)
	mod.want(200, "PUT", "/v1/posts/"+other+"/like", nil, nil)
	_, text := s.scrape(t)
	for _, line := range []string{`belfry_quota_refused_total{policy="disk_reserve"} 4`, `belfry_check_ok{check="disk"} 0`,
		`belfry_ready 1`} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}
