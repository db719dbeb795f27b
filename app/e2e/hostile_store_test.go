package e2e_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// atOnce runs f with 0..n-1, many at a time.
func atOnce(n, workers int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// status asks without ending the test, from any goroutine.
func (p *person) status(method, path string, body any, header ...string) (int, string, map[string]any) {
	resp, text := p.do(method, path, body, header...)
	var out map[string]any
	_ = json.Unmarshal(text, &out) // nil when it is none
	return resp.StatusCode, resp.Header.Get("Idempotency-Replayed"), out
}

func TestHostileRepetition(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)

	s.sub(t, "H27 one key, a hundred requests", func(t *testing.T) {
		start := bob.head()
		var mu sync.Mutex
		ids, fresh, busy := map[any]int{}, 0, 0
		atOnce(100, 32, func(int) {
			status, replayed, post := alice.status("POST", "/v1/posts", map[string]any{"text": "only once"},
				"Idempotency-Key: k-27")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status == 409 && post["code"] == "idempotency_in_flight":
				busy++
			case status == 201:
				ids[post["id"]]++
				if replayed == "" {
					fresh++
				}
			default:
				t.Errorf("answered %d %v", status, post)
			}
		})
		if len(ids) != 1 || fresh != 1 {
			t.Errorf("%d posts, %d answers without Idempotency-Replayed, %d told to wait", len(ids), fresh, busy)
		}
		alice.refused(t, 422, "idempotency_mismatch", "POST", "/v1/posts", map[string]any{"text": "something else"},
			"Idempotency-Key: k-27")
		if status, replayed, _ := bob.status("POST", "/v1/posts", map[string]any{"text": "only once"},
			"Idempotency-Key: k-27"); status != 201 || replayed != "" {
			t.Errorf("another person's key of the same name: %d %q", status, replayed)
		}
		last := alice.post("the end")
		seen := 0
		c, _ := bob.stream("", "Last-Event-ID: "+start)
		for {
			var e struct{ Data struct{ ID string } }
			b := c.await("post.created")
			if err := json.Unmarshal([]byte(b.Data), &e); err != nil {
				t.Fatal(err)
			}
			if e.Data.ID == last {
				break
			}
			seen++
		}
		if seen != 1 {
			t.Errorf("%d events for one post", seen)
		}
		s.restart()
		if status, replayed, post := alice.status("POST", "/v1/posts", map[string]any{"text": "only once"},
			"Idempotency-Key: k-27"); status != 201 || replayed != "true" || ids[post["id"]] == 0 {
			t.Errorf("after a restart the key gives %d %q %v", status, replayed, post["id"])
		}
	})

	s.sub(t, "H28 a thousand likes", func(t *testing.T) {
		post := alice.post("like me")
		atOnce(1000, 16, func(i int) {
			method := "PUT"
			if i%3 == 1 {
				method = "DELETE"
			}
			if status, _, body := bob.status(method, "/v1/posts/"+post+"/like", nil); status != 200 {
				t.Errorf("%s: %d %v", method, status, body)
			}
		})
		var state struct {
			Liked bool
			Count int `json:"like_count"`
		}
		if bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, &state); !state.Liked || state.Count != 1 {
			t.Errorf("liked %v, count %d", state.Liked, state.Count)
		}
		if n := alice.told(t, "like"); n != 1 {
			t.Errorf("%d notifications of one like", n)
		}
		if bob.want(200, "DELETE", "/v1/posts/"+post+"/like", nil, &state); state.Liked || state.Count != 0 {
			t.Errorf("unliked %v, count %d", state.Liked, state.Count)
		}
	})

	s.sub(t, "H28 a thousand follows", func(t *testing.T) {
		atOnce(1000, 16, func(i int) {
			method := "PUT"
			if i%3 == 1 {
				method = "DELETE"
			}
			if status, _, body := alice.status(method, "/v1/users/"+bob.ID+"/follow", nil); status != 200 {
				t.Errorf("%s: %d %v", method, status, body)
			}
		})
		alice.follow(bob)
		var view struct {
			Followers int `json:"followers_count"`
		}
		if alice.want(200, "GET", "/v1/users/"+bob.ID, nil, &view); view.Followers != 1 {
			t.Errorf("%d followers", view.Followers)
		}
		if n := bob.told(t, "follow"); n != 1 {
			t.Errorf("%d notifications of one follow", n)
		}
	})

	s.sub(t, "H29 what cannot be", func(t *testing.T) {
		gone := alice.post("soon gone")
		alice.want(204, "DELETE", "/v1/posts/"+gone, nil, nil)
		told := fmt.Sprint(alice.told(t, ""), bob.told(t, ""))
		alice.refused(t, 422, "self_target", "PUT", "/v1/users/"+alice.ID+"/follow", nil)
		bob.refused(t, 404, "not_found", "PUT", "/v1/posts/"+gone+"/like", nil)
		bob.refused(t, 404, "not_found", "DELETE", "/v1/posts/"+gone+"/like", nil)
		bob.refused(t, 404, "not_found", "PUT", "/v1/users/"+gone+"/follow", nil)
		if p, _ := bob.refused(t, 422, "validation_failed", "POST", "/v1/posts", map[string]any{"text": "where?",
			"reply_to": gone}); !p.field("body", "/reply_to", "not_found") {
			t.Errorf("%+v", p.Errors)
		}
		alice.refused(t, 404, "not_found", "DELETE", "/v1/posts/"+gone, nil)
		if now := fmt.Sprint(alice.told(t, ""), bob.told(t, "")); now != told {
			t.Errorf("notifications before %s, after %s", told, now)
		}
	})
}

// head is the newest position.
func (p *person) head() string {
	p.site.t.Helper()
	var page struct{ Head string }
	p.want(200, "GET", "/v1/events?limit=1", nil, &page)
	return page.Head
}

// told counts the person's notifications of a type, "" = all.
func (p *person) told(t *testing.T, kind string) int {
	t.Helper()
	path := "/v1/notifications?limit=100"
	if kind != "" {
		path += "&types=" + kind
	}
	var list struct{ Items []json.RawMessage }
	p.want(200, "GET", path, nil, &list)
	return len(list.Items)
}
