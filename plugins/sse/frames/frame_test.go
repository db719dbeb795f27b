package frames

import (
	"bufio"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// id makes a readable id: the same number gives the same id.
func id(n int) (out social.ID) {
	out[0], out[6], out[8] = 1, 0x70, 0x80
	out[14], out[15] = byte(n>>8), byte(n)
	return out
}

func to(n int) social.Stream { return social.Stream{Kind: social.To, User: id(n)} }
func by(n int) social.Stream { return social.Stream{Kind: social.By, User: id(n)} }

const testTime social.Time = 1777889472345

// TestH18HostilePayloads: one event, data byte for byte, whatever is in it.
func TestH18HostilePayloads(t *testing.T) {
	for _, text := range []string{"a\rb", "a\nb", "a\r\nb", "a\u2028b\u2029c\u0085d", "\ufeffa",
		"id: 7\n\nevent: bye\n\ndata: {}\n\n", "\x00", "\\", `"`, "🔔"} {
		data, _ := json.Marshal(map[string]string{"text": text})
		raw, _ := appendEvent(nil, social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Type: "notification",
			Time: testTime, Data: data})
		b, _, err := parseBlock(bufio.NewReader(strings.NewReader(string(raw))))
		want, _ := social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Type: "notification", Time: testTime,
			Data: data}.MarshalJSON()
		if err != nil || b.data != string(want) || b.id != "1-2" || b.event != "notification" || b.retry != "" {
			t.Errorf("%q: %+v, %v", text, b, err)
		}
	}
	// White space between the parts of a payload is JSON too.
	raw, _ := appendEvent(nil, social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Type: "notification",
		Data: []byte("{\r\n\t\"a\":\n1}")})
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
		e := social.Event{Cursor: social.Cursor{Epoch: max(epoch, 1), Seq: social.Position(seq)}, Type: typ, Time: testTime,
			Data: data}
		if !Showable(e) {
			return
		}
		fr := Of(e)
		r := bufio.NewReader(strings.NewReader(string(fr.block) + "id: 1-1\nevent: end\ndata: 1\n\n"))
		b, beats, err := parseBlock(r)
		if err != nil || beats != 0 || b.id != e.Cursor.String() || b.event != typ || b.retry != "" ||
			b.raw != string(fr.block) {
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
				t.Fatalf("%s: %q: %+v, %v", p.Name, p.block(&fr), b, err)
			}
			if end, _, err := parseBlock(r); err != nil || end.event != "end" {
				t.Fatalf("%s: %q was more than one event", p.Name, p.block(&fr))
			}
		}
	})
}

func TestControlFrames(t *testing.T) {
	cursor := social.Cursor{Epoch: 1, Seq: 1051}
	ready := AppendReady(nil, Ready{Connection: id(7), User: id(1), Cursor: social.Cursor{Epoch: 1, Seq: 900},
		Head:   cursor,
		Oldest: social.Cursor{Epoch: 1}, Resumed: true, Heartbeat: 15 * time.Second, MaxAge: 3655 * time.Second,
		Retry: 2904 * time.Millisecond})
	for _, tt := range []struct{ got, want string }{
		{string(ready), "id: 1-900\nevent: ready\nretry: 2904\ndata: {\"connection\":\"" + id(7).String() + `","user_id":"` +
			id(1).String() +
			`","cursor":"1-900","head":"1-1051","oldest":"1-0","resumed":true,"heartbeat_s":15,"max_age_s":3655}` + "\n\n"},
		{string(AppendBye(nil, plugins.ByeRestart, 8731*time.Millisecond, cursor)),
			"id: 1-1051\nevent: bye\nretry: 8731\ndata: {\"reason\":\"restart\",\"retry_ms\":8731,\"cursor\":\"1-1051\"}\n\n"},
		{string(AppendBye(nil, plugins.ByeOverload, 17420*time.Millisecond, social.Cursor{})),
			"event: bye\nretry: 17420\ndata: {\"reason\":\"overload\",\"retry_ms\":17420,\"cursor\":null}\n\n"},
		{string(AppendBye(nil, plugins.ByeRevoked, 0, cursor)),
			"id: 1-1051\nevent: bye\ndata: {\"reason\":\"revoked\",\"retry_ms\":null,\"cursor\":\"1-1051\"}\n\n"},
		{string(AppendGap(nil, &social.GapError{To: cursor, Reason: social.GapInvalid})),
			"id: 1-1051\nevent: gap\ndata: {\"from\":null,\"to\":\"1-1051\",\"reason\":\"invalid\",\"heal\":" +
				"[\"/v1/notifications\",\"/v1/notifications/counts\",\"/v1/timelines/home\"]}\n\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %q\nwant %q", tt.got, tt.want)
		}
	}
}
