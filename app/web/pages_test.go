package web_test

import (
	"context"
	"io"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/net/html"

	"github.com/belfry-social/belfry/app/web"
	"github.com/belfry-social/belfry/modules/social"
)

// site is a public of one person with one post and one comment.
type site struct {
	user    social.User
	post    web.Post
	comment web.Post
	tag     string
	err     error
}

var postID = social.NewID()

func (s *site) Post(_ context.Context, id social.ID) (web.Post, []web.Post, error) {
	if id != postID {
		return web.Post{}, nil, social.NotFound()
	}
	return s.post, []web.Post{s.comment}, s.err
}

func (s *site) Person(_ context.Context, name string) (social.User, []web.Post, error) {
	if name != "alice" {
		return social.User{}, nil, social.NotFound()
	}
	return s.user, []web.Post{s.post}, s.err
}

func (s *site) Tagged(_ context.Context, tag string) (string, []web.Post, error) {
	if tag != "bell" {
		return tag, nil, s.err
	}
	return s.tag, []web.Post{s.post}, s.err
}

func (s *site) Local(context.Context) ([]web.Post, error)     { return []web.Post{s.post}, s.err }
func (s *site) People(context.Context) ([]social.User, error) { return []social.User{s.user}, s.err }

func newSite(text string) *site {
	id := social.NewID()
	s := &site{user: social.User{ID: id, Username: "alice", DisplayName: "Alice " + text, Bio: "About " + text,
		URL: "https://social.example/@alice"}, tag: "bell"}
	s.post = web.Post{Author: social.UserRef{ID: id, Username: "alice", DisplayName: "Alice " + text},
		AuthorURL: "https://social.example/@alice", URL: "https://social.example/p/" + postID.String(), Text: "Post " + text}
	s.comment = s.post
	s.comment.Text = "Comment " + text
	return s
}

// get asks for a page of a site.
func (s *site) get(t testing.TB, path string) (status int, page string) {
	t.Helper()
	app := fiber.New()
	web.Routes(app, social.Site{Name: "Belfry", PublicURL: "https://social.example"}, s)
	resp, err := app.Test(httptest.NewRequest("GET", path, nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode < 500 && resp.Header.Get("Content-Security-Policy") != web.ContentSecurityPolicy {
		t.Errorf("%s: policy %q", path, resp.Header.Get("Content-Security-Policy"))
	}
	return resp.StatusCode, string(b)
}

// parsed is what a browser makes of a page.
type parsed struct {
	title    string
	meta     map[string]string // by name or property
	link     map[string]string // by rel
	text     string            // of the body
	elements []string          // with the names of their attributes
	hrefs    []string
}

func parse(t testing.TB, page string) parsed {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	p := parsed{meta: map[string]string{}, link: map[string]string{}}
	for n := range root.Descendants() {
		attr := map[string]string{}
		names := n.Data
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
			names += " " + a.Key
		}
		switch {
		case n.Type == html.ElementNode:
			p.elements = append(p.elements, names)
			if n.Data == "meta" {
				p.meta[attr["name"]+attr["property"]] = attr["content"]
			}
			if n.Data == "link" {
				p.link[attr["rel"]] = attr["href"]
			}
			if n.Data == "a" {
				p.hrefs = append(p.hrefs, attr["href"])
			}
		case n.Type == html.TextNode && n.Parent.Data == "title":
			p.title = n.Data
		case n.Type == html.TextNode:
			p.text += n.Data
		case n.Type == html.CommentNode:
			t.Errorf("a comment is in the page: %s", n.Data)
		}
	}
	return p
}

// TestSharedLink: the head of a page says what a link leads to, and its body shows it without script.
func TestSharedLink(t *testing.T) {
	s := newSite("of the harbour")
	avatar, picture := "https://social.example/media/a/small.jpg", "https://social.example/media/p/small.jpg"
	s.user.AvatarURL, s.post.Author.AvatarURL = &avatar, &avatar
	post := "/p/" + postID.String()
	for path, want := range map[string]struct{ title, kind, description, url, picture, text string }{
		post: {"Alice of the harbour: Post of the harbour · Belfry", "article", "Post of the harbour", post, avatar,
			"Comment of the harbour"},
		"/@alice": {"Alice of the harbour (@alice) · Belfry", "profile", "About of the harbour", "/@alice", avatar,
			"Post of the harbour"},
		"/@alice/followers": {"Alice of the harbour (@alice) · Belfry", "profile", "About of the harbour", "/@alice", avatar,
			"Post of the harbour"},
		"/tags/bell": {"#bell · Belfry", "website", "Posts with #bell.", "/tags/bell", "", "Post of the harbour"},
		"/":          {"Belfry", "website", "A small social site that tells you at once.", "/", "", "Post of the harbour"},
		"/local":     {"Belfry", "website", "A small social site that tells you at once.", "/", "", "Post of the harbour"},
		"/people":    {"People · Belfry", "website", "Who writes here.", "/people", "", "About of the harbour"},
	} {
		status, page := s.get(t, path)
		p := parse(t, page)
		want.url = "https://social.example" + want.url
		if status != 200 || p.title != want.title || p.meta["og:type"] != want.kind || p.meta["og:url"] != want.url ||
			p.link["canonical"] != want.url || p.meta["description"] != want.description ||
			p.meta["og:description"] != want.description || p.meta["og:image"] != want.picture ||
			p.meta["og:site_name"] != "Belfry" || p.meta["og:title"] == "" || p.meta["twitter:card"] != "summary" ||
			!strings.Contains(p.text, want.text) {
			t.Errorf("%s: %d %+v", path, status, p)
		}
		if path != "/people" && !slices.Contains(p.hrefs, s.post.URL) ||
			!slices.Contains(p.hrefs, s.user.URL) {
			t.Errorf("%s links to %q", path, p.hrefs)
		}
	}
	address := picture
	for _, hidden := range []bool{false, true} {
		s.post.Pictures, s.post.Sensitive = []social.Media{{PreviewURL: &address, Alt: "A \"harbour\""}}, hidden
		_, page := s.get(t, post)
		p := parse(t, page)
		shown := slices.ContainsFunc(p.elements, func(e string) bool { return strings.HasPrefix(e, "img ") })
		if shown == hidden || (p.meta["og:image"] == picture) == hidden ||
			(p.meta["og:image:alt"] == `A "harbour"`) == hidden ||
			strings.Contains(page, `alt="A &#34;harbour&#34;"`) == hidden ||
			(p.meta["twitter:card"] == "summary_large_image") == hidden {
			t.Errorf("a picture, sensitive %v: %+v", hidden, p)
		}
	}
	for _, tt := range []struct {
		pictures  []social.Media
		sensitive bool
		says      string
	}{
		{[]social.Media{{PreviewURL: &address, Alt: "A boat"}}, false, "A boat"},
		{[]social.Media{{PreviewURL: &address, Alt: "A boat"}}, true, "A picture"},
		{[]social.Media{{}, {}, {}}, false, "3 pictures"},
	} {
		s.post.Text, s.post.Pictures, s.post.Sensitive = "", tt.pictures, tt.sensitive
		_, page := s.get(t, post)
		if p := parse(t, page); !strings.HasSuffix(p.meta["og:title"], ": "+tt.says) || p.meta["og:description"] != tt.says {
			t.Errorf("pictures alone: %+v, want %q", p.meta, tt.says)
		}
	}
	s.post.Text = "Post of the harbour, \u202ebackwards"
	if _, page := s.get(t, post); strings.Contains(parse(t, page).title+parse(t, page).meta["og:title"], "\u202e") {
		t.Error("the title turns what follows it")
	}
	s.post.Warning, s.post.Sensitive = "spiders", false
	_, page := s.get(t, post)
	if p := parse(t, page); strings.Contains(p.title+p.meta["og:title"]+p.meta["og:description"], "Post of") ||
		p.meta["og:description"] != "spiders" || p.meta["og:image"] != avatar ||
		!slices.Contains(p.elements, "details") {
		t.Errorf("a warning stands in front of nothing: %+v", p)
	}
}

// TestLongTexts: a post's own page has all of it, lists how it begins, and titles one short line.
func TestLongTexts(t *testing.T) {
	s := newSite("")
	s.post.Text = strings.Repeat("words and\nmore ", 300) + "the end"
	for path, whole := range map[string]bool{"/": false, "/@alice": false, "/tags/bell": false,
		"/p/" + postID.String(): true} {
		_, page := s.get(t, path)
		p := parse(t, page)
		if strings.Contains(p.text, "the end") != whole || strings.Count(p.text, "words and") < 30 {
			t.Errorf("%s has %d characters of text", path, len(p.text))
		}
		for _, line := range []string{p.title, p.meta["description"], p.meta["og:title"], p.meta["og:description"]} {
			if strings.Contains(line, "\n") || len([]rune(line)) > 200 {
				t.Errorf("%s says %q", path, line)
			}
		}
	}
}

// TestNothingToShow: the page is there all the same, tells nothing of itself, and says so by its status.
func TestNothingToShow(t *testing.T) {
	s := newSite("secret")
	for path, want := range map[string]int{"/p/" + social.NewID().String(): 404, "/p/nonsense": 404, "/@nobody": 404,
		"/@nobody/following": 404, "/tags/nothing": 404, "/login": 200, "/register": 200, "/settings": 200,
		"/settings/profile": 200, "/notifications": 200} {
		status, page := s.get(t, path)
		p := parse(t, page)
		for name := range p.meta {
			if strings.HasPrefix(name, "og:") || strings.HasPrefix(name, "twitter:") {
				t.Errorf("%s says %s", path, name)
			}
		}
		if status != want || p.title != "Belfry" || p.link["canonical"] != "" || strings.Contains(page, "secret") ||
			!strings.Contains(page, "/assets/") {
			t.Errorf("%s: %d, want %d: %s", path, status, want, page)
		}
	}
	s.err = social.NewFault(social.CodeUnavailable, "away")
	if status, page := s.get(t, "/"); status < 500 || strings.Contains(page, "secret") {
		t.Errorf("with the store away: %d %s", status, page)
	}
}

// TestPagesAreRevalidated: a page is known by what it shows.
func TestPagesAreRevalidated(t *testing.T) {
	s := newSite("one")
	app := fiber.New()
	web.Routes(app, social.Site{Name: "Belfry"}, s)
	ask := func(tag string) (int, string) {
		r := httptest.NewRequest("GET", "/@alice", nil)
		r.Header.Set("If-None-Match", tag)
		resp, err := app.Test(r)
		if err != nil || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Fatal(resp, err)
		}
		return resp.StatusCode, resp.Header.Get("ETag")
	}
	_, tag := ask("")
	if status, _ := ask(tag); status != 304 {
		t.Errorf("unchanged: %d", status)
	}
	s.post.Text = "other"
	if status, now := ask(tag); status != 200 || now == tag {
		t.Errorf("changed: %d %s", status, now)
	}
}

// FuzzPage: whatever people call themselves and write stands in the page as text: it makes no element, no attribute and
// no address.
func FuzzPage(f *testing.F) {
	for _, text := range []string{"plain", `"><script>alert(1)</script>`, "</title><script>", "'\"` onload=x", "<!--",
		"-->", "]]>", "<img src=x onerror=alert(1)>", "{{.Site}}", "&lt;script&gt;", "javascript:alert(1)",
		"\u202e\u2028", "\x00",
		"<!--body-->", "</div></main>", "\n\n", "</details>"} {
		f.Add(text)
	}
	none := newSite("")
	paths := []string{"/", "/people", "/@alice", "/p/" + postID.String(), "/tags/bell"}
	shape, hrefs := map[string][]string{}, map[string][]string{}
	for _, warned := range []string{"", "warned"} {
		none.post.Warning = warned
		for _, path := range paths {
			_, page := none.get(f, path)
			p := parse(f, page)
			shape[path+warned], hrefs[path+warned] = p.elements, p.hrefs
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newSite(text)
		s.tag = text
		for _, warned := range []string{"", "warned"} {
			if s.post.Warning = warned; warned != "" {
				s.post.Warning = "warned " + text
			}
			for _, path := range paths {
				_, page := s.get(t, path)
				p := parse(t, page)
				got := slices.DeleteFunc(p.elements, func(e string) bool { return e == "br" })
				if want := shape[path+warned]; !slices.Equal(got, want) {
					t.Fatalf("%s has the elements %q, want %q", path, got, want)
				}
				if !slices.Equal(p.hrefs, hrefs[path+warned]) {
					t.Errorf("%s links to %q, want %q", path, p.hrefs, hrefs[path+warned])
				}
				for _, href := range []string{p.link["canonical"], p.meta["og:url"]} {
					if u, err := url.Parse(href); err != nil || u.Scheme != "https" || u.Host != "social.example" {
						t.Errorf("%s links to %q", path, href)
					}
				}
			}
		}
	})
}
