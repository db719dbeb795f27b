package sse

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

func nopLog() *zap.Logger { return zap.NewNop() }
func envOf(w *world) plugins.Env {
	return plugins.Env{Name: "sse", Log: nopLog(), Clock: time.Now, Metrics: newRegistry(), History: w, Audiences: w, Connections: newSeats()}
}

func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

// TestH18HostilePayloads: one event, data byte for byte, whatever is in it.
func TestH18HostilePayloads(t *testing.T) {
	for _, text := range []string{"a\rb", "a\nb", "a\r\nb", "a\u2028b\u2029c\u0085d", "\ufeffa", "id: 7\n\nevent: bye\n\ndata: {}\n\n", "\x00", "\\", `"`, "🔔"} {
		data, _ := json.Marshal(map[string]string{"text": text})
		raw, _ := appendEvent(nil, social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Type: "notification", Time: testTime, Data: data})
		b, _, err := parseBlock(bufio.NewReader(strings.NewReader(string(raw))))
		want, _ := social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Type: "notification", Time: testTime, Data: data}.MarshalJSON()
		if err != nil || b.data != string(want) || b.id != "1-2" || b.event != "notification" || b.retry != "" {
			t.Errorf("%q: %+v, %v", text, b, err)
		}
	}
	// White space between the parts of a payload is JSON too.
	raw, _ := appendEvent(nil, social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Type: "notification", Data: []byte("{\r\n\t\"a\":\n1}")})
	b, _, err := parseBlock(bufio.NewReader(strings.NewReader(string(raw))))
	var got struct{ Data struct{ A int } }
	if err != nil || json.Unmarshal([]byte(b.data), &got) != nil || got.Data.A != 1 {
		t.Errorf("%q, %v", raw, err)
	}
}

// FuzzFrame: one event in, one event out, in a strict parser, and no field that was not meant.
func FuzzFrame(f *testing.F) {
	f.Add("notification", []byte(`{"a":1}`), uint32(1), uint64(7))
	f.Add("post.created", []byte("{\n}"), uint32(1), uint64(1<<63))
	f.Add("x\nid: 9", []byte("\n\nevent: bye\r\ndata: x"), uint32(4_000_000_000), uint64(0))
	f.Add("", []byte(nil), uint32(0), uint64(0))
	f.Fuzz(func(t *testing.T, typ string, data []byte, epoch uint32, seq uint64) {
		e := social.Event{Cursor: social.Cursor{Epoch: max(epoch, 1), Seq: social.Position(seq)}, Type: typ, Time: testTime, Data: data}
		if !showable(e) {
			return
		}
		fr := frameOf(e)
		r := bufio.NewReader(strings.NewReader(string(fr.block) + "id: 1-1\nevent: end\ndata: 1\n\n"))
		b, beats, err := parseBlock(r)
		if err != nil || beats != 0 || b.id != e.Cursor.String() || b.event != typ || b.retry != "" || b.raw != string(fr.block) {
			t.Fatalf("%q: %+v, %v", fr.block, b, err)
		}
		if end, _, err := parseBlock(r); err != nil || end.event != "end" {
			t.Fatalf("%q was more than one event", fr.block)
		}
		if len(fr.payload()) != len(data) {
			t.Fatalf("payload %q of %q", fr.payload(), data)
		}
		for i := range presets {
			p := &presets[i]
			r := bufio.NewReader(strings.NewReader(string(p.block(&fr)) + "id: 1-1\nevent: end\ndata: 1\n\n"))
			b, _, err := parseBlock(r)
			if err != nil || b.id != e.Cursor.String() || b.event != p.later {
				t.Fatalf("%s: %q: %+v, %v", p.name, p.block(&fr), b, err)
			}
			if end, _, err := parseBlock(r); err != nil || end.event != "end" {
				t.Fatalf("%s: %q was more than one event", p.name, p.block(&fr))
			}
		}
	})
}

func TestControlFrames(t *testing.T) {
	cursor := social.Cursor{Epoch: 1, Seq: 1051}
	ready := appendReady(nil, readyData{connection: id(7), user: id(1), cursor: social.Cursor{Epoch: 1, Seq: 900}, head: cursor,
		oldest: social.Cursor{Epoch: 1}, resumed: true, heartbeat: 15 * time.Second, maxAge: 3655 * time.Second, retry: 2904 * time.Millisecond})
	for _, tt := range []struct{ got, want string }{
		{string(ready), "id: 1-900\nevent: ready\nretry: 2904\ndata: {\"connection\":\"" + id(7).String() + `","user_id":"` + id(1).String() +
			`","cursor":"1-900","head":"1-1051","oldest":"1-0","resumed":true,"heartbeat_s":15,"max_age_s":3655}` + "\n\n"},
		{string(appendBye(nil, plugins.ByeRestart, 8731*time.Millisecond, cursor)),
			"id: 1-1051\nevent: bye\nretry: 8731\ndata: {\"reason\":\"restart\",\"retry_ms\":8731,\"cursor\":\"1-1051\"}\n\n"},
		{string(appendBye(nil, plugins.ByeOverload, 17420*time.Millisecond, social.Cursor{})),
			"event: bye\nretry: 17420\ndata: {\"reason\":\"overload\",\"retry_ms\":17420,\"cursor\":null}\n\n"},
		{string(appendBye(nil, plugins.ByeRevoked, 0, cursor)),
			"id: 1-1051\nevent: bye\ndata: {\"reason\":\"revoked\",\"retry_ms\":null,\"cursor\":\"1-1051\"}\n\n"},
		{string(appendGap(nil, &social.GapError{To: cursor, Reason: social.GapInvalid})),
			"id: 1-1051\nevent: gap\ndata: {\"from\":null,\"to\":\"1-1051\",\"reason\":\"invalid\",\"heal\":[\"/v1/notifications\",\"/v1/notifications/counts\",\"/v1/timelines/home\"]}\n\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %q\nwant %q", tt.got, tt.want)
		}
	}
	for reason, want := range map[plugins.ByeReason][2]time.Duration{
		plugins.ByeRestart: {time.Second, 15 * time.Second}, plugins.ByeMaxAge: {200 * time.Millisecond, 3 * time.Second},
		plugins.ByeTooMany: {time.Minute, 2 * time.Minute}, plugins.ByeOverload: {5 * time.Second, 30 * time.Second}, plugins.ByeRevoked: {},
	} {
		if low, high := byeRetry(reason, 0), byeRetry(reason, 1); low != want[0] || high != want[1] {
			t.Errorf("%s: from %v to %v, want %v", reason, low, high, want)
		}
	}
}

// TestHeadRefusesForgery: a header value with a line break is left out.
func TestHeadRefusesForgery(t *testing.T) {
	head := string(appendHead(nil, time.Unix(0, 0), "ok", []header{{"A", "b\r\nSet-Cookie: x"}, {"C", "d"}}))
	if strings.Contains(head, "Set-Cookie") || !strings.Contains(head, "\r\nC: d\r\n\r\n") || !strings.Contains(head, "\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n") {
		t.Errorf("%q", head)
	}
}

func TestTail(t *testing.T) {
	a := newAuthors()
	tl := newTail(1000, 0, &a)
	for p := social.Position(10); p <= 200; p += 10 {
		tl.push(frame{pos: p, block: make([]byte, 100)})
	}
	if tl.bytes > 1000 || len(tl.frames) != 4 || tl.floor != 160 || tl.frames[0].pos != 170 {
		t.Errorf("%d bytes, %d frames, floor %d", tl.bytes, len(tl.frames), tl.floor)
	}
	for p, want := range map[social.Position]int{0: 0, 160: 0, 169: 0, 170: 1, 175: 1, 189: 2, 190: 3, 199: 3, 200: 4, 500: 4} {
		if got := tl.after(p); got != want {
			t.Errorf("after %d: %d, want %d", p, got, want)
		}
	}
	tl.push(frame{pos: 210, block: make([]byte, 5000)})
	if len(tl.frames) != 1 || tl.floor != 200 {
		t.Errorf("one frame over the limit: %d frames, floor %d", len(tl.frames), tl.floor)
	}
	for p := social.Position(1000); p < 6000; p++ {
		tl.staleBefore(to(int(p)), p)
		tl.push(frame{pos: p, block: make([]byte, 100)})
	}
	if len(tl.staleStreams) > 2100 {
		t.Errorf("%d marks for %d frames", len(tl.staleStreams), len(tl.frames))
	}
}
