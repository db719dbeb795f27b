package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
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
	of     string  // whose token
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
	kind   string // media type of the body; "" = JSON
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
	case c.is == "service" && r.auth == string(social.ScopeNotifySend):
		return said
	case c.is == "service" || r.auth == string(social.ScopeNotifySend):
		return "403 insufficient_scope"
	}
	if r.auth == "any" {
		return said
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
	nothing := social.NewID().String()
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
	app      *server.Server
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
	expired, err := w.users.CreateToken(ctx, "olive", "late", []social.Scope{social.ScopeRead}, 300*time.Millisecond)
	must(err)
	moderator, admin, suspended := w.register("mona"), w.register("adele"), w.register("silvia")
	must(w.users.SetRole(ctx, "mona", social.RoleModerator))
	must(w.users.SetRole(ctx, "adele", social.RoleAdmin))
	must(w.users.Suspend(ctx, "silvia"))
	service, _, err := w.users.CreateService(ctx, "host application")
	must(err)
	gone := w.login("olive")
	jar := gone.http.Jar.Cookies(mustURL(t, w.URL))
	gone.want(204, "POST", "/v1/auth/logout", nil, nil)
	gone.http.Jar.SetCookies(mustURL(t, w.URL), jar)

	nobody := w.anonymous()
	bearer := func(secret string) string { return "Authorization: Bearer " + secret }
	token := func(of string, scope social.Scope) asker {
		name := "program"
		if of == "olive" {
			name = kestrel
		}
		made, err := w.users.CreateToken(ctx, of, name, []social.Scope{scope}, time.Hour)
		must(err)
		c := asker{name: "token " + string(scope), who: nobody, header: bearer(*made.Token), scope: string(scope),
			is: "other", of: of}
		if of == "olive" {
			c.is = "owner"
		}
		return c
	}
	revoked := token("olive", social.ScopeRead)
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
		token("olive", social.ScopeRead), token("olive", social.ScopeEvents), token("olive", social.ScopeWritePosts),
		token("olive", social.ScopeWriteFollows), token("olive", social.ScopeWriteNotifications),
		token("olive", social.ScopeWriteAccount),
		token("mona", social.ScopeModerate), token("adele", social.ScopeAdmin),
		{name: "suspended", who: suspended, is: "suspended"},
		{name: "revoked session", who: gone, is: "revoked"},
		revoked,
		{name: "expired token", who: nobody, header: bearer(*expired.Token), is: "revoked"},
		{name: "tampered token", who: nobody, header: bearer("bf_" + strings.Repeat("A", 43)), is: "revoked"},
	}
	w.furnish(hook.URL, bearer(service), asked)
	<-time.After(expired.ExpiresAt.Sub(social.TimeOf(time.Now()))) // mostly it has ended by now
	return w
}

// furnish gives the owner one of everything.
func (w *aviary) furnish(hook, service string, asked <-chan struct{}) {
	w.t.Helper()
	w.hidden = w.owner.post(kestrel+" is mine #nest", "visibility", "mentioned")
	w.shown = w.owner.post("for everybody #nest")
	var made struct{ ID string }
	w.owner.want(201, "POST", "/v1/me/endpoints", map[string]any{"channel": "webhook", "name": kestrel,
		"settings": map[string]any{"url": hook + "/" + kestrel}}, &made)
	w.endpoint = made.ID
	var pushed struct{ Notification struct{ ID string } }
	w.anonymous().want(201, "POST", "/v1/notifications", map[string]any{"receiver": "@olive", "type": "hint",
		"content": kestrel}, &pushed, service)
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

// another is the header of a second token like an asker's, for what ends a token.
func (w *aviary) another(c asker) string {
	w.t.Helper()
	made, err := w.users.CreateToken(w.t.Context(), c.of, "second", []social.Scope{social.Scope(c.scope)}, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return "Authorization: Bearer " + *made.Token
}
