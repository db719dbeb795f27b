package e2e_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// rows is section 4 of the contract, as far as the program has it.
func (w *aviary) rows() []row {
	at := func(path string, body ...any) func(*aviary) ask {
		return func(w *aviary) ask {
			a := ask{path: strings.NewReplacer("{hidden}", w.hidden, "{shown}", w.shown, "{note}", w.note, "{endpoint}",
				w.endpoint, "{delivery}", w.delivery,
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
	bad, absent, read := "422 validation_failed", "404 not_found", string(social.ScopeRead)
	posts, follows := string(social.ScopeWritePosts), string(social.ScopeWriteFollows)
	marks, account := string(social.ScopeWriteNotifications), string(social.ScopeWriteAccount)
	page := func(op, auth, path string) row {
		return row{op: op, auth: auth, mine: "200", make: at(path), stays: true}
	}
	rows := []row{
		page("GET /v1/instance", "-", "/v1/instance"), page("GET /openapi.json", "-", "/openapi.json"),
		page("GET /docs", "-", "/docs"), page("GET /problems/{code}", "-", "/problems/not_found"),
		page("GET /favicon.ico", "-", "/favicon.ico"), page("GET /robots.txt", "-", "/robots.txt"),
		page("GET /sw.js", "-", "/sw.js"), page("GET /belfry.js", "-", "/belfry.js"),
		page("GET /healthz", "-", "/healthz"), page("GET /readyz", "-", "/readyz"), page("GET /", "-", "/"),
		page("GET /notifications", "-", "/notifications"), page("GET /p/{id}", "-", "/p/{shown}"),
		page("GET /@{name}", "-", "/@olive"), page("GET /@{name}/followers", "-", "/@olive/followers"),
		page("GET /@{name}/following", "-", "/@olive/following"), page("GET /tags/{tag}", "-", "/tags/nest"),
		page("GET /local", "-", "/local"), page("GET /people", "-", "/people"), page("GET /login", "-", "/login"),
		page("GET /register", "-", "/register"), page("GET /settings", "-", "/settings"),
		page("GET /settings/{part}", "-", "/settings/profile"),
		{op: "GET /p/{id}", auth: "-", mine: "404", make: at("/p/{hidden}"), stays: true},

		{op: "POST /v1/auth/register", auth: "-", mine: "201", make: func(w *aviary) ask {
			w.count++
			return ask{path: "/v1/auth/register", body: m{"username": fmt.Sprint("newcomer", w.count), "password": password},
				fresh: true}
		}},
		{op: "POST /v1/auth/login", auth: "-", mine: "401 bad_credentials", make: at("/v1/auth/login", m{"login": "olive",
			"password": "not " + password}), stays: true},
		{op: "POST /v1/auth/token", auth: "-", mine: "401 bad_credentials", make: at("/v1/auth/token", m{"login": "olive",
			"password": "not " + password, "name": "page", "scopes": []string{"read"}}), stays: true},
		{op: "POST /v1/auth/logout", auth: "any", mine: "204", make: func(*aviary) ask {
			return ask{path: "/v1/auth/logout",
				signIn: true}
		}},
		{op: "POST /v1/auth/password", auth: "S", mine: "403 wrong_password", stays: true,
			make: at("/v1/auth/password", m{"current_password": "not " + password, "new_password": "another " + password})},
		page("GET /v1/auth/sessions", "S", "/v1/auth/sessions"),
		{op: "DELETE /v1/auth/sessions/{id}", auth: "S", mine: "204", others: absent, make: func(w *aviary) ask {
			var now struct{ Session struct{ ID string } }
			w.anonymous().want(200, "POST", "/v1/auth/login", m{"login": "olive", "password": password}, &now)
			return ask{path: "/v1/auth/sessions/" + now.Session.ID}
		}},
		{op: "GET /v1/tokens", auth: "S", mine: "200", secret: true, make: at("/v1/tokens"), stays: true},
		{op: "POST /v1/tokens", auth: "S", mine: "201", make: at("/v1/tokens",
			m{"name": "mine", "scopes": []string{"read"}}), stays: true},
		{op: "POST /v1/tokens", auth: "S", mine: bad, others: "", make: at("/v1/tokens", m{"name": "too much",
			"scopes": []string{"notify:send"}}), stays: true},
		{op: "DELETE /v1/tokens/{id}", auth: "S", mine: "204", others: absent, make: func(w *aviary) ask {
			var made struct{ ID string }
			w.owner.want(201, "POST", "/v1/tokens", m{"name": "short", "scopes": []string{"read"}}, &made)
			return ask{path: "/v1/tokens/" + made.ID}
		}},

		{op: "GET /v1/me", auth: "me", mine: "200", make: at("/v1/me"), stays: true},
		{op: "PATCH /v1/me", auth: account, mine: "200", make: at("/v1/me", m{"bio": "about me"}), stays: true},
		page("GET /v1/users/{id}", "opt", "/v1/users/{owner}"), page("GET /v1/users/by-name/{username}", "opt",
			"/v1/users/by-name/olive"),
		page("GET /v1/users", "opt", "/v1/users"), page("GET /v1/search", "opt", "/v1/search?type=users&q=ol"),
		page("GET /v1/relationships", read, "/v1/relationships?ids={owner}"),
		{op: "GET /v1/users/{id}/posts", auth: "opt", mine: "200", secret: true, make: at("/v1/users/{owner}/posts"),
			stays: true},

		{op: "PUT /v1/users/{id}/follow", auth: follows, mine: "422 self_target", others: "200",
			make: at("/v1/users/{owner}/follow"), stays: true},
		{op: "DELETE /v1/users/{id}/follow", auth: follows, mine: "422 self_target", others: "200",
			make: at("/v1/users/{owner}/follow"), stays: true},
		page("GET /v1/users/{id}/followers", "opt", "/v1/users/{owner}/followers"), page("GET /v1/users/{id}/following",
			"opt", "/v1/users/{owner}/following"),

		{op: "POST /v1/posts", auth: posts, mine: "201", make: at("/v1/posts", m{"text": "hello"}), stays: true},
		{op: "POST /v1/posts", auth: posts, mine: "201", others: bad, secret: false, stays: true,
			make: with("/v1/posts", func(w *aviary) map[string]any { return m{"text": "what is it?", "reply_to": w.hidden} })},
		page("GET /v1/posts/{id}", "opt", "/v1/posts/{shown}"),
		{op: "GET /v1/posts/{id}", auth: "opt", mine: "200", others: absent, secret: true, make: at("/v1/posts/{hidden}"),
			stays: true},
		{op: "PATCH /v1/posts/{id}", auth: posts, mine: "200", others: absent, stays: true,
			make: at("/v1/posts/{shown}", m{"language": "en"})},
		{op: "PATCH /v1/posts/{id}", auth: posts, mine: "200", others: absent, secret: true, stays: true,
			make: at("/v1/posts/{hidden}", m{"sensitive": true, "warning": nil})},
		{op: "DELETE /v1/posts/{id}", auth: posts, mine: "204", others: absent,
			make: func(w *aviary) ask { return ask{path: "/v1/posts/" + w.owner.post("short")} }},
		{op: "DELETE /v1/posts/{id}", auth: posts, mine: "204", others: absent,
			make: func(w *aviary) ask { return ask{path: "/v1/posts/" + w.owner.post("short", "visibility", "mentioned")} }},
		page("GET /v1/posts/{id}/comments", "opt", "/v1/posts/{shown}/comments"),
		{op: "GET /v1/posts/{id}/comments", auth: "opt", mine: "200", others: absent,
			make: at("/v1/posts/{hidden}/comments"), stays: true},
		{op: "PUT /v1/posts/{id}/like", auth: posts, mine: "200", make: at("/v1/posts/{shown}/like"), stays: true},
		{op: "PUT /v1/posts/{id}/like", auth: posts, mine: "200", others: absent, make: at("/v1/posts/{hidden}/like"),
			stays: true},
		{op: "DELETE /v1/posts/{id}/like", auth: posts, mine: "200", make: at("/v1/posts/{shown}/like"), stays: true},
		{op: "DELETE /v1/posts/{id}/like", auth: posts, mine: "200", others: absent, make: at("/v1/posts/{hidden}/like"),
			stays: true},
		page("GET /v1/posts/{id}/likes", "opt", "/v1/posts/{shown}/likes"),
		{op: "GET /v1/posts/{id}/likes", auth: "opt", mine: "200", others: absent, make: at("/v1/posts/{hidden}/likes"),
			stays: true},
		page("GET /v1/timelines/local", "opt", "/v1/timelines/local?limit=100"),
		page("GET /v1/tags/{tag}/posts", "opt", "/v1/tags/nest/posts"),
		{op: "GET /v1/timelines/home", auth: read, mine: "200", secret: true, make: at("/v1/timelines/home?limit=100"),
			stays: true},
	}
	rows = append(rows, w.rowsOfMedia(posts)...)
	rows = append(rows, w.rowsOfNotifications(at, with, marks)...)
	return append(rows, w.rowsOfEndpoints(at, account)...)
}

func (w *aviary) rowsOfMedia(posts string) []row {
	absent, read := "404 not_found", string(social.ScopeRead)
	type m = map[string]any
	one := func(body any) func(*aviary) ask {
		return func(w *aviary) ask { return ask{path: "/v1/media/" + w.owner.picture(kestrel).ID.String(), body: body} }
	}
	return []row{
		{op: "POST /v1/media", auth: posts, mine: "201", stays: true, make: func(w *aviary) ask {
			kind, form := pictureForm(w.t, tinyPicture(w.t), "alt", "a perch")
			return ask{path: "/v1/media", body: form, kind: kind}
		}},
		{op: "GET /v1/media/{id}", auth: read, mine: "200", others: absent, secret: true, make: one(nil), stays: true},
		{op: "PATCH /v1/media/{id}", auth: posts, mine: "200", others: absent, secret: true,
			make: one(m{"alt": "another " + kestrel}), stays: true},
		{op: "DELETE /v1/media/{id}", auth: posts, mine: "204", others: absent, make: one(nil)},
		{op: "GET /media/{token}/{name}", auth: "-", mine: "200", stays: true, make: func(w *aviary) ask {
			return ask{path: mustURL(w.t, *w.owner.picture("a perch").URL).Path}
		}},
	}
}

func (w *aviary) rowsOfNotifications(at func(string, ...any) func(*aviary) ask,
	with func(string, func(*aviary) map[string]any) func(*aviary) ask, marks string) []row {
	type m = map[string]any
	absent, read, events := "404 not_found", string(social.ScopeRead), string(social.ScopeEvents)
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
		{op: "GET /v1/notifications/{id}", auth: read, mine: "200", others: absent, secret: true,
			make: at("/v1/notifications/{note}"), stays: true},
		{op: "GET /v1/notifications/groups/{key}", auth: read, mine: "200", others: absent, secret: true,
			make: at("/v1/notifications/groups/{note}"), stays: true},
		{op: "POST /v1/notifications/seen", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/seen", func(w *aviary) map[string]any { return m{"up_to": w.note} })},
		{op: "POST /v1/notifications/read", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/read", func(w *aviary) map[string]any { return m{"ids": []string{w.note}} })},
		{op: "POST /v1/notifications/read", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/read", func(w *aviary) map[string]any { return m{"up_to": w.note} })},
		{op: "POST /v1/notifications/read", auth: marks, mine: "200", others: absent, stays: true,
			make: with("/v1/notifications/read", func(w *aviary) map[string]any { return m{"group": w.note} })},
		one("PUT /v1/notifications/{id}/read", "/v1/notifications/{note}/read"), one("DELETE /v1/notifications/{id}/read",
			"/v1/notifications/{note}/read"),
		one("PUT /v1/notifications/{id}/archived", "/v1/notifications/{note}/archived"),
		one("DELETE /v1/notifications/{id}/archived", "/v1/notifications/{note}/archived"),
		{op: "DELETE /v1/notifications/{id}", auth: marks, mine: "204", others: absent, make: func(w *aviary) ask {
			w.count++
			var pushed struct{ Notification struct{ ID string } }
			service := w.askers[slices.IndexFunc(w.askers, func(c asker) bool { return c.is == "service" })]
			service.who.want(201, "POST", "/v1/notifications", m{"receiver": "@olive", "type": "short", "content": kestrel},
				&pushed, service.header)
			return ask{path: "/v1/notifications/" + pushed.Notification.ID}
		}},
		{op: "POST /v1/notifications", auth: string(social.ScopeNotifySend), mine: "201", stays: true,
			make: at("/v1/notifications", m{"receiver": "@otto", "type": "hint", "content": "from the matrix"})},
	}
}

func (w *aviary) rowsOfEndpoints(at func(string, ...any) func(*aviary) ask, account string) []row {
	type m = map[string]any
	absent, read := "404 not_found", string(social.ScopeRead)
	const one = "/v1/me/endpoints/{endpoint}"
	return []row{
		{op: "GET /v1/me/endpoints", auth: read, mine: "200", secret: true, make: at("/v1/me/endpoints"), stays: true},
		{op: "POST /v1/me/endpoints", auth: account, mine: "201", make: at("/v1/me/endpoints", m{"channel": "webhook",
			"settings": m{"url": "https://bot.example/"}}), stays: true},
		{op: "GET /v1/me/endpoints/{id}", auth: read, mine: "200", others: absent, secret: true, make: at(one), stays: true},
		{op: "PATCH /v1/me/endpoints/{id}", auth: account, mine: "200", others: absent, secret: true,
			make: at(one, m{"name": "still " + kestrel}), stays: true},
		{op: "DELETE /v1/me/endpoints/{id}", auth: account, mine: "204", others: absent, make: func(w *aviary) ask {
			var made struct{ ID string }
			w.owner.want(201, "POST", "/v1/me/endpoints", m{"channel": "webhook", "settings": m{"url": "https://bot.example/"}},
				&made)
			return ask{path: "/v1/me/endpoints/" + made.ID}
		}},
		{op: "POST /v1/me/endpoints/{id}/rotate-secret", auth: account, mine: "200", others: absent, secret: true,
			make: at(one+"/rotate-secret", m{}), stays: true},
		{op: "POST /v1/me/endpoints/{id}/test", auth: account, mine: "202", others: absent, make: at(one + "/test"),
			stays: true},
		{op: "GET /v1/me/endpoints/{id}/deliveries", auth: read, mine: "200", others: absent, make: at(one + "/deliveries"),
			stays: true},
		{op: "GET /v1/me/endpoints/{id}/deliveries/{delivery_id}", auth: read, mine: "200", others: absent,
			make: at(one + "/deliveries/{delivery}"), stays: true},
		{op: "POST /v1/me/endpoints/{id}/deliveries/{delivery_id}/retry", auth: account, mine: "202", others: absent,
			make: at(one + "/deliveries/{delivery}/retry"), stays: true},
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
		if r.Method == "HEAD" || r.Method == "OPTIONS" || strings.HasPrefix(r.Path, "/docs/") || strings.HasPrefix(r.Path,
			"/assets/") {
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
		req.Header.Set("Content-Type", cmp.Or(a.kind, "application/json"))
	}
	if a.accept != "" {
		req.Header.Set("Accept", a.accept)
	}
	header := c.header
	if a.signIn && c.scope != "" {
		header = w.another(c)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
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
