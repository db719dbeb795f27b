package e2e_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func without(s shape, name string) shape {
	out := maps.Clone(s)
	delete(out, name)
	return out
}

// TestTags: objects and lists can be asked for again without being sent again.
func TestTags(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	post := alice.post("tag me")
	for path, change := range map[string]func(){
		"/v1/me": func() {
			alice.want(200, "PATCH", "/v1/me", map[string]any{"bio": "other"},
				nil)
		},
		"/v1/users/" + bob.ID:              func() { alice.follow(bob) },
		"/v1/posts/" + post:                func() { bob.want(200, "PUT", "/v1/posts/"+post+"/like", nil, nil) },
		"/v1/timelines/home":               func() { alice.post("more") },
		"/v1/timelines/local":              func() { bob.post("more") },
		"/v1/tags/more/posts":              func() { bob.post("#more") },
		"/v1/users":                        func() { alice.post("now the first") },
		"/v1/search?type=users&q=al":       func() { alice.post("counted") },
		"/v1/notifications":                func() { bob.post("below", "reply_to", post) },
		"/v1/notifications/counts":         func() { bob.post("below too", "reply_to", post) },
		"/v1/users/" + alice.ID + "/posts": func() { alice.post("even more") },
		"/v1/posts/" + post + "/comments": func() {
			bob.want(200, "PUT", "/v1/posts/"+bob.post("and", "reply_to", post)+"/like", nil, nil)
		},
	} {
		first := alice.want(200, "GET", path, nil, nil)
		tag := first.Header.Get("ETag")
		weak := strings.HasPrefix(path, "/v1/timelines") || path == "/v1/users" ||
			strings.Contains(path, "search") || path == "/v1/notifications" || strings.Contains(path,
			"/posts") && !strings.HasSuffix(path, post)
		if tag == "" || strings.HasPrefix(tag, "W/") != weak || first.Header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: ETag %q, Cache-Control %q", path, tag, first.Header.Get("Cache-Control"))
		}
		resp, body := alice.do("GET", path, nil, "If-None-Match: "+tag)
		if resp.StatusCode != 304 || len(body) != 0 || resp.Header.Get("ETag") != tag {
			t.Errorf("%s unchanged: %d %q %s", path, resp.StatusCode, resp.Header.Get("ETag"), body)
		}
		change()
		if resp, _ := alice.do("GET", path, nil, "If-None-Match: "+tag); resp.StatusCode == 304 {
			t.Errorf("%s has changed and is answered 304", path)
		}
	}
	own := alice.want(200, "GET", "/v1/posts/"+alice.post("mine"), nil, nil)
	where := own.Request.URL.Path
	alice.refused(t, 412, "precondition_failed", "DELETE", where, nil, `If-Match: "other"`)
	alice.want(204, "DELETE", where, nil, nil, "If-Match: "+own.Header.Get("ETag"))
}

// TestPages: 55 things in pages of 20, forwards and backwards, by body and by Link, the same whatever is added
// meanwhile.
func TestPages(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	top := alice.post("the top #many")
	for i := range 54 {
		alice.post(fmt.Sprint("post #many ", i))
	}
	for i := range 55 {
		bob.post(fmt.Sprint("comment ", i), "reply_to", top)
	}
	for _, list := range []struct {
		who           *person
		path          string
		oldest, quiet bool // oldest first; nothing is added in front
	}{
		{bob, "/v1/timelines/home", false, false}, {bob, "/v1/users/" + alice.ID + "/posts", false, false},
		{s.anonymous(), "/v1/users/" + alice.ID + "/posts", false, false},
		{s.anonymous(), "/v1/timelines/local", false, false}, {bob, "/v1/tags/many/posts", false, false},
		{alice, "/v1/posts/" + top + "/comments", true, true}, {alice, "/v1/posts/" + top + "/comments?order=newest", false,
			true}, {bob, "/v1/notifications?types=post", false, false},
		{alice, "/v1/notifications?types=comment", false, true},
	} {
		t.Run(list.path, func(t *testing.T) {
			s.t = t
			sep := "?"
			if strings.Contains(list.path, "?") {
				sep = "&"
			}
			type page struct {
				Items      []struct{ ID string }
				Next, Prev *string
			}
			ask := func(path string) (page, map[string]string) {
				var p page
				resp := list.who.want(200, "GET", path, nil, &p)
				links := map[string]string{}
				for _, m := range regexp.MustCompile(`<([^>]*)>; rel="(next|prev)"`).FindAllStringSubmatch(resp.Header.Get("Link"),
					-1) {
					links[m[2]] = m[1]
				}
				for rel, cursor := range map[string]*string{"next": p.Next, "prev": p.Prev} {
					if (cursor == nil) != (links[rel] == "") || cursor != nil && !strings.Contains(links[rel], *cursor) {
						t.Errorf("%s: Link has %s %q, the body %v", path, rel, links[rel], cursor)
					}
				}
				return p, links
			}
			first, links := ask(list.path + sep + "limit=20")
			if first.Prev != nil {
				t.Errorf("before the first page there is %v", *first.Prev)
			}
			if !list.quiet {
				alice.post("added #many meanwhile")
			}
			pages := []page{first}
			for links["next"] != "" {
				var p page
				if !strings.HasPrefix(links["next"], "/v1/") || !strings.Contains(links["next"], "limit=20") {
					t.Errorf("the next page is %s", links["next"])
				}
				p, links = ask(links["next"])
				pages = append(pages, p)
			}
			var all []string
			for _, p := range pages {
				for _, item := range p.Items {
					all = append(all, item.ID)
				}
			}
			sorted := slices.Clone(all)
			slices.Sort(sorted)
			if !list.oldest {
				slices.Reverse(sorted)
			}
			if len(pages) != 3 || len(all) < 55 || !slices.Equal(all, sorted) || len(slices.Compact(sorted)) != len(all) {
				t.Errorf("%d pages with %d items; in order and once: %v", len(pages), len(all), slices.Equal(all, sorted))
			}
			for i := len(pages) - 1; i > 0; i-- {
				if pages[i].Prev == nil {
					t.Fatalf("page %d has no page before it", i+1)
				}
				back, _ := ask(list.path + sep + "limit=20&cursor=" + *pages[i].Prev)
				if fmt.Sprint(back.Items) != fmt.Sprint(pages[i-1].Items) {
					t.Errorf("back from page %d comes another page than before", i+1)
				}
			}
		})
	}
}
