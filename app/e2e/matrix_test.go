package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/users"
)

// kestrel is in everything that only its owner may read. No answer to anybody else may have it.
const kestrel = "kestrel4711"

// asker is one column of the matrix: who asks, with what.
type asker struct {
	name   string
	who    *person // whose client: with a session cookie, or without anything
	header string  // Authorization
	scope  string  // of a token; "" with a session
	is     string  // anonymous, owner, other, service, suspended, revoked
}

// row is one line of section 4 of the contract: who may call an operation, and what comes of it.
type row struct {
	op     string // as the document spells it
	auth   string // "-", "opt", "S", "me" or a scope
	mine   string // the answer to the owner of what is asked for
	others string // the answer to everybody else who may call it; "" = as mine
	secret bool   // the owner's answer has the kestrel
	make   func(*aviary) ask
	stays  bool // a call changes nothing that a second call would miss
}

// ask is one request of a row.
type ask struct {
	path   string
	body   any
	accept string
	signIn bool // with a session of its own, because it will not survive
	fresh  bool // with a client of its own, because it will be signed in
}

// want is what the contract answers a asker.
func (r row) want(c asker) string {
	said := r.mine
	if c.is != "owner" && r.others != "" {
		said = r.others
	}
	switch {
	case r.auth == "-":
		return said
	case c.is == "revoked":
		return "401 invalid_token"
	case c.is == "anonymous" && r.auth == "opt":
		return said
	case c.is == "anonymous":
		return "401 unauthenticated"
	case c.is == "service" && r.auth == string(modules.ScopeNotifySend):
		return said
	case c.is == "service" || r.auth == string(modules.ScopeNotifySend):
		return "403 insufficient_scope"
	}
	needs := map[string]string{"opt": "read", "me": "read", "S": "a session"}[r.auth]
	if needs == "" {
		needs = r.auth
	}
	switch {
	case c.scope != "" && c.scope != needs:
		return "403 insufficient_scope"
	case c.is == "suspended" && r.op != "GET /v1/me" && r.op != "POST /v1/auth/logout":
		return "403 account_suspended"
	}
	return said
}

// TestAuthMatrix holds every operation of the program against every kind of asker, cell by cell (P22). What
// somebody may not see is answered as what is not there (H30).
func TestAuthMatrix(t *testing.T) {
	w := newAviary(t)
	rows := w.rows()
	w.checkComplete(rows)
	cells := 0
	for _, r := range rows {
		t.Run(r.op, func(t *testing.T) {
			w.t = t
			method := strings.Fields(r.op)[0]
			a, used := r.make(w), false
			for _, c := range w.askers {
				if used {
					a = r.make(w)
				}
				cells++
				want := r.want(c)
				used = want[0] == '2' && !r.stays
				if method == "GET" {
					head, _ := w.answer(c, "HEAD", a)
					if head = "HEAD " + head; head != "HEAD "+want[:3] {
						t.Errorf("%s: %s, want the status of GET, %s", c.name, head, want)
					}
				}
				got, body := w.answer(c, method, a)
				if got != want {
					t.Errorf("%s: got %q, want %q: %.300s", c.name, got, want, body)
				}
				if has := strings.Contains(body, kestrel); has && c.is != "owner" {
					t.Errorf("%s was shown what is the owner's alone: %s", c.name, body)
				} else if r.secret && !has && c.is == "owner" && want[0] == '2' {
					t.Errorf("%s was not shown what is the owner's: %s", c.name, body)
				}
				if want == "404 not_found" || (c.is != "owner" && want == "422 validation_failed") {
					if _, absent := w.answer(c, method, missing(a)); plain(absent) != plain(body) {
						t.Errorf("%s can tell hidden from absent:\n%s\n%s", c.name, body, absent)
					}
				}
			}
		})
	}
	t.Logf("%d operations, %d cells", len(rows), cells)
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// missing asks for something that is not there.
func missing(a ask) ask {
	nothing := modules.NewID().String()
	a.path = uuid.ReplaceAllString(a.path, nothing)
	if a.body != nil {
		text, _ := json.Marshal(a.body)
		a.body = uuid.ReplaceAll(text, []byte(nothing))
	}
	return a
}

// plain takes out of a problem what differs from request to request.
func plain(body string) string {
	var p map[string]any
	if json.Unmarshal([]byte(body), &p) != nil {
		return body
	}
	delete(p, "request_id")
	delete(p, "instance")
	text, _ := json.Marshal(p)
	return string(text)
}

// aviary is a site with one owner, who has one of everything, and with all the askers.
type aviary struct {
	*site
	t        *testing.T
	app      *app.Server
	users    *users.Service
	askers   []asker
	owner    *person
	other    *person
	hidden   string // a post for nobody but its author
	shown    string // a public post
	note     string // a notification of the owner
	endpoint string
	delivery string
	session  string // of the owner
	token    string // of the owner
	count    int
}

func newAviary(t *testing.T) *aviary {
	w := &aviary{t: t}
	asked := make(chan struct{}, 64)
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(500)
		asked <- struct{}{}
	}))
	t.Cleanup(hook.Close)
	set := map[string]string{"channels.webhook.allow_http": "true", "channels.webhook.allow_private": "true"}
	w.site = startSite(t, set, append(app.Standard(), fx.Populate(&w.app, &w.users))...)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	w.owner, w.other = w.register("olive"), w.register("otto")
	expired, err := w.users.CreateToken(ctx, "olive", "late", []modules.Scope{modules.ScopeRead}, time.Millisecond)
	must(err)
	moderator, admin, suspended := w.register("mona"), w.register("adele"), w.register("silvia")
	must(w.users.SetRole(ctx, "mona", modules.RoleModerator))
	must(w.users.SetRole(ctx, "adele", modules.RoleAdmin))
	must(w.users.Suspend(ctx, "silvia"))
	service, _, err := w.users.CreateService(ctx, "host application")
	must(err)
	gone := w.login("olive")
	jar := gone.http.Jar.Cookies(mustURL(t, w.URL))
	gone.want(204, "POST", "/v1/auth/logout", nil, nil)
	gone.http.Jar.SetCookies(mustURL(t, w.URL), jar)

	nobody := w.anonymous()
	bearer := func(secret string) string { return "Authorization: Bearer " + secret }
	token := func(of string, scope modules.Scope) asker {
		name := "program"
		if of == "olive" {
			name = kestrel
		}
		made, err := w.users.CreateToken(ctx, of, name, []modules.Scope{scope}, time.Hour)
		must(err)
		c := asker{name: "token " + string(scope), who: nobody, header: bearer(*made.Token), scope: string(scope), is: "other"}
		if of == "olive" {
			c.is = "owner"
		}
		return c
	}
	revoked := token("olive", modules.ScopeRead)
	var list struct{ Items []struct{ ID string } }
	w.owner.want(200, "GET", "/v1/tokens?limit=1", nil, &list)
	w.owner.want(204, "DELETE", "/v1/tokens/"+list.Items[0].ID, nil, nil)
	revoked.name, revoked.scope, revoked.is = "revoked token", "", "revoked"

	w.askers = []asker{
		{name: "anonymous", who: nobody, is: "anonymous"},
		{name: "owner", who: w.owner, is: "owner"},
		{name: "other", who: w.other, is: "other"},
		{name: "moderator", who: moderator, is: "other"},
		{name: "admin", who: admin, is: "other"},
		{name: "service token", who: nobody, header: bearer(service), is: "service"},
		token("olive", modules.ScopeRead), token("olive", modules.ScopeEvents), token("olive", modules.ScopeWritePosts),
		token("olive", modules.ScopeWriteFollows), token("olive", modules.ScopeWriteNotifications), token("olive", modules.ScopeWriteAccount),
		token("mona", modules.ScopeModerate), token("adele", modules.ScopeAdmin),
		{name: "suspended", who: suspended, is: "suspended"},
		{name: "revoked session", who: gone, is: "revoked"},
		revoked,
		{name: "expired token", who: nobody, header: bearer(*expired.Token), is: "revoked"},
		{name: "tampered token", who: nobody, header: bearer("bf_" + strings.Repeat("A", 43)), is: "revoked"},
	}
	w.furnish(hook.URL, bearer(service), asked)
	return w
}

// furnish gives the owner one of everything.
func (w *aviary) furnish(hook, service string, asked <-chan struct{}) {
	w.t.Helper()
	w.hidden = w.owner.post(kestrel+" is mine", "visibility", "mentioned")
	w.shown = w.owner.post("for everybody")
	var made struct{ ID string }
	w.owner.want(201, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook", "name": kestrel, "settings": map[string]any{"url": hook + "/" + kestrel}}, &made)
	w.endpoint = made.ID
	var pushed struct{ Notification struct{ ID string } }
	w.anonymous().want(201, "POST", "/v1/notifications", map[string]any{"receiver": "@olive", "type": "hint", "content": kestrel}, &pushed, service)
	w.note = pushed.Notification.ID
	select {
	case <-asked:
	case <-time.After(deadline):
		w.t.Fatal("the endpoint heard nothing of the notification")
	}
	var list struct{ Items []struct{ ID string } }
	w.owner.want(200, "GET", "/v1/me/endpoints/"+w.endpoint+"/deliveries", nil, &list)
	w.delivery = list.Items[0].ID
	w.owner.want(200, "GET", "/v1/tokens?limit=1", nil, &list)
	w.token = list.Items[0].ID
	w.owner.want(200, "GET", "/v1/auth/sessions?limit=1", nil, &list)
	w.session = list.Items[0].ID
}

// rows is section 4 of the contract, as far as the program has it.
func (w *aviary) rows() []row {
	at := func(path string, body ...any) func(*aviary) ask {
		return func(w *aviary) ask {
			a := ask{path: strings.NewReplacer("{hidden}", w.hidden, "{shown}", w.shown, "{note}", w.note, "{endpoint}", w.endpoint, "{delivery}", w.delivery,
				"{session}", w.session, "{token}", w.token, "{owner}", w.owner.ID, "{other}", w.other.ID).Replace(path)}
			if len(body) > 0 {
				a.body = body[0]
			}
			return a
		}
	}
	with := func(path string, body func(*aviary) map[string]any) func(*aviary) ask {
		return func(w *aviary) ask { a := at(path)(w); a.body = body(w); return a }
	}
	type m = map[string]any
	bad, absent, read := "422 validation_failed", "404 not_found", string(modules.ScopeRead)
	posts, follows := string(modules.ScopeWritePosts), string(modules.ScopeWriteFollows)
	marks, account := string(modules.ScopeWriteNotifications), string(modules.ScopeWriteAccount)
	page := func(op, auth, path string) row {
		return row{op: op, auth: auth, mine: "200", make: at(path), stays: true}
	}
	rows := []row{
		page("GET /v1/instance", "-", "/v1/instance"), page("GET /openapi.json", "-", "/openapi.json"), page("GET /docs", "-", "/docs"),
		page("GET /healthz", "-", "/healthz"), page("GET /readyz", "-", "/readyz"), page("GET /", "-", "/"),
		page("GET /notifications", "-", "/notifications"), page("GET /p/{id}", "-", "/p/{hidden}"), page("GET /@{name}", "-", "/@olive"),

		{op: "POST /v1/auth/register", auth: "-", mine: "201", make: func(w *aviary) ask {
			w.count++
			return ask{path: "/v1/auth/register", body: m{"username": fmt.Sprint("newcomer", w.count), "password": password}, fresh: true}
		}},
		{op: "POST /v1/auth/login", auth: "-", mine: "401 bad_credentials", make: at("/v1/auth/login", m{"login": "olive", "password": "not " + password}), stays: true},
		{op: "POST /v1/auth/logout", auth: "S", mine: "204", make: func(*aviary) ask { return ask{path: "/v1/auth/logout", signIn: true} }},
		{op: "POST /v1/auth/password", auth: "S", mine: "403 wrong_password", stays: true,
			make: at("/v1/auth/password", m{"current_password": "not " + password, "new_password": "another " + password})},
		page("GET /v1/auth/sessions", "S", "/v1/auth/sessions"),
		{op: "DELETE /v1/auth/sessions/{id}", auth: "S", mine: "204", others: absent, make: func(w *aviary) ask {
			var now struct{ Session struct{ ID string } }
			w.anonymous().want(200, "POST", "/v1/auth/login", m{"login": "olive", "password": password}, &now)
			return ask{path: "/v1/auth/sessions/" + now.Session.ID}
		}},
		{op: "GET /v1/tokens", auth: "S", mine: "200", secret: true, make: at("/v1/tokens"), stays: true},
		{op: "POST /v1/tokens", auth: "S", mine: "201", make: at("/v1/tokens", m{"name": "mine", "scopes": []string{"read"}}), stays: true},
		{op: "POST /v1/tokens", auth: "S", mine: bad, others: "", make: at("/v1/tokens", m{"name": "too much", "scopes": []string{"notify:send"}}), stays: true},
		{op: "DELETE /v1/tokens/{id}", auth: "S", mine: "204", others: absent, make: func(w *aviary) ask {
			var made struct{ ID string }
			w.owner.want(201, "POST", "/v1/tokens", m{"name": "short", "scopes": []string{"read"}}, &made)
			return ask{path: "/v1/tokens/" + made.ID}
		}},

		{op: "GET /v1/me", auth: "me", mine: "200", make: at("/v1/me"), stays: true},
		{op: "PATCH /v1/me", auth: account, mine: "200", make: at("/v1/me", m{"bio": "about me"}), stays: true},
		page("GET /v1/users/{id}", "opt", "/v1/users/{owner}"), page("GET /v1/users/by-name/{username}", "opt", "/v1/users/by-name/olive"),
		page("GET /v1/relationships", read, "/v1/relationships?ids={owner}"),
		{op: "GET /v1/users/{id}/posts", auth: "opt", mine: "200", secret: true, make: at("/v1/users/{owner}/posts"), stays: true},

		{op: "PUT /v1/users/{id}/follow", auth: follows, mine: "422 self_target", others: "200", make: at("/v1/users/{owner}/follow"), stays: true},
		{op: "DELETE /v1/users/{id}/follow", auth: follows, mine: "422 self_target", others: "200", make: at("/v1/users/{owner}/follow"), stays: true},
		page("GET /v1/users/{id}/followers", "opt", "/v1/users/{owner}/followers"), page("GET /v1/users/{id}/following", "opt", "/v1/users/{owner}/following"),

		{op: "POST /v1/posts", auth: posts, mine: "201", make: at("/v1/posts", m{"text": "hello"}), stays: true},
		{op: "POST /v1/posts", auth: posts, mine: "201", others: bad, secret: false, stays: true,
			make: with("/v1/posts", func(w *aviary) map[string]any { return m{"text": "what is it?", "reply_to": w.hidden} })},
		page("GET /v1/posts/{id}", "opt", "/v1/posts/{shown}"),
		{op: "GET /v1/posts/{id}", auth: "opt", mine: "200", others: absent, secret: true, make: at("/v1/posts/{hidden}"), stays: true},
		{op: "DELETE /v1/posts/{id}", auth: posts, mine: "204", others: absent, make: func(w *aviary) ask { return ask{path: "/v1/posts/" + w.owner.post("short")} }},
		{op: "DELETE /v1/posts/{id}", auth: posts, mine: "204", others: absent,
			make: func(w *aviary) ask { return ask{path: "/v1/posts/" + w.owner.post("short", "visibility", "mentioned")} }},
		page("GET /v1/posts/{id}/comments", "opt", "/v1/posts/{shown}/comments"),
		{op: "GET /v1/posts/{id}/comments", auth: "opt", mine: "200", others: absent, make: at("/v1/posts/{hidden}/comments"), stays: true},
		{op: "PUT /v1/posts/{id}/like", auth: posts, mine: "200", make: at("/v1/posts/{shown}/like"), stays: true},
		{op: "PUT /v1/posts/{id}/like", auth: posts, mine: "200", others: absent, make: at("/v1/posts/{hidden}/like"), stays: true},
		{op: "DELETE /v1/posts/{id}/like", auth: posts, mine: "200", make: at("/v1/posts/{shown}/like"), stays: true},
		{op: "DELETE /v1/posts/{id}/like", auth: posts, mine: "200", others: absent, make: at("/v1/posts/{hidden}/like"), stays: true},
		page("GET /v1/posts/{id}/likes", "opt", "/v1/posts/{shown}/likes"),
		{op: "GET /v1/posts/{id}/likes", auth: "opt", mine: "200", others: absent, make: at("/v1/posts/{hidden}/likes"), stays: true},
		{op: "GET /v1/timelines/home", auth: read, mine: "200", secret: true, make: at("/v1/timelines/home?limit=100"), stays: true},
	}
	rows = append(rows, w.rowsOfNotifications(at, with, marks)...)
	return append(rows, w.rowsOfEndpoints(at, account)...)
}

func (w *aviary) rowsOfNotifications(at func(string, ...any) func(*aviary) ask, with func(string, func(*aviary) map[string]any) func(*aviary) ask, marks string) []row {
	type m = map[string]any
	absent, read, events := "404 not_found", string(modules.ScopeRead), string(modules.ScopeEvents)
	stream := func(accept string) func(*aviary) ask {
		return func(*aviary) ask { return ask{path: "/v1/events?after=oldest", accept: accept} }
	}
	one := func(op, path string) row {
		return row{op: op, auth: marks, mine: "200", others: absent, secret: true, make: at(path), stays: true}
	}
	return []row{
		{op: "GET /v1/events", auth: events, mine: "200", secret: true, make: stream("application/json"), stays: true},
		{op: "GET /v1/events", auth: events, mine: "200", make: stream("text/event-stream"), stays: true},
		{op: "POST /v1/stream-tickets", auth: events, mine: "201", make: at("/v1/stream-tickets", m{}), stays: true},

		{op: "GET /v1/notifications", auth: read, mine: "200", secret: true, make: at("/v1/notifications"), stays: true},
		{op: "GET /v1/notifications/counts", auth: read, mine: "200", make: at("/v1/notifications/counts"), stays: true},
		{op: "GET /v1/notifications/{id}", auth: read, mine: "200", others: absent, secret: true, make: at("/v1/notifications/{note}"), stays: true},
		{op: "GET /v1/notifications/groups/{key}", auth: read, mine: "200", others: absent, secret: true, make: at("/v1/notifications/groups/{note}"), stays: true},
		{op: "POST /v1/notifications/seen", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/seen", func(w *aviary) map[string]any { return m{"up_to": w.note} })},
		{op: "POST /v1/notifications/read", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/read", func(w *aviary) map[string]any { return m{"ids": []string{w.note}} })},
		{op: "POST /v1/notifications/read", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/read", func(w *aviary) map[string]any { return m{"up_to": w.note} })},
		{op: "POST /v1/notifications/read", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/read", func(w *aviary) map[string]any { return m{"group": w.note} })},
		one("PUT /v1/notifications/{id}/read", "/v1/notifications/{note}/read"), one("DELETE /v1/notifications/{id}/read", "/v1/notifications/{note}/read"),
		one("PUT /v1/notifications/{id}/archived", "/v1/notifications/{note}/archived"), one("DELETE /v1/notifications/{id}/archived", "/v1/notifications/{note}/archived"),
		{op: "DELETE /v1/notifications/{id}", auth: marks, mine: "204", others: absent, make: func(w *aviary) ask {
			w.count++
			var pushed struct{ Notification struct{ ID string } }
			service := w.askers[slices.IndexFunc(w.askers, func(c asker) bool { return c.is == "service" })]
			service.who.want(201, "POST", "/v1/notifications", m{"receiver": "@olive", "type": "short", "content": kestrel}, &pushed, service.header)
			return ask{path: "/v1/notifications/" + pushed.Notification.ID}
		}},
		{op: "POST /v1/notifications", auth: string(modules.ScopeNotifySend), mine: "201", stays: true,
			make: at("/v1/notifications", m{"receiver": "@otto", "type": "hint", "content": "from the matrix"})},
	}
}

func (w *aviary) rowsOfEndpoints(at func(string, ...any) func(*aviary) ask, account string) []row {
	type m = map[string]any
	absent, read := "404 not_found", string(modules.ScopeRead)
	const one = "/v1/me/endpoints/{endpoint}"
	return []row{
		{op: "GET /v1/me/endpoints", auth: read, mine: "200", secret: true, make: at("/v1/me/endpoints"), stays: true},
		{op: "POST /v1/me/endpoints", auth: account, mine: "201", make: at("/v1/me/endpoints", m{"channel": "webhook", "settings": m{"url": "https://bot.example/"}}), stays: true},
		{op: "GET /v1/me/endpoints/{id}", auth: read, mine: "200", others: absent, secret: true, make: at(one), stays: true},
		{op: "PATCH /v1/me/endpoints/{id}", auth: account, mine: "200", others: absent, secret: true, make: at(one, m{"name": "still " + kestrel}), stays: true},
		{op: "DELETE /v1/me/endpoints/{id}", auth: account, mine: "204", others: absent, make: func(w *aviary) ask {
			var made struct{ ID string }
			w.owner.want(201, "POST", "/v1/me/endpoints", m{"channel": "webhook", "settings": m{"url": "https://bot.example/"}}, &made)
			return ask{path: "/v1/me/endpoints/" + made.ID}
		}},
		{op: "POST /v1/me/endpoints/{id}/rotate-secret", auth: account, mine: "200", others: absent, secret: true, make: at(one+"/rotate-secret", m{}), stays: true},
		{op: "POST /v1/me/endpoints/{id}/test", auth: account, mine: "202", others: absent, make: at(one + "/test"), stays: true},
		{op: "GET /v1/me/endpoints/{id}/deliveries", auth: read, mine: "200", others: absent, make: at(one + "/deliveries"), stays: true},
		{op: "GET /v1/me/endpoints/{id}/deliveries/{delivery_id}", auth: read, mine: "200", others: absent, make: at(one + "/deliveries/{delivery}"), stays: true},
		{op: "POST /v1/me/endpoints/{id}/deliveries/{delivery_id}/retry", auth: account, mine: "202", others: absent, make: at(one + "/deliveries/{delivery}/retry"), stays: true},
	}
}

// checkComplete: every operation of the document and every other route has a row, and no row is without one.
func (w *aviary) checkComplete(rows []row) {
	w.t.Helper()
	have := map[string]bool{}
	for _, r := range rows {
		have[r.op] = true
	}
	routed := map[string]bool{}
	for _, r := range w.app.Fiber().GetRoutes(true) {
		if r.Method == "HEAD" || r.Method == "OPTIONS" || strings.HasPrefix(r.Path, "/docs/") || strings.HasPrefix(r.Path, "/assets/") {
			continue // HEAD goes with GET; files of the two pages are public
		}
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if before, name, ok := strings.Cut(p, ":"); ok {
				parts[i] = before + "{" + name + "}"
			}
		}
		op := r.Method + " " + strings.Join(parts, "/")
		routed[op] = true
		if !have[op] {
			w.t.Errorf("%s has no row", op)
		}
	}
	for op := range have {
		if !routed[op] {
			w.t.Errorf("the row %s has no route", op)
		}
	}
}

// answer asks once and gives the status with the code of a problem, and the body. An event stream is closed once
// its head is there.
func (w *aviary) answer(c asker, method string, a ask) (string, string) {
	w.t.Helper()
	client := c.who
	if a.fresh {
		client = w.anonymous()
	}
	if a.signIn && c.who.Name != "" && c.is != "revoked" {
		client = w.login(c.who.Name)
	}
	var r io.Reader
	if a.body != nil {
		text, ok := a.body.([]byte)
		if !ok {
			text, _ = json.Marshal(a.body)
		}
		r = strings.NewReader(string(text))
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.URL+a.path, r)
	if err != nil {
		w.t.Fatal(err)
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.accept != "" {
		req.Header.Set("Accept", a.accept)
	}
	if name, value, ok := strings.Cut(c.header, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err := client.http.Do(req)
	if err != nil {
		w.t.Fatalf("%s: %v", c.name, err)
	}
	defer resp.Body.Close()
	status := strconv.Itoa(resp.StatusCode)
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return status, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s: %v", c.name, err)
	}
	var p struct{ Code string }
	if resp.StatusCode >= 400 && json.Unmarshal(body, &p) == nil && p.Code != "" {
		status += " " + p.Code
	}
	return status, string(body)
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
