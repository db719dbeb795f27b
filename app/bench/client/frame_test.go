package client

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

const sample = "id: 1-7\nevent: ready\nretry: 3050\ndata: {\"cursor\":\"1-7\"}\n\n" +
	": hb\n: hb\nid: 1-8\nevent: post.created\ndata: {\"id\":\"1-8\",\"data\":{\"text\":\"bench:3:0: hello\"}}\n\n" +
	"event: gap\ndata: {}\n\n: hb\n"

func TestNextFrame(t *testing.T) {
	got, left, err := allFrames([]byte(sample))
	want := []string{`1-7|ready|{"cursor":"1-7"}`, `1-8|post.created|{"id":"1-8","data":{"text":"bench:3:0: hello"}}`,
		`|gap|{}`}
	if err != nil || len(left) > 0 || !slices.Equal(got, want) {
		t.Errorf("got %q, left %q, error %v", got, left, err)
	}
}

func TestNextFrameRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"an empty block":             "\n",
		"no data":                    "id: 1-1\nevent: ready\n\n",
		"no event":                   "id: 1-1\ndata: {}\n\n",
		"a line twice":               "event: a\nevent: b\ndata: {}\n\n",
		"an unknown line":            "event: a\nnote: b\ndata: {}\n\n",
		"no space":                   "event:a\ndata: {}\n\n",
		"an empty value":             "event: a\ndata: \n\n",
		"a comment inside a block":   "event: a\n: hb\ndata: {}\n\n",
		"an empty line after a beat": ": hb\n\n",
		"a carriage return":          "event: a\r\ndata: {}\r\n\r\n",
	} {
		if got, _, err := allFrames([]byte(text)); !errors.Is(err, errFrame) {
			t.Errorf("%s: got %q, error %v", name, got, err)
		}
	}
}

// allFrames reads frames until what is left is none.
func allFrames(b []byte) (frames []string, left []byte, err error) {
	var f frame
	for len(b) > 0 {
		n, err := nextFrame(b, &f)
		if err != nil {
			return frames, b, err
		}
		if f.data == nil {
			return frames, b[n:], nil
		}
		frames = append(frames, string(f.id)+"|"+string(f.event)+"|"+string(f.data))
		b = b[n:]
	}
	return frames, b, nil
}

// FuzzNextFrame: however a stream is cut, the same frames come out, and they are those of a reader that splits at
// empty lines.
func FuzzNextFrame(f *testing.F) {
	f.Add([]byte(sample), 20)
	f.Add([]byte("event: a\ndata: {}\n"), 3)
	f.Add([]byte(": \n\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		whole, left, err := allFrames(b)
		if slow := slowFrames(b); err == nil && !slices.Equal(whole, slow) {
			t.Fatalf("got %q, a slow reader %q", whole, slow)
		}
		if len(b) == 0 {
			return
		}
		cut = (cut%len(b) + len(b)) % len(b)
		first, rest, err1 := allFrames(b[:cut])
		if err1 != nil {
			if err == nil {
				t.Fatalf("refused when cut at %d: %v", cut, err1)
			}
			return
		}
		second, rest, err2 := allFrames(append(bytes.Clone(rest), b[cut:]...))
		if (err == nil) != (err2 == nil) || !slices.Equal(whole, append(first, second...)) ||
			(err == nil && !bytes.Equal(left, rest)) {
			t.Fatalf("whole %q %v, cut at %d %q + %q %v", whole, err, cut, first, second, err2)
		}
	})
}

// slowFrames reads well-formed frames in the plainest way.
func slowFrames(b []byte) (frames []string) {
	blocks := strings.Split(string(b), "\n\n")
	for _, block := range blocks[:len(blocks)-1] {
		var id, event, data string
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "id":
				id = value
			case "event":
				event = value
			case "data":
				data = value
			}
		}
		frames = append(frames, id+"|"+event+"|"+data)
	}
	return frames
}

func TestReadingAllocatesNothing(t *testing.T) {
	b := []byte(sample)
	l := NewLedger(1, 10, 100_000)
	l.Begin(3, Everybody)
	var f frame
	seq := social.Position(0)
	text := []byte(`{"data":{"text":"bench:3:0: hello"}}`)
	var id []byte
	n := testing.AllocsPerRun(1000, func() {
		for rest := b; len(rest) > 0; {
			n, err := nextFrame(rest, &f)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if f.data == nil {
				break
			}
		}
		seq++
		id, _ = social.Cursor{Epoch: 1, Seq: seq}.AppendText(id[:0])
		at, err := social.ParseCursor(string(id))
		if err != nil {
			t.Fatal(err)
		}
		l.arrived(0, at, text, 1)
	})
	if n != 0 {
		t.Errorf("%g allocations", n)
	}
	if l.checked.Faulty() {
		t.Errorf("%+v", l.checked)
	}
}

func TestMarks(t *testing.T) {
	for _, tt := range []struct{ n, reader, size int }{{0, Everybody, 0}, {7, 0, 100}, {1_000_000, 9_999, 3000}} {
		text := AppendText(nil, tt.n, tt.reader, tt.size)
		n, reader, ok := readMark(append([]byte(`{"text":"`), text...))
		if !ok || n != tt.n || reader != tt.reader || len(text) < tt.size || (tt.size > 40 && len(text) != tt.size) {
			t.Errorf("%+v: read %d %d %t from %q", tt, n, reader, ok, text)
		}
	}
}

func FuzzReadMark(f *testing.F) {
	f.Add([]byte("bench:1:2:"))
	f.Add([]byte("bench:99999999999999999999:2:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, reader, ok := readMark(b)
		if !ok {
			return
		}
		if again := AppendText(nil, n, reader, 0); !bytes.Contains(b, again) {
			t.Fatalf("%q was read as %q", b, again)
		}
	})
}

func TestChunks(t *testing.T) {
	const framed, plain = "5\r\nhello\r\n1;x=y\r\n,\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n",
		"hello,abcdefghijklmnopqrstuvwxyz"
	for cut := range len(framed) {
		var c chunks
		var got []byte
		for _, part := range []string{framed[:cut], framed[cut:]} {
			b, err := c.strip([]byte(part))
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			got = append(got, b...)
		}
		if string(got) != plain {
			t.Errorf("cut at %d: %q", cut, got)
		}
	}
	for _, bad := range []string{"x\r\n", "\r\n", "1\r\nab\r\n", "fffffffff\r\n", "-1\r\n"} {
		if _, err := (&chunks{}).strip([]byte(bad)); !errors.Is(err, errChunk) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
