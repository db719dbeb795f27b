package sse

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

func TestStatus(t *testing.T) {
	s := serve(t, newWorld(), testConfig())
	for name, tt := range map[string]struct {
		method, path string
		headers      []string
		want         string
	}{
		"stream":                 {"GET", "/v1/events", []string{stream, "Test-User: 1"}, "200"},
		"json is passed on":      {"GET", "/v1/events", []string{"Accept: application/json", "Test-User: 1"}, "200 json"},
		"anything is passed on":  {"GET", "/v1/events", []string{"Accept: */*"}, "200 json"},
		"no accept is passed on": {"GET", "/v1/events", nil, "200 json"},
		"stream below json": {"GET", "/v1/events", []string{"Accept: text/event-stream;q=0.5, application/json"},
			"200 json"},
		"stream with q=0":            {"GET", "/v1/events", []string{"Accept: text/event-stream;q=0, */*"}, "200 json"},
		"nobody":                     {"GET", "/v1/events", []string{stream}, "401"},
		"a service token":            {"GET", "/v1/events", []string{stream, "Test-User: service"}, "403"},
		"a token without events":     {"GET", "/v1/events", []string{stream, "Test-User: 1-read"}, "403"},
		"suspended":                  {"GET", "/v1/events", []string{stream, "Test-User: 1-suspended"}, "403"},
		"unknown type":               {"GET", "/v1/events?types=nonsense", []string{stream, "Test-User: 1"}, "422"},
		"bad posts":                  {"GET", "/v1/events?posts=some", []string{stream, "Test-User: 1"}, "422"},
		"thin payload":               {"GET", "/v1/events?payload=thin", []string{stream, "Test-User: 1"}, "422"},
		"unknown parameter":          {"GET", "/v1/events?user=2", []string{stream, "Test-User: 1"}, "422"},
		"twice":                      {"GET", "/v1/events?after=now&after=oldest", []string{stream, "Test-User: 1"}, "422"},
		"head of nobody":             {"HEAD", "/v1/events", []string{stream}, "401"},
		"head of a bad parameter":    {"HEAD", "/v1/events?types=x", []string{stream, "Test-User: 1"}, "422"},
		"aliases are switched off":   {"GET", "/connect", []string{stream, "Test-User: 1"}, "404"},
		"aliases are switched off 2": {"GET", "/sub", []string{stream, "Test-User: 1"}, "404"},
		"another method":             {"POST", "/v1/events", []string{stream, "Test-User: 1", "Content-Length: 0"}, "405"},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.ask(tt.method, tt.path, tt.headers...)
			got := strings.Fields(c.status)[1]
			if c.head.Get("Content-Length") == fmt.Sprint(len(`{"items":[]}`)) && got == "200" {
				got += " json"
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got == "200" && c.expect("ready").id == "" {
				t.Error("no ready")
			}
		})
	}
}

// TestHead: the head of a stream without a stream, and the connection goes on (H20).
func TestHead(t *testing.T) {
	cfg := testConfig()
	cfg.Aliases = []string{"connect"}
	s := serve(t, newWorld(), cfg)
	for _, path := range []string{"/v1/events", "/connect"} {
		c := s.ask("HEAD", path, stream, "Test-User: 1")
		if c.status != "HTTP/1.1 200 OK" || c.head.Get("Content-Type") != "text/event-stream" ||
			c.head.Get("Cache-Control") != "no-store, no-transform" ||
			c.head.Get("X-Accel-Buffering") != "no" || c.head.Get("Content-Length") != "" ||
			c.head.Get("Transfer-Encoding") != "" { // as the stream itself; HTTP/1.0 does not know it
			t.Errorf("%s: %s %v", path, c.status, c.head)
		}
		c.send("GET", "/v1/events", "Accept: application/json", "Test-User: 1")
		body := make([]byte, len(`{"items":[]}`))
		if _, err := io.ReadFull(c.r, body); err != nil || string(body) != `{"items":[]}` || c.r.Buffered() != 0 {
			t.Errorf("%s: the connection is not usable after HEAD: %q %v", path, body, err)
		}
		c.send("GET", "/v1/events", stream, "Test-User: 1")
		c.expect("ready")
		if n := s.seats.openedNow(); n != 1 {
			t.Errorf("%s: %d places were taken, want only the stream's", path, n)
		}
		c.conn.Close()
		s.seats.await(0)
		s.seats.opened = 0
	}
}

func (s *seats) openedNow() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// TestPipelined: bytes sent behind the request are dropped and harm nothing.
func TestPipelined(t *testing.T) {
	w := newWorld()
	s := serve(t, w, testConfig())
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	req := "GET /v1/events HTTP/1.1\r\nHost: x\r\n" + stream + "\r\nTest-User: 1\r\n\r\n"
	if _, err := io.WriteString(conn, req+req+"junk"); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn, r: bufio.NewReader(conn)}
	s.clients = append(s.clients, c)
	for line := ""; line != "\r\n"; {
		if line, err = c.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	c.expect("ready")
	s.idle()
	w.notify(1)
	c.expect("notification")
}

// TestDocument: the operation holds the stream, whoever came first.
func TestDocument(t *testing.T) {
	cfg := testConfig()
	cfg.Aliases = frames.PresetNames()
	for _, first := range []bool{true, false} {
		var doc *huma.OpenAPI
		serve(t, newWorld(), cfg, func(s *site) {
			doc = s.doc
			if !first {
				plugins.DescribeEvents(doc, "application/json", &huma.Schema{Type: "object"})
			}
		})
		if first {
			plugins.DescribeEvents(doc, "application/json", &huma.Schema{Type: "object"})
		}
		get := doc.Paths["/v1/events"].Get
		if len(get.Responses["200"].Content) != 2 || get.Responses["200"].Content["text/event-stream"] == nil {
			t.Errorf("first %v: content %v", first, get.Responses["200"].Content)
		}
		for _, name := range frames.PresetNames() {
			p := frames.PresetOf(name)
			if doc.Paths[p.Path] == nil || doc.Paths[p.Path].Get == nil {
				t.Errorf("%s is not in the document", p.Path)
			}
		}
		if _, err := json.Marshal(doc); err != nil {
			t.Error(err)
		}
	}
}

func TestAliases(t *testing.T) {
	cfg := testConfig()
	cfg.Aliases = frames.PresetNames()
	for name, tt := range map[string]struct{ path, first, note, post string }{
		"connect": {"/connect", "event: sse\nretry: R\ndata: {\"message\":\"EventStream created\",\"user_id\":\"" +
			id(1).String() + "\"}\n\n",
			"event: sse\ndata: {\"text\":\"Bob liked\\nyour post\"}\n\n", "event: sse\ndata: {\"text\":\"line\\u2028two\"}\n\n"},
		"sub": {"/sub", "event: connect\nretry: R\ndata: {\"message\":\"connected\"}\n\n",
			"event: notification\ndata: Bob liked your post\n\n", "event: notification\ndata: line two\n\n"},
		"alarm": {"/api/v1/users/alarm/subscribe", "event: alarm\nretry: R\ndata: connect complete\n\n",
			"event: alarm\ndata: new alarm\n\n", "event: alarm\ndata: new alarm\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.follow(1, 2, true)
			w.follow(1, 3, false)
			s := serve(t, w, cfg)
			c := s.ask("GET", tt.path, "Test-User: 1")
			b, _, err := c.next()
			if got := strings.Replace(b.raw, b.retry, "R", 1); err != nil || got != "id: 1-2\n"+tt.first {
				t.Errorf("first: %q, %v", b.raw, err)
			}
			s.idle()
			events := func() {
				w.commit(to(1), "notification", `{"text":"Bob liked\nyour post"}`)
				w.commit(to(1), "notification.updated", `{}`)
				w.commit(to(1), "read_state", `{}`)
				w.commit(by(3), "post.created", `{"text":"bell off"}`)
				w.commit(by(2), "post.created", `{"text":"line\u2028two"}`)
				w.commit(by(2), "post.deleted", `{}`)
				w.commit(to(1), "notification", `{"text":"","author":{"display_name":"B\r\nob"}}`)
			}
			events()
			s.idle()
			replay := s.ask("GET", tt.path+"?lastEventId=1-2", "Test-User: 1", stream)
			if b, _, _ := replay.next(); b.id != "1-2" {
				t.Errorf("first of a replay: %q", b.raw)
			}
			for _, c := range []*client{c, replay} {
				if b, _, err := c.next(); err != nil || b.raw != "id: 1-3\n"+tt.note {
					t.Errorf("notification: %q, %v", b.raw, err)
				}
				if b, _, err := c.next(); err != nil || b.raw != "id: 1-7\n"+tt.post {
					t.Errorf("post: %q, %v", b.raw, err)
				}
				if b, _, err := c.next(); err != nil || b.id != "1-9" || (name == "sub" && b.data != "B ob posted") {
					t.Errorf("without text: %q, %v", b.raw, err)
				}
			}
			if c := s.ask("GET", tt.path, "Test-User: 1", "Accept: application/json"); !strings.Contains(c.status, "406") {
				t.Errorf("json: %s", c.status)
			}
			if c := s.ask("GET", tt.path, stream); !strings.Contains(c.status, "401") {
				t.Errorf("nobody: %s", c.status)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	if _, err := Factory.Decode(nil); err != nil {
		t.Error(err)
	}
	for section, want := range map[string]string{
		"heartbeat: 0s":                "heartbeat: must be positive",
		"max_age: -1s":                 "max_age: must not be negative; 0 = never",
		"tail_bytes: 1KiB":             "tail_bytes: at least 4KiB",
		"catch_up_workers: 0":          "catch_up_workers: from 1 to 1024",
		"max_streams_per_address: -1":  "max_streams_per_address: must not be negative; 0 = no bound",
		"aliases: [connect, teleport]": `aliases[1]: there is no "teleport"; known are connect, sub, alarm`,
		"aliases: [sub, sub]":          `aliases[1]: "sub" stands there twice`,
		"holder: select":               "holder: auto, epoll or goroutine",
		"heart_beat: 15s":              "unknown field",
		"progress_timeout: a while":    "duration",
	} {
		_, err := Factory.Build([]byte(section), plugins.Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", section, err, want)
		}
	}
	for section, want := range map[string]func(*Config) bool{
		"tail_bytes: 1MiB\nmax_age: 0s": func(c *Config) bool {
			return c.TailBytes == 1<<20 && c.MaxAge == 0 && c.Heartbeat == defaults.Heartbeat
		},
		"aliases: [alarm]": func(c *Config) bool { return len(c.Aliases) == 1 },
	} {
		settings, err := Factory.Decode(func(into any) error { return unmarshal(section, into) })
		if err != nil || !want(settings.(*Config)) {
			t.Errorf("%s: %+v %v", section, settings, err)
		}
	}
}
