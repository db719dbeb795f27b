package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// eventsUntil gives the data of a person's events of a type, up to the one in which a text is.
func (p *person) eventsUntil(kind, text string) (data []string) {
	p.site.t.Helper()
	for after := "oldest"; ; {
		var page struct {
			Next  string
			Items []struct {
				Type string
				Data json.RawMessage
			}
		}
		p.want(200, "GET", "/v1/events?posts=all&wait=5&after="+after, nil, &page)
		for _, e := range page.Items {
			if e.Type != kind {
				continue
			}
			if data = append(data, string(e.Data)); strings.Contains(string(e.Data), text) {
				return data
			}
		}
		after = page.Next
	}
}

// TestPicturesOfAnEdit: pictures of a post come, go and change places, its text may go as long as one is left, and who
// follows is told of each change.
func TestPicturesOfAnEdit(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.want(200, "PUT", "/v1/users/"+alice.ID+"/follow", nil, nil)
	one, two, three, foreign := alice.picture("one"), alice.picture("two"), alice.picture("three"), bob.picture("bob's")
	type shown struct {
		ID, Text string
		Media    []social.Media
	}
	var post shown
	alice.want(201, "POST", "/v1/posts", map[string]any{"text": "words", "media_ids": []social.ID{one.ID, two.ID}}, &post)
	path := "/v1/posts/" + post.ID
	edit := func(status int, body map[string]any) string {
		t.Helper()
		resp, text := alice.do("PATCH", path, body)
		if resp.StatusCode != status {
			t.Errorf("%v: %d %s", body, resp.StatusCode, text)
		}
		return string(text)
	}
	edit(200, map[string]any{"text": "", "sensitive": true})
	edit(200, map[string]any{"media_ids": []social.ID{three.ID, one.ID}})
	bob.want(200, "GET", path, nil, &post)
	if post.Text != "" || len(post.Media) != 2 || post.Media[0].ID != three.ID || post.Media[1].ID != one.ID {
		t.Errorf("the post is %+v", post)
	}
	edit(200, map[string]any{"media_ids": []social.ID{three.ID, one.ID}}) // which is as it was
	for file, status := range map[string]int{*one.URL: 200, *two.URL: 404, *three.URL: 200} {
		if resp, _ := s.anonymous().do("GET", mustURL(t, file).Path, nil); resp.StatusCode != status {
			t.Errorf("%s: %d, want %d", file, resp.StatusCode, status)
		}
	}
	for _, ids := range []any{nil, []social.ID{}} {
		if body := edit(422, map[string]any{"media_ids": ids}); !strings.Contains(body, `"/text","code":"required"`) {
			t.Errorf("nothing is left: %s", body)
		}
	}
	for _, m := range []social.Media{two, foreign} {
		body := edit(422, map[string]any{"media_ids": []social.ID{one.ID, m.ID}})
		if !strings.Contains(body, `"/media_ids/1","code":"not_found"`) {
			t.Errorf("gone, and another's: %s", body)
		}
	}
	alice.want(200, "PATCH", "/v1/media/"+one.ID.String(), map[string]any{"alt": "said later"}, nil)
	resp, body := alice.do("PATCH", path, map[string]any{"text": "the last", "media_ids": []social.ID{}})
	if got, _ := alice.do("GET", path, nil); resp.Header.Get("ETag") == "" ||
		resp.Header.Get("ETag") != got.Header.Get("ETag") {
		t.Errorf("%d %s has %q, and then %q", resp.StatusCode, body, resp.Header.Get("ETag"), got.Header.Get("ETag"))
	}
	updates := bob.eventsUntil(social.EventPostUpdated, "the last")
	if len(updates) != 4 || !strings.Contains(updates[2], "said later") {
		t.Errorf("told %d times of 3 edits and a description: %v", len(updates), updates)
	}
	_, list := alice.do("GET", "/v1/users/"+alice.ID+"/posts?media=true", nil)
	if body := string(list); strings.Contains(body, "the last") {
		t.Errorf("a post that lost its pictures: %s", body)
	}
}

// TestAltsTogether: what is said about pictures is bounded where it is said, so that a later edit has room.
func TestAltsTogether(t *testing.T) {
	s := startSite(t, nil)
	alice := s.register("alice")
	alt := strings.Repeat("<", 1500) // six bytes each in an event
	ids := []social.ID{alice.picture(alt).ID, alice.picture("").ID}
	var post struct{ ID string }
	alice.want(201, "POST", "/v1/posts", map[string]any{"media_ids": ids}, &post)
	resp, body := alice.do("PATCH", "/v1/media/"+ids[1].String(), map[string]any{"alt": alt})
	if resp.StatusCode != 422 || !strings.Contains(string(body), `"/alt","code":"too_long"`) {
		t.Errorf("a second long one: %d %s", resp.StatusCode, body)
	}
	alice.want(200, "PATCH", "/v1/media/"+ids[1].String(), map[string]any{"alt": "short"}, nil)
	alice.want(200, "PATCH", "/v1/posts/"+post.ID, map[string]any{"text": strings.Repeat("<", 5000),
		"warning": strings.Repeat("<", 200)}, nil)
	resp, body = alice.do("POST", "/v1/posts", map[string]any{"media_ids": []social.ID{alice.picture(alt).ID,
		alice.picture(alt).ID}})
	if resp.StatusCode != 422 || !strings.Contains(string(body), `"/media_ids","code":"too_long"`) {
		t.Errorf("two long ones: %d %s", resp.StatusCode, body)
	}
	var m social.Media
	alice.want(200, "PATCH", "/v1/media/"+ids[1].String(), map[string]any{"focus": map[string]any{"x": 1, "y": 1}}, nil)
	alice.want(200, "PATCH", "/v1/media/"+ids[1].String(), map[string]any{"alt": nil, "focus": nil}, &m)
	if m.Alt != "" || m.Focus != (social.Focus{}) {
		t.Errorf("after null: %+v", m)
	}
}
