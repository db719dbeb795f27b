package delivery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// site serves the events of a service to one actor. Faults are answered 400 with their code and gap as text.
type site struct {
	t   *testing.T
	app *fiber.App
}

func newSite(t *testing.T, s *delivery.Service, a social.Actor) *site {
	app := fiber.New(fiber.Config{Immutable: true, ErrorHandler: func(c *fiber.Ctx, err error) error {
		var f *social.Fault
		if !errors.As(err, &f) {
			return c.Status(500).SendString(err.Error())
		}
		text := string(f.Code)
		if f.Gap != nil {
			text += " " + f.Gap.Error()
		}
		return c.Status(400).SendString(text)
	}})
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(social.WithActor(c.UserContext(), a))
		return c.Next()
	})
	s.EventRoutes(app, &huma.OpenAPI{})
	return &site{t: t, app: app}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *site) get(query string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, query, headers...)
}

func (s *site) do(method, query string, headers ...string) answer {
	s.t.Helper()
	r := httptest.NewRequest(method, "/v1/events"+query, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.app.Test(r, -1)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, query, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, query, err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// page is the part of a body that tests look at.
type page struct {
	Items []struct{ ID, Type string }
	Next  string
	More  bool
	Head  string
}

func (a answer) page(t *testing.T) page {
	t.Helper()
	var p page
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != 200 {
		t.Fatalf("answer %d %q is no page: %v", a.status, a.body, err)
	}
	return p
}

func (p page) ids() string {
	ids := make([]string, len(p.Items))
	for i, e := range p.Items {
		ids[i] = e.ID
	}
	return strings.Join(ids, " ")
}

func TestPollBody(t *testing.T) {
	w := newWorld(t)
	w.clock = w.fix.Clock
	me := social.Actor{UserID: social.NewID()}
	w.append(storage.Entry{Stream: social.Stream{Kind: social.To, User: me.UserID}, Type: social.EventReadState,
		Data: []byte(`{"change":"seen"}`)})
	s := newSite(t, w.service(defaults()), me)
	a := s.get("?after=oldest")
	want := `{"items":[{"id":"1-1","type":"read_state","time":"2025-03-01T12:00:00.000Z","data":{"change":"seen"}}],` +
		`"next":"1-1","more":false,"head":"1-1","oldest":"1-0"}`
	if a.status != 200 || a.body != want {
		t.Errorf("answer is %d\n%s\nwant\n%s", a.status, a.body, want)
	}
	for name, want := range map[string]string{"Etag": `"e-1-1"`, "Content-Type": "application/json",
		"Cache-Control": "private, no-cache",
		"Vary":          "Accept, Authorization, Cookie, Origin", "Preference-Applied": ""} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if a := s.get(""); a.body != `{"items":[],"next":"1-1","more":false,"head":"1-1","oldest":"1-0"}` ||
		a.header.Get("Etag") != `"e-1-1"` {
		t.Errorf("without a cursor: %s %s", a.body, a.header.Get("Etag"))
	}
	if h := s.do(http.MethodHead, "?after=oldest"); h.status != 200 || h.body != "" ||
		h.header.Get("Etag") != `"e-1-1"` || h.header.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("HEAD is %d %q %v", h.status, h.body, h.header)
	}
}

func TestPollNotModified(t *testing.T) {
	w := newWorld(t)
	me := social.Actor{UserID: social.NewID()}
	e, _ := w.notification(me.UserID, "like")
	w.append(e)
	s := newSite(t, w.service(defaults()), me)
	for _, tt := range []struct {
		query, tag string
		want       int
	}{
		{"?after=1-1", `"e-1-1"`, 304},
		{"?after=1-1", `W/"e-1-1"`, 304},
		{"?after=1-1", `"x", "e-1-1"`, 304},
		{"?after=1-1", `*`, 304},
		{"?after=1-1", `"e-1-0"`, 200},
		{"?after=1-0", `"e-1-0"`, 200}, // something is new
		{"?after=1-1&wait=0", `"e-1-1"`, 304},
	} {
		a := s.get(tt.query, "If-None-Match", tt.tag)
		if a.status != tt.want || (tt.want == 304 && (a.body != "" || a.header.Get("Etag") != `"e-1-1"`)) {
			t.Errorf("%s with %s: %d %q, want %d", tt.query, tt.tag, a.status, a.body, tt.want)
		}
	}
}

func TestPollFiltersAndPages(t *testing.T) {
	w := newWorld(t)
	me, bell, quiet, stranger := social.NewID(), social.NewID(), social.NewID(), social.NewID()
	w.people.follow(me, bell, 3, true)
	w.people.follow(me, quiet, 0, false)
	like := func() storage.Entry { e, _ := w.notification(me, "like"); return e }
	by := func(author social.ID) storage.Entry { e, _ := w.post(author); return e }
	hidden := storage.Entry{Stream: social.Stream{Kind: social.To, User: me}, Type: social.EventAudienceChanged,
		Internal: true, Data: []byte(`{}`)}
	other, _ := w.notification(stranger, "like")
	//       1       2         3         4         5          6        7       8      9       10
	w.append(like(), by(bell), by(quiet), by(bell), by(quiet), by(me), hidden, other, like(), by(stranger))
	s := newSite(t, w.service(defaults()), social.Actor{UserID: me})
	for _, tt := range []struct {
		query, ids, next string
		more             bool
	}{
		{"?after=oldest", "1-1 1-4 1-9", "1-10", false},
		{"?after=oldest&posts=all", "1-1 1-3 1-4 1-5 1-6 1-9", "1-10", false},
		{"?after=oldest&posts=none", "1-1 1-9", "1-10", false},
		{"?after=oldest&types=post", "1-4", "1-10", false},
		{"?after=oldest&types=notification&limit=1", "1-1", "1-1", true},
		{"?after=1-1&types=notification&limit=1", "1-9", "1-10", false},
		{"?after=oldest&limit=3", "1-1 1-4 1-9", "1-10", false},
		{"?after=oldest&limit=2", "1-1 1-4", "1-4", true},
		{"?after=oldest&types=read_state", "", "1-10", false},
		{"?after=1-9", "", "1-10", false},
		{"?lastEventId=1-4&after=oldest", "1-9", "1-10", false},
	} {
		p := s.get(tt.query).page(t)
		if p.ids() != tt.ids || p.Next != tt.next || p.More != tt.more || p.Head != "1-10" {
			t.Errorf("%s gave [%s] next %s more %v head %s, want [%s] next %s more %v", tt.query, p.ids(), p.Next, p.More,
				p.Head, tt.ids, tt.next, tt.more)
		}
	}
	if p := s.get("?after=1-1", "Last-Event-ID", "1-4").page(t); p.ids() != "1-9" {
		t.Errorf("Last-Event-ID does not win over after: [%s]", p.ids())
	}
}

func TestFilteredPagesReachTheEnd(t *testing.T) {
	w := newWorld(t)
	me := social.NewID()
	list := make([]storage.Entry, 1500)
	for i := range list {
		list[i], _ = w.notification(me, "like")
	}
	list[1400].Type = social.EventReadState
	w.append(list...)
	s := newSite(t, w.service(defaults()), social.Actor{UserID: me})
	next, found, asks := "oldest", "", 0
	for more := true; more; asks++ {
		p := s.get("?types=read_state&limit=1&after=" + next).page(t)
		found += p.ids()
		next, more = p.Next, p.More
		if asks > 10 {
			t.Fatal("the client asks for ever")
		}
	}
	if found != "1-1401" || next != "1-1500" || asks < 2 {
		t.Errorf("found %q, next %s after %d requests; want 1-1401, 1-1500 and more than one request", found, next, asks)
	}
}

func TestPollCursorGone(t *testing.T) {
	w := newWorld(t)
	me := social.Actor{UserID: social.NewID()}
	for range 5 {
		e, _ := w.notification(me.UserID, "like")
		w.append(e)
	}
	if _, err := w.log.Trim(t.Context(), 2, 100); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, w.service(defaults()), me)
	for id, want := range map[string]string{
		"1-1":       "cursor_gone gap expired from 1-1 to 1-2",
		"2-3":       "cursor_gone gap epoch from 2-3 to 1-5",
		"1-6":       "cursor_gone gap future from 1-6 to 1-5",
		"id":        "cursor_gone gap invalid from 0-0 to 1-5",
		"42_163159": "cursor_gone gap invalid from 0-0 to 1-5",
	} {
		for _, query := range []string{"?after=", "?wait=30&after="} {
			if a := s.get(query + id); a.body != want {
				t.Errorf("%s%s: %d %q, want %q", query, id, a.status, a.body, want)
			}
		}
	}
	if p := s.get("?after=oldest").page(t); p.ids() != "1-3 1-4 1-5" {
		t.Errorf("oldest gives [%s], want everything kept", p.ids())
	}
}

func TestPollRefusals(t *testing.T) {
	w := newWorld(t)
	me := social.NewID()
	for _, tt := range []struct {
		name   string
		actor  social.Actor
		query  string
		accept string
		want   string
	}{
		{"anonymous", social.Actor{}, "", "", "unauthenticated"},
		{"service token", social.Actor{ServiceID: me}, "", "", "insufficient_scope"},
		{"token without the scope", social.Actor{UserID: me, TokenID: me, Scopes: []social.Scope{social.ScopeRead}}, "", "",
			"insufficient_scope"},
		{"suspended", social.Actor{UserID: me, Suspended: true}, "", "", "account_suspended"},
		{"wrong type", social.Actor{UserID: me}, "", "text/html", "not_acceptable"},
		{"limit", social.Actor{UserID: me}, "?limit=101", "", "validation_failed"},
		{"wait", social.Actor{UserID: me}, "?wait=61", "", "validation_failed"},
		{"unknown parameter", social.Actor{UserID: me}, "?user=1", "", "validation_failed"},
		{"parameter twice", social.Actor{UserID: me}, "?limit=1&limit=2", "", "validation_failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newSite(t, w.service(defaults()), tt.actor).get(tt.query, "Accept", tt.accept)
			if a.body != tt.want {
				t.Errorf("answer is %d %q, want %q", a.status, a.body, tt.want)
			}
		})
	}
	s := newSite(t, w.service(defaults()), social.Actor{UserID: me})
	if a := s.get("", "Accept", "text/event-stream"); a.status != 204 || a.body != "" {
		t.Errorf("a stream where none is served: %d %q, want 204", a.status, a.body)
	}
}

// closedLog is a log that is not open yet.
type closedLog struct{ storage.LogReader }

func (closedLog) Head() social.Cursor { return social.Cursor{} }
func (closedLog) Kept() social.Kept   { return social.Kept{} }

func TestBeforeTheLogIsOpen(t *testing.T) {
	w := newWorld(t)
	s := delivery.New(defaults(), w.fix.DB, closedLog{}, w.clock, social.Site{}, w.fix.Pages, w.logger())
	if a := newSite(t, s, social.Actor{UserID: social.NewID()}).get(""); a.body != "unavailable" {
		t.Errorf("answer is %d %q, want unavailable", a.status, a.body)
	}
	if err := s.Start(t.Context()); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("start gave %v, want storage.ErrClosed", err)
	}
}

// TestPollJudgesNothingTwoWays: what a person reads is asked first and the log is read then. What becomes durable
// between the two may stand behind a follow, or the end of one, that the answer does not know of: it is left to the
// next request, so that nothing is passed over and nothing is shown that was written after an unfollow.
func TestPollJudgesNothingTwoWays(t *testing.T) {
	for query, asks := range map[string]int{"?after=oldest&posts=all": 1, "?after=oldest&posts=all&wait=1": 2} {
		w := newWorld(t)
		me, left, found := social.NewID(), social.NewID(), social.NewID()
		w.people.follow(me, left, 0, true)
		e, _ := w.post(left)
		w.append(e)
		s := newSite(t, w.service(defaults()), social.Actor{UserID: me})
		w.people.asked = func() {
			if asks--; asks != 0 {
				return
			}
			w.people.unfollow(me, left)
			w.people.follow(me, found, 2, true)
			after, _ := w.post(left)
			first, _ := w.post(found)
			w.append(storage.Entry{Stream: social.Stream{Kind: social.To, User: me}, Type: social.EventFollowChanged,
				Data: []byte(`{}`)}, after, first)
		}
		p := s.get(query).page(t)
		if p.ids() != "1-1" || p.Next != "1-1" {
			t.Errorf("%s: [%s] next %s, want 1-1", query, p.ids(), p.Next)
		}
		if p := s.get("?posts=all&after=" + p.Next).page(t); p.ids() != "1-2 1-4" {
			t.Errorf("%s: then [%s], want the follow and the post behind it: 1-2 1-4", query, p.ids())
		}
	}
}
