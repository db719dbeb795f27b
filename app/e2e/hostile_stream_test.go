package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// bye reads the data of a bye block.
func (b block) bye(t *testing.T) (reason string, retry int) {
	t.Helper()
	var data struct {
		Reason  string
		RetryMS *int `json:"retry_ms"`
		Cursor  *string
	}
	if err := json.Unmarshal([]byte(b.Data), &data); err != nil || b.Event != "bye" {
		t.Fatalf("no bye: %+v, %v", b, err)
	}
	if data.RetryMS != nil {
		retry = *data.RetryMS
		if b.Retry != strconv.Itoa(retry) {
			t.Errorf("retry %q in the block, %d in the data", b.Retry, retry)
		}
	} else if b.Retry != "" {
		t.Errorf("retry %q in the block, none in the data", b.Retry)
	}
	if (data.Cursor == nil) != (b.ID == "") || (data.Cursor != nil && *data.Cursor != b.ID) {
		t.Errorf("the bye has the id %q and the cursor %v", b.ID, data.Cursor)
	}
	return data.Reason, retry
}

// ended waits for the end of a stream, which has to come between blocks, with nothing before it.
func (s *stream) ended(t *testing.T) {
	t.Helper()
	select {
	case b, more := <-s.Blocks:
		if more {
			t.Errorf("after the end came %+v", b)
		} else if s.err != io.EOF {
			t.Errorf("the stream ended with %v", s.err)
		}
	case <-time.After(deadline):
		t.Error("the stream does not end")
	}
}

func TestHostileCaps(t *testing.T) {
	t.Run("H15 one more than the cap", func(t *testing.T) {
		s := startSite(t, nil)
		alice, bob := s.register("alice"), s.register("bob")
		var open []*stream
		for range 10 {
			c, _ := alice.stream("")
			open = append(open, c)
		}
		other, _ := bob.stream("")
		eleventh, ready := alice.stream("")
		if ready.Event != "ready" {
			t.Fatalf("the eleventh stream begins with %+v", ready)
		}
		if reason, retry := open[0].next().bye(t); reason != "too_many" || retry < 60_000 || retry > 120_000 {
			t.Errorf("the oldest is told %s, retry %d", reason, retry)
		}
		open[0].ended(t)
		bob.follow(alice)
		for i, c := range append(open[1:], eleventh) {
			if c.await("notification").ID == "" {
				t.Errorf("stream %d heard nothing", i)
			}
		}
		other.await("follow.changed")
		// A long poll counts as well; the oldest over the cap, it is answered at once and empty.
		for range 10 {
			c, _ := alice.stream("")
			open = append(open, c)
		}
		oldest, poll := open[len(open)-10], make(chan string, 1)
		go func() {
			resp, body := alice.do("GET", "/v1/events?wait=60", nil)
			poll <- resp.Status + string(body)
		}()
		if reason, _ := oldest.await("bye").bye(t); reason != "too_many" {
			t.Errorf("the poll ended the oldest stream with %s", reason)
		}
		for range 10 {
			alice.stream("")
		}
		select {
		case got := <-poll:
			if !strings.HasPrefix(got, `200 OK{"items":[],`) {
				t.Errorf("the waiting poll was answered %s", got)
			}
		case <-time.After(deadline):
			t.Error("the waiting poll was not answered")
		}
	})
	t.Run("H16 more than the site takes", func(t *testing.T) {
		s := startSite(t, map[string]string{"server.max_streams": "3"})
		alice, bob := s.register("alice"), s.register("bob")
		for range 3 {
			alice.stream("")
		}
		full, b := bob.stream("?after=oldest")
		if reason, retry := b.bye(t); reason != "overload" || retry < 5_000 || retry > 30_000 || b.ID != "" {
			t.Errorf("told %s, retry %d, id %q", reason, retry, b.ID)
		}
		full.ended(t)
		p, resp := bob.refused(t, 503, "overloaded", "GET", "/v1/events?wait=5", nil)
		if resp.Header.Get("Retry-After") == "" || p.RetryAfter == nil {
			t.Error("the long poll is not told when to come back")
		}
		bob.want(200, "GET", "/v1/events", nil, nil) // a poll holds nothing
	})
}

func TestHostileCursors(t *testing.T) {
	var log storage.Log
	s := startSite(t, nil, append(app.Standard(), fx.Populate(&log))...)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)
	for range 5 {
		alice.post("for bob")
	}
	var page struct {
		Items        []struct{ ID string }
		Head, Oldest string
	}
	all, _ := bob.stream("?after=oldest")
	for range 6 { // the answer to a write may come before the log has it
		all.next()
	}
	bob.want(200, "GET", "/v1/events?after=oldest&limit=100", nil, &page)
	if len(page.Items) != 6 {
		t.Fatalf("bob has %d events, want the follow and 5 posts", len(page.Items))
	}
	trimmed := page.Items[0].ID
	at, err := social.ParseCursor(page.Items[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Trim(t.Context(), at.Seq, 1000); err != nil {
		t.Fatal(err)
	}
	bob.want(200, "GET", "/v1/events?after=oldest&limit=100", nil, &page)
	if len(page.Items) != 3 {
		t.Fatalf("after trimming bob has %d events, want 3", len(page.Items))
	}
	epoch, _, _ := strings.Cut(page.Head, "-")
	kept := page.Items[0].ID

	for _, tt := range []struct{ name, id, reason, to string }{
		{"8 KB", strings.Repeat("9", 8<<10), "invalid", page.Head},
		{"emoji", "👻", "invalid", page.Head},
		{"word of the parameter", "oldest", "invalid", page.Head},
		{"text", "id", "invalid", page.Head},
		{"old style", "42_1631593143664", "invalid", page.Head},
		{"leading zero", epoch + "-01", "invalid", page.Head},
		{"number too large", epoch + "-99999999999999999999999", "invalid", page.Head},
		{"signed", epoch + "--1", "invalid", page.Head},
		{"injection", epoch + "-1 event: bye", "invalid", page.Head},
		{"trimmed", trimmed, "expired", page.Oldest},
		{"before everything", epoch + "-1", "expired", page.Oldest},
		{"before its epoch", epoch + "-0", "epoch", page.Head},
		{"another life of the log", "4000000000-1", "epoch", page.Head},
		{"future", epoch + "-99999999", "future", page.Head},
	} {
		s.sub(t, "H17 "+tt.name, func(t *testing.T) {
			c, ready := bob.stream("", "Last-Event-ID: "+tt.id)
			gap := c.next()
			var data struct {
				From   *string
				To     string
				Reason string
				Heal   []string
			}
			if err := json.Unmarshal([]byte(gap.Data), &data); err != nil || gap.Event != "gap" {
				t.Fatalf("no gap: %+v", gap)
			}
			if ready.ID != "" || !strings.Contains(ready.Data, `"cursor":null`) || !strings.Contains(ready.Data,
				`"resumed":false`) {
				t.Errorf("ready before a gap: %+v", ready)
			}
			if data.Reason != tt.reason || data.To != tt.to || gap.ID != tt.to || len(data.Heal) != 3 {
				t.Errorf("gap: %+v, want %s to %s", gap, tt.reason, tt.to)
			}
			if (data.From == nil) != (tt.reason == "invalid") || (data.From != nil && *data.From != tt.id) {
				t.Errorf("from: %v", data.From)
			}
			if tt.reason == "expired" {
				if next := c.next(); next.ID != kept {
					t.Errorf("goes on with %s, want %s", next.ID, kept)
				}
			}
			for _, path := range []string{"/v1/events", "/v1/events?wait=60"} {
				p, _ := bob.refused(t, 410, "cursor_gone", "GET", path, nil, "Last-Event-ID: "+tt.id)
				if p.Gap == nil || p.Gap.Reason != tt.reason || p.Gap.To != tt.to || !slices.Equal(p.Gap.Heal, data.Heal) {
					t.Errorf("poll: %+v", p.Gap)
				}
			}
			c.close()
		})
	}
	s.sub(t, "H17 in the query", func(t *testing.T) {
		for _, q := range []string{"lastEventId=%00", "lastEventId=a%0d%0aevent:%20bye", "after=%F0%9F%91%BB", "after=" +
			strings.Repeat("9", 4<<10)} {
			if p, _ := bob.refused(t, 410, "cursor_gone", "GET", "/v1/events?"+q, nil); p.Gap == nil ||
				p.Gap.Reason != "invalid" {
				t.Errorf("%.40s: %+v", q, p.Gap)
			}
			c, _ := bob.stream("?" + q)
			if gap := c.next(); gap.Event != "gap" || !strings.Contains(gap.Data, `"from":null`) {
				t.Errorf("%.40s: %+v", q, gap)
			}
			c.close()
		}
	})
	s.sub(t, "H17 two ids", func(t *testing.T) {
		cookie := bob.http.Jar.Cookies(mustURL(t, s.URL))[0]
		two := "Last-Event-ID: " + kept + "\r\nLast-Event-ID: " + page.Head + "\r\nCookie: " + cookie.String() + "\r\n"
		conn, err := dial(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(deadline))
		_, _ = io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"+two+"\r\n")
		text := ""
		for r := bufio.NewReader(conn); !strings.Contains(text, `"reason":"invalid"`); {
			line, err := r.ReadString('\n')
			if text += line; err != nil || !strings.HasPrefix(text, "HTTP/1.1 200 OK\r\n") {
				t.Fatalf("no gap: %q %v", text, err)
			}
		}
		resp, body, _ := s.raw(t, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+two+"\r\n")
		if resp.StatusCode != 410 || !strings.Contains(body, `"reason":"invalid"`) {
			t.Errorf("poll: %d %s", resp.StatusCode, body)
		}
	})
	s.sub(t, "H17 malformed header", func(t *testing.T) {
		cookie := bob.http.Jar.Cookies(mustURL(t, s.URL))[0]
		for _, id := range []string{"1-1\x00", "1-1\r2"} {
			resp, _, _ := s.raw(t, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nCookie: "+
				cookie.String()+"\r\nLast-Event-ID: "+id+"\r\n\r\n")
			if resp.StatusCode != 400 {
				t.Errorf("%q: %d", id, resp.StatusCode)
			}
		}
	})
	s.sub(t, "H17 another person's position", func(t *testing.T) {
		carol := s.register("carol")
		bob.want(200, "GET", "/v1/events?after=oldest&limit=100", nil, &page)
		own, ready := carol.stream("", "Last-Event-ID: "+page.Items[1].ID)
		if !strings.Contains(ready.Data, `"resumed":true`) {
			t.Errorf("ready: %+v", ready)
		}
		alice.post("not for carol")
		carol.follow(bob)
		if b := own.next(); b.Event != "follow.changed" || !strings.Contains(b.Data, bob.ID) {
			t.Errorf("carol was shown %+v", b)
		}
	})
	s.sub(t, "H17 nothing of it in the log", func(t *testing.T) {
		for _, line := range s.Logs.All() {
			text, _ := json.Marshal(line.ContextMap())
			if strings.Contains(string(text), "1631593143664") || strings.Contains(string(text), "👻") ||
				strings.Contains(string(text), "event: bye") {
				t.Errorf("a log line repeats a position: %s", text)
			}
		}
	})
}

func TestHostileStream(t *testing.T) {
	s := startSite(t, nil)
	alice, bob := s.register("alice"), s.register("bob")
	bob.follow(alice)

	s.sub(t, "H18 payloads", func(t *testing.T) {
		live, _ := bob.stream("")
		for _, text := range []string{"line\nline", "id: 9\ndata: x\n\nevent: bye\n\n", "\u2028\u2029\ufeff.", "tab\there",
			`"\ </script>`, "👩‍👩‍👧", ": hb\n", "\u0085\u009b"} {
			resp, body := alice.do("POST", "/v1/posts", map[string]any{"text": text})
			if resp.StatusCode == 422 && strings.ContainsAny(text, "\u0085\u009b") {
				continue // C1 control characters may be refused, they may not break a frame
			}
			var sent, got struct{ Data struct{ Text string } }
			if err := json.Unmarshal(body, &sent.Data); err != nil || resp.StatusCode != 201 {
				t.Fatalf("%q: %d %s", text, resp.StatusCode, body)
			}
			b := live.await("post.created")
			if err := json.Unmarshal([]byte(b.Data), &got); err != nil || got.Data.Text != sent.Data.Text {
				t.Errorf("%q came as %+v", text, b)
			}
		}
	})

	s.sub(t, "H19 names of events", func(t *testing.T) {
		known := []string{"notification", "notification.updated", "notification.removed", "read_state", "follow.changed",
			"post.created", "post.updated", "post.deleted", "user.deleted", "ready", "gap", "bye"}
		host := s.service("host")
		for _, bad := range []string{"bye\nid: 1-1", "bye\r", "", "Bye", "ready ", "a:b", strings.Repeat("a", 33), "é"} {
			if p, _ := s.anonymous().refused(t, 422, "validation_failed", "POST", "/v1/notifications",
				map[string]any{"receiver": "@bob", "type": bad, "content": "x"}, host); !p.field("body", "/type", "bad_format") {
				t.Errorf("type %q: %+v", bad, p.Errors)
			}
		}
		live, _ := bob.stream("")
		for _, name := range []string{"bye", "ready", "gap", "retry", "id", "data"} {
			s.anonymous().want(201, "POST", "/v1/notifications", map[string]any{"receiver": "@bob", "type": name,
				"content": "event: bye\n\nid: 7\n\n", "data": map[string]any{"event": "bye\n\n"}}, nil, host)
			b := live.await("notification") // posts of before may still be on their way
			if !slices.Contains(known, b.Event) || !regexp.MustCompile(`^[1-9][0-9]*-[0-9]+$`).MatchString(b.ID) ||
				!strings.Contains(b.Data, `"type":"custom.`+name+`"`) {
				t.Errorf("custom.%s came as %+v", name, b)
			}
		}
	})

	s.sub(t, "H20 HEAD and POST", func(t *testing.T) {
		cookie := bob.http.Jar.Cookies(mustURL(t, s.URL))[0]
		conn, err := dial(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(deadline))
		r := bufio.NewReader(conn)
		for _, accept := range []string{"text/event-stream", "application/json"} {
			_, _ = io.WriteString(conn,
				"HEAD /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: "+accept+"\r\nCookie: "+cookie.String()+"\r\n\r\n")
			resp, err := http.ReadResponse(r, &http.Request{Method: "HEAD"})
			if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != accept || resp.Close {
				t.Fatalf("HEAD: %+v, %v", resp, err)
			}
		}
		_, _ = io.WriteString(conn, "GET /v1/me HTTP/1.1\r\nHost: localhost\r\nCookie: "+cookie.String()+"\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("the connection is not usable after HEAD: %+v, %v", resp, err)
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			_, resp := bob.refused(t, 405, "method_not_allowed", method, "/v1/events", nil)
			if got := resp.Header.Get("Allow"); got != "GET, HEAD, OPTIONS" {
				t.Errorf("%s: Allow %q", method, got)
			}
		}
	})

	s.sub(t, "H21 Accept", func(t *testing.T) {
		for accept, want := range map[string]string{
			"text/event-stream": "text/event-stream", "text/event-stream, application/json;q=0.9": "text/event-stream",
			"TEXT/Event-Stream": "text/event-stream",
			"application/json":  "application/json", "*/*": "application/json", "": "application/json",
			"text/event-stream;q=0.1, application/json": "application/json",
			"text/html": "", "text/event-stream;q=0": "", "image/png, text/*": "", "application/json;q=0": "",
		} {
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header["Accept"] = []string{accept}
			resp, err := bob.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get("Content-Type"); want != "" && (resp.StatusCode != 200 || got != want) || want == "" &&
				resp.StatusCode != 406 {
				t.Errorf("Accept %q: %d %s, want %q", accept, resp.StatusCode, got, want)
			}
			cancel()
			resp.Body.Close()
		}
	})
}
