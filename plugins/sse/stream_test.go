package sse

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

func TestFreshStream(t *testing.T) {
	w := newWorld()
	w.skip(1041)
	s := serve(t, w, testConfig())
	c := s.open(1, "")
	if c.status != "HTTP/1.1 200 OK" {
		t.Errorf("status %q", c.status)
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream",
		"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
		"Vary": "Accept, Authorization, Cookie, Origin", "X-Request-Id": "req-1", "X-Content-Type-Options": "nosniff",
		"Connection":                  "close",
		"Access-Control-Allow-Origin": "https://app.example"} {
		if got := c.head[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want once %q", name, got, want)
		}
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Content-Encoding", "Etag"} {
		if got := c.head.Get(name); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	form := regexp.MustCompile(`^id: 1-1041
event: ready
retry: ([2-4][0-9]{3})
data: \{"connection":"[0-9a-f-]{36}","user_id":"` + id(1).String() + `","cursor":"1-1041",` +
		`"head":"1-1041","oldest":"1-0","resumed":false,"heartbeat_s":15,"max_age_s":([0-9]+)\}

$`)
	ready := c.expect("ready")
	if !form.MatchString(ready.raw) {
		t.Errorf("ready:\n%s", ready.raw)
	}
	s.idle()
	w.notify(2)
	p := w.notify(1)
	want := "id: 1-1043\nevent: notification\ndata: " +
		`{"id":"1-1043","type":"notification","time":"2026-05-04T10:11:12.345Z","data":{"id":"n1","text":"hello"}}` + "\n\n"
	if got := c.expect("notification").raw; got != want || p != 1043 {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestResumed(t *testing.T) {
	w := newWorld()
	for range 10 {
		w.notify(1)
	}
	s := serve(t, w, testConfig())
	for name, ask := range map[string]func() *client{
		"header":                    func() *client { return s.open(1, "", "Last-Event-ID: 1-4") },
		"lastEventId":               func() *client { return s.open(1, "?lastEventId=1-4") },
		"after":                     func() *client { return s.open(1, "?after=1-4") },
		"header wins":               func() *client { return s.open(1, "?lastEventId=1-9&after=1-8", "Last-Event-ID: 1-4") },
		"lastEventId wins":          func() *client { return s.open(1, "?after=1-9&lastEventId=1-4") },
		"empty header is as absent": func() *client { return s.open(1, "?after=1-4", "Last-Event-ID: ") },
	} {
		t.Run(name, func(t *testing.T) {
			c := ask()
			ready := c.expect("ready")
			if ready.id != "1-4" || !strings.Contains(ready.data, `"cursor":"1-4","head":"1-10","oldest":"1-0","resumed":true`) {
				t.Errorf("ready: %q", ready.raw)
			}
			if got := strings.Join(c.ids(6), " "); got != "1-5 1-6 1-7 1-8 1-9 1-10" {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("oldest", func(t *testing.T) {
		c := s.open(1, "?after=oldest")
		if r := c.expect("ready"); r.id != "1-0" || !strings.Contains(r.data, `"resumed":false`) {
			t.Errorf("ready: %q", r.raw)
		}
		if got := c.ids(10); got[0] != "1-1" || got[9] != "1-10" {
			t.Errorf("got %v", got)
		}
	})
}

func TestGapAtStart(t *testing.T) {
	for name, tt := range map[string]struct{ given, from, to, reason string }{
		"trimmed":              {"1-3", `"1-3"`, "1-10", "expired"},
		"another epoch":        {"7-12", `"7-12"`, "1-20", "epoch"},
		"future":               {"1-21", `"1-21"`, "1-20", "future"},
		"a word":               {"id", "null", "1-20", "invalid"},
		"millis of a clock":    {"42_1631593143664", "null", "1-20", "invalid"},
		"8 KB":                 {strings.Repeat("9", 3000), "null", "1-20", "invalid"},
		"emoji":                {"🔔", "null", "1-20", "invalid"},
		"leading zero":         {"1-007", "null", "1-20", "invalid"},
		"beyond 64 bits":       {"1-99999999999999999999", "null", "1-20", "invalid"},
		"the word in a header": {"oldest", "null", "1-20", "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for range 20 {
				w.notify(1)
			}
			w.trim(10)
			s := serve(t, w, testConfig())
			c := s.open(1, "", "Last-Event-ID: "+tt.given)
			r := c.expect("ready")
			if r.id != "" || !strings.Contains(r.data, `"cursor":null`) || !strings.Contains(r.data, `"resumed":false`) {
				t.Errorf("ready: %q", r.raw)
			}
			want := "id: " + tt.to + "\nevent: gap\ndata: {\"from\":" + tt.from + `,"to":"` + tt.to + `","reason":"` +
				tt.reason +
				`","heal":["/v1/notifications","/v1/notifications/counts","/v1/timelines/home"]}` + "\n\n"
			if got := c.expect("gap").raw; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			next := w.notify(1)
			for {
				if b := c.expect("notification"); b.id == cursorOf(1, next) {
					break
				} else if tt.reason != "expired" {
					t.Fatalf("got %q before %d", b.raw, next)
				}
			}
		})
	}
}

func TestFilters(t *testing.T) {
	for name, tt := range map[string]struct {
		query string
		want  string
	}{
		"default": {"", "notification notification.removed read_state post.created/2"},
		"posts=all": {"?posts=all",
			"notification notification.removed read_state post.created/2 post.created/3 post.created/1"},
		"posts=none":              {"?posts=none", "notification notification.removed read_state"},
		"a name and its children": {"?types=notification", "notification notification.removed"},
		"one child":               {"?types=notification.removed", "notification.removed"},
		"types and posts": {"?types=post,read_state&posts=all",
			"read_state post.created/2 post.created/3 post.created/1"},
		"nothing is for this type": {"?types=post.deleted", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.follow(1, 2, true)
			w.follow(1, 3, false)
			make := func() {
				w.notify(1)
				w.commit(to(1), social.EventNotificationRemoved, `{"id":"x"}`)
				w.commit(to(1), social.EventReadState, `{"change":"read"}`)
				for _, n := range []int{2, 3, 4, 1} {
					w.commit(by(n), social.EventPostCreated, fmt.Sprintf(`{"text":"/%d"}`, n))
				}
				w.commit(to(1), social.EventFollowChanged, `{"user_id":"`+id(4).String()+`","text":"end"}`)
				w.commitInternal(to(1))
				w.commit(to(2), social.EventNotification, `{}`)
			}
			from := w.Head()
			s := serve(t, w, testConfig())
			query := tt.query
			if query == "" {
				query = "?"
			} else {
				query += "&"
			}
			before := s.live(1, query)
			make()
			s.idle()
			after := s.open(1, query+"after="+from.String())
			after.expect("ready")
			s.idle()
			s.seats.revoke(id(1), social.ID{})
			live, replayed := readTypes(before), readTypes(after)
			if live != tt.want || replayed != tt.want {
				t.Errorf("live     %s\nreplayed %s\nwant     %s", live, replayed, tt.want)
			}
		})
	}
}

func (w *world) commitInternal(s social.Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commitLocked(s, social.EventAccessRevoked, `{}`, true)
}

// readTypes gives the types up to bye; of posts, with the text.
func readTypes(c *client) string {
	c.t.Helper()
	var out []string
	for {
		b, _, err := c.next()
		if err != nil {
			c.t.Fatal(err)
		}
		if b.event == "bye" {
			return strings.Join(out, " ")
		}
		if b.event == social.EventFollowChanged {
			continue
		}
		var data struct{ Data struct{ Text string } }
		if err := json.Unmarshal([]byte(b.data), &data); err != nil {
			c.t.Fatal(err)
		}
		if strings.HasPrefix(data.Data.Text, "/") {
			b.event += data.Data.Text
		}
		out = append(out, b.event)
	}
}

func TestSameBytes(t *testing.T) {
	w := newWorld()
	for n := 2; n < 12; n++ {
		w.follow(1, n, true)
	}
	from := w.head
	cfg := testConfig()
	cfg.TailBytes = 16 << 10 // replay has to come from the log, the newest from the tail
	s := serve(t, w, cfg)
	live := s.live(1, "?posts=all")
	const events = 2000
	for i := range events {
		switch i % 3 {
		case 0:
			w.commit(to(1), social.EventNotification, fmt.Sprintf(`{"n":%d,"text":"\u2028 \"quoted\" é\r\n"}`, i))
		case 1:
			w.post(2 + i%10)
		default:
			w.notify(500)
		}
	}
	want := w.expected(1, social.PostsAll, from)
	read := func(c *client) (out []string) {
		for range want {
			b, _, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b.raw)
		}
		return out
	}
	if got := read(live); !slices.Equal(got, want) {
		t.Errorf("live differs from the log: %d blocks, want %d", len(got), len(want))
	}
	replay := s.open(1, "?posts=all", "Last-Event-ID: "+cursorOf(1, from))
	replay.expect("ready")
	if got := read(replay); !slices.Equal(got, want) {
		t.Errorf("replay differs from the log: %d blocks, want %d", len(got), len(want))
	}
	other := s.open(1, "?posts=all", "Last-Event-ID: "+cursorOf(1, w.head-20))
	other.expect("ready")
	tail := w.expected(1, social.PostsAll, w.head-20)
	for _, want := range tail {
		if b, _, err := other.next(); err != nil || b.raw != want {
			t.Fatalf("from the tail: got %q, %v; want %q", b.raw, err, want)
		}
	}
}
