package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The hostile inputs are numbered as in the project's list of them; each sub-test has its number.

// raw writes bytes to a fresh connection and reads one answer. closed: the server ended the connection after it.
func (s *site) raw(t *testing.T, request string) (resp *http.Response, body string, closed bool) {
	t.Helper()
	conn, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(deadline))
	_, _ = io.WriteString(conn, request) // the server may have answered and closed already
	r := bufio.NewReader(conn)
	resp, err = http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("body: %v", err)
	}
	if resp.Close {
		rest, _ := io.ReadAll(r)
		if len(rest) > 0 {
			t.Errorf("more comes after the answer: %q", rest)
		}
	}
	return resp, string(text), resp.Close
}

// sub is a sub-test whose failures are its own.
func (s *site) sub(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(inner *testing.T) {
		s.t = inner
		defer func() { s.t = t }()
		f(inner)
	})
}

// problem is what section 1.9 of the contract says of an error.
type problem struct {
	Type, Title, Detail, Instance, Code string
	Status                              int
	RequestID                           string `json:"request_id"`
	Errors                              []struct{ In, Pointer, Code, Detail string }
	RetryAfter                          *int `json:"retry_after"`
	Gap                                 *struct {
		From   *string
		To     string
		Reason string
		Heal   []string
	}
}

// refused asks and wants a problem.
func (p *person) refused(t *testing.T, status int, code, method, path string, body any, header ...string) (problem,
	*http.Response) {
	t.Helper()
	resp, text := p.do(method, path, body, header...)
	var got problem
	if err := json.Unmarshal(text, &got); err != nil {
		t.Errorf("%s %s: %d with no problem: %.200s", method, path, resp.StatusCode, text)
	}
	if resp.StatusCode != status || got.Code != code || got.Status != status {
		t.Errorf("%s %s: got %d %s, want %d %s: %.300s", method, path, resp.StatusCode, got.Code, status, code, text)
	}
	return got, resp
}

// field reports whether a problem names this field with this code.
func (p problem) field(in, pointer, code string) bool {
	return slices.ContainsFunc(p.Errors, func(e struct{ In, Pointer, Code, Detail string }) bool {
		return e.In == in && e.Pointer == pointer && e.Code == code
	})
}

// operation is one operation of the program's own document.
type operation struct {
	method, path string
	query        []string
	body         bool
}

// needs is the beginning of a query that the operation takes.
func (o operation) needs() string {
	if o.path == "/v1/search" {
		return "?type=users&q=a&"
	}
	return "?"
}

// operations reads them from the running program.
func (s *site) operations(t *testing.T) []operation {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters  []struct{ Name, In string }
			RequestBody *struct{ Content map[string]any }
		}
	}
	s.anonymous().want(200, "GET", "/openapi.json", nil, &doc)
	var out []operation
	for path, item := range doc.Paths {
		for method, op := range item {
			o := operation{method: strings.ToUpper(method), path: path, body: op.RequestBody != nil}
			for _, p := range op.Parameters {
				if p.In == "query" {
					o.query = append(o.query, p.Name)
				}
			}
			out = append(out, o)
		}
	}
	if len(out) < 50 {
		t.Fatalf("the document has only %d operations", len(out))
	}
	return out
}

func TestHostileFraming(t *testing.T) {
	s := startSite(t, map[string]string{"server.read_timeout": "250ms"})
	alice := s.register("alice")
	cookie := alice.http.Jar.Cookies(mustURL(t, s.URL))[0]
	head := "POST /v1/posts HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\nCookie: " + cookie.Name +
		"=" + cookie.Value + "\r\nContent-Type: application/json\r\n"
	const run = `{"text":"smuggled"}`
	second := head + "Content-Length: " + strconv.Itoa(len(run)) + "\r\n\r\n" + run
	for _, tt := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"H1 length over the limit", head + "Content-Length: 65537\r\n\r\n", 413, "body_too_large"},
		{"H2 chunks over the limit", head + "Transfer-Encoding: chunked\r\n\r\n10001\r\n" + strings.Repeat("x", 65537), 413,
			"body_too_large"},
		{"H3 expect", head + "Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n", 413, "body_too_large"},
		{"H4 headers", head + "X-Long: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", 431, "headers_too_large"},
		{"H5 two lengths", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + second, 400, "bad_request"},
		{"H6 length and encoding", head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" +
			second, 400, "bad_request"},
		{"H7 xchunked", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + second, 400, "bad_request"},
		{"H8 no host", "GET /v1/me HTTP/1.1\r\n\r\n", 400, "bad_request"},
		{"H8 two hosts", head + "Host: evil.example\r\n\r\n", 400, "bad_request"},
		{"H8 foreign host on the stream",
			"GET /v1/events HTTP/1.1\r\nHost: evil.example\r\nAccept: text/event-stream\r\n\r\n", 400, "bad_request"},
		{"H9 HTTP/0.9", "GET /v1/me\r\n", 400, "bad_request"},
		{"H9 folded header", head + "X-A: 1\r\n X-B: 2\r\n\r\n", 400, "bad_request"},
		{"H9 space in a name", head + "X Y: 1\r\n\r\n", 400, "bad_request"},
		{"H10 TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\nclient", 400, "bad_request"},
		{"H11 header that stops", "GET /v1/me HTTP/1.1\r\nHo", 408, "request_timeout"},
		{"H12 body that stops", head + "Content-Length: 100\r\n\r\n{", 408, "request_timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, closed := s.raw(t, tt.request)
			var p problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != tt.status || p.Code != tt.code {
				t.Errorf("got %d %.200s, want %d %s", resp.StatusCode, body, tt.status, tt.code)
			}
			if !closed {
				t.Error("the connection stays open")
			}
		})
	}
	var list struct{ Items []struct{ Text string } }
	if alice.want(200, "GET", "/v1/users/"+alice.ID+"/posts", nil, &list); len(list.Items) != 0 {
		t.Errorf("a smuggled request ran: %+v", list.Items)
	}
}

func TestHostileInput(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	post := alice.post("one")

	s.sub(t, "H22 JSON", func(t *testing.T) {
		for name, body := range map[string]string{
			"cut":            `{"text":"a"`,
			"trailing bytes": `{"text":"a"}{}`,
			"twice":          `{"text":"a","text":"b"}`,
			"deep":           `{"text":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
			"33 levels":      strings.Repeat(`{"text":`, 33) + `1` + strings.Repeat("}", 33),
			"NaN":            `{"text":NaN}`,
			"1e999":          `{"text":1e999}`,
			"lone surrogate": `{"text":"\ud800"}`,
			"bad UTF-8":      "{\"text\":\"\xff\"}",
			"empty":          ``,
			"no JSON":        `text=a`,
		} {
			p, _ := alice.refused(t, 400, "invalid_json", "POST", "/v1/posts", []byte(body))
			if strings.Contains(p.Detail, "NaN") || len(p.Errors) != 0 {
				t.Errorf("%s: %+v", name, p)
			}
		}
		for body, field := range map[string][2]string{
			`{"text":"a\u0000b"}`: {"/text", "bad_format"},
			`{"text":"a\rb"}`:     {"/text", "bad_format"},
			`{"text":7}`:          {"/text", "wrong_type"},
			`{"text":""}`:         {"/text", "required"},
			`{"TEXT":"a"}`:        {"/TEXT", "unknown_field"},
			`{"text":"` + strings.Repeat("é", 5001) + `"}`: {"/text", "too_long"},
		} {
			if p, _ := alice.refused(t, 422, "validation_failed", "POST", "/v1/posts", []byte(body)); !p.field("body", field[0],
				field[1]) {
				t.Errorf("%.40s: %+v, want %v", body, p.Errors, field)
			}
		}
		alice.want(201, "POST", "/v1/posts", map[string]any{"text": strings.Repeat("é", 5000)}, nil)
		var made struct{ Text string }
		if alice.want(201, "POST", "/v1/posts", map[string]any{"text": "e\u0301"}, &made); made.Text != "é" {
			t.Errorf("the text is not in normal form C: %q", made.Text)
		}
	})

	s.sub(t, "H23 unknown and server-owned fields", func(t *testing.T) {
		tested := 0
		for _, op := range s.operations(t) {
			if !op.body || op.path == "/v1/notifications" || op.path == "/v1/media" {
				continue // a service token's, asked below; a form, in app/server
			}
			tested++
			for _, field := range []string{"is_admin", "role", "id", "author_id", "created_at", "$schema"} {
				if p, _ := alice.refused(t, 422, "validation_failed", op.method, fill(op.path, alice.ID, post),
					map[string]any{field: "x"}); !p.field("body", "/"+field, "unknown_field") {
					t.Errorf("%s %s does not name %s: %+v", op.method, op.path, field, p.Errors)
				}
			}
		}
		if tested < 10 {
			t.Errorf("only %d operations with a body were found", tested)
		}
		var me struct{ Role string }
		if alice.want(200, "GET", "/v1/me", nil, &me); me.Role != "user" {
			t.Errorf("alice became %s", me.Role)
		}
		for _, op := range s.operations(t) {
			if op.method+" "+op.path == "POST /v1/notifications" {
				continue
			}
			if p, _ := alice.refused(t, 422, "validation_failed", op.method, fill(op.path, alice.ID, post)+"?surprise=1",
				nil); !p.field("query", "/surprise", "unknown_field") {
				t.Errorf("%s %s takes an unknown query parameter: %+v", op.method, op.path, p)
			}
		}
	})

	s.sub(t, "H24 forms", func(t *testing.T) {
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain",
			"application/json; charset=utf-16"} {
			alice.refused(t, 415, "unsupported_media_type", "POST", "/v1/posts", []byte("text=a&user[0][9999999999]=1&a[-1]=2"),
				"Content-Type: "+kind)
		}
	})

	s.sub(t, "H25 limit", func(t *testing.T) {
		lists := 0
		for _, op := range s.operations(t) {
			if !slices.Contains(op.query, "limit") {
				continue
			}
			lists++
			path := fill(op.path, alice.ID, post)
			if strings.Contains(op.path, "{key}") || strings.Contains(op.path, "/endpoints/{id}") {
				path = strings.NewReplacer(post, alice.ID).Replace(path) // refused before anything is looked up
			}
			for _, q := range []string{"limit=-1", "limit=0", "limit=101", "limit=1e9", "limit=abc",
				"limit=99999999999999999999"} {
				if p, _ := alice.refused(t, 422, "validation_failed", op.method, path+op.needs()+q, nil); len(p.Errors) != 1 ||
					p.Errors[0].In != "query" || p.Errors[0].Pointer != "/limit" {
					t.Errorf("%s?%s: %+v", op.path, q, p.Errors)
				}
			}
			if p, _ := alice.refused(t, 422, "validation_failed", op.method, path+op.needs()+"limit=1&limit=2",
				nil); !p.field("query", "/limit", "duplicate") {
				t.Errorf("%s with two limits: %+v", op.path, p.Errors)
			}
		}
		if lists < 12 {
			t.Errorf("only %d lists were found", lists)
		}
	})

	s.sub(t, "H26 page cursors", func(t *testing.T) {
		bob.follow(alice)
		var page struct{ Next string }
		alice.want(200, "GET", "/v1/timelines/home?limit=1", nil, &page)
		if page.Next == "" {
			t.Fatal("there is no second page")
		}
		alice.want(200, "GET", "/v1/timelines/home?limit=1&cursor="+page.Next, nil, nil)
		for i := range len(page.Next) {
			other := byte('A')
			if page.Next[i] == other {
				other = 'Q'
			}
			forged := page.Next[:i] + string(other) + page.Next[i+1:]
			if i == len(page.Next)-1 && len(page.Next)%4 != 0 {
				continue // the last character of unpadded base64 may differ in bits that are not used
			}
			alice.refused(t, 400, "invalid_cursor", "GET", "/v1/timelines/home?cursor="+forged, nil)
		}
		bob.refused(t, 400, "invalid_cursor", "GET", "/v1/timelines/home?cursor="+page.Next, nil)
		for _, op := range s.operations(t) {
			if slices.Contains(op.query, "cursor") && op.path != "/v1/timelines/home" && !strings.Contains(op.path,
				"/endpoints/{id}") {
				path := fill(op.path, alice.ID, post) + op.needs()
				alice.refused(t, 400, "invalid_cursor", op.method, path+"cursor="+page.Next, nil)
				alice.refused(t, 400, "invalid_cursor", op.method, path+"cursor=junk", nil)
			}
		}
		for _, filter := range []string{"/v1/users/" + alice.ID + "/posts", "/v1/posts/" + post + "/comments"} {
			alice.post("below", "reply_to", post)
			alice.post("below too", "reply_to", post)
			if alice.want(200, "GET", filter+"?limit=1", nil, &page); page.Next != "" {
				other := map[bool]string{true: "&comments=true", false: "&order=newest"}[strings.Contains(filter, "users")]
				alice.refused(t, 400, "invalid_cursor", "GET", filter+"?cursor="+page.Next+other, nil)
				s.anonymous().refused(t, 400, "invalid_cursor", "GET", filter+"?cursor="+page.Next, nil)
			} else {
				t.Errorf("%s has no second page", filter)
			}
		}
	})

	s.sub(t, "H42 paths", func(t *testing.T) {
		host := strings.TrimPrefix(s.URL, "http://")
		for _, target := range []string{"/../../etc/passwd", "/%2e%2e%2fetc%2fpasswd", "/assets/../../app.go",
			"/assets/..%2f..%2fgo.mod", "/assets/..\\..\\go.mod",
			"/assets/%00", "/docs/..%2fserver.go", "/v1/posts/%00", "/v1/posts/..%2f..%2fme", "/v1/users/by-name/%2e%2e", "/" +
				strings.Repeat("a/", 5000), "/v1//me", "/V1/me", "/v1/me/"} {
			resp, body, _ := s.raw(t, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
			if resp.StatusCode != 400 && resp.StatusCode != 404 {
				t.Errorf("%.40q: %d %.100s", target, resp.StatusCode, body)
			}
			if strings.Contains(body, "package ") || strings.Contains(body, "root:") || strings.Contains(body,
				"module github.com") {
				t.Errorf("%.40q shows a file: %.100s", target, body)
			}
		}
	})

	s.sub(t, "H53 names and log lines", func(t *testing.T) {
		const evil = "\x1b[31mred\n{\"level\":\"error\"}"
		for _, field := range []string{"display_name", "bio"} {
			if p, _ := alice.refused(t, 422, "validation_failed", "PATCH", "/v1/me",
				map[string]any{field: evil}); !p.field("body", "/"+field, "bad_format") {
				t.Errorf("%s: %+v", field, p.Errors)
			}
		}
		alice.want(200, "GET", "/v1/me", nil, nil, "User-Agent: kestrel\tkestrel", "X-Request-Id: kestrel kestrel")
		alice.do("GET", "/v1/posts/kestrel%1b%5b31m%0a", nil)
		alice.do("GET", "/kestrel%1b%5b31m%0a", nil)
		for _, line := range s.Logs.All() {
			text, err := json.Marshal(line.ContextMap())
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("kestrel")) && !strings.Contains(string(text), `"path":"/kestrel%1b%5b31m%0a"`) {
				t.Errorf("a log line repeats what a client sent: %s", text)
			}
		}
	})

	s.sub(t, "H54 the first account", func(t *testing.T) {
		var me struct{ Role string }
		alice.want(200, "GET", "/v1/me", nil, &me)
		if me.Role != "user" {
			t.Errorf("the first to register is %s", me.Role)
		}
		if p, _ := s.anonymous().refused(t, 422, "validation_failed", "POST", "/v1/auth/register",
			map[string]any{"username": "boss", "password": password, "role": "admin"}); !p.field("body", "/role",
			"unknown_field") {
			t.Errorf("%+v", p.Errors)
		}
		for _, name := range []string{"admin", "Administrator", "root", "moderator", "belfry"} {
			s.anonymous().refused(t, 409, "username_taken", "POST", "/v1/auth/register", map[string]any{"username": name,
				"password": password})
		}
	})
}

// fill puts a person's and a post's id into the path of an operation.
func fill(path, user, post string) string {
	if strings.HasPrefix(path, "/v1/users/") {
		path = strings.Replace(path, "{id}", user, 1)
	}
	return strings.NewReplacer("{id}", post, "{key}", post, "{delivery_id}", post, "{username}", "alice", "{tag}",
		"dawn").Replace(path)
}
