package frames

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

func TestTail(t *testing.T) {
	tl := NewTail(1000, 0)
	for p := social.Position(10); p <= 200; p += 10 {
		tl.Push(Frame{Pos: p, block: make([]byte, 100)})
	}
	if tl.bytes > 1000 || len(tl.frames) != 4 || tl.floor != 160 || tl.frames[0].Pos != 170 {
		t.Errorf("%d bytes, %d frames, floor %d", tl.bytes, len(tl.frames), tl.floor)
	}
	for p, want := range map[social.Position]int{0: 0, 160: 0, 169: 0, 170: 1, 175: 1, 189: 2, 190: 3, 199: 3, 200: 4,
		500: 4} {
		if got := tl.After(p); got != want {
			t.Errorf("after %d: %d, want %d", p, got, want)
		}
	}
	tl.Push(Frame{Pos: 210, block: make([]byte, 5000)})
	if len(tl.frames) != 1 || tl.floor != 200 {
		t.Errorf("one frame over the limit: %d frames, floor %d", len(tl.frames), tl.floor)
	}
	for p := social.Position(1000); p < 6000; p++ {
		tl.Withdraw(&social.Event{Cursor: social.Cursor{Epoch: 1, Seq: p}, Stream: to(int(p)),
			Type: social.EventNotificationRemoved})
		tl.Push(Frame{Pos: p, block: make([]byte, 100)})
	}
	if len(tl.staleStreams) > 2100 {
		t.Errorf("%d marks for %d frames", len(tl.staleStreams), len(tl.frames))
	}
}

// TestTailModel compares the tail with all that was pushed: it holds what is above the floor, within the limit.
func TestTailModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.SampledFrom([]int{600, 3000, 1 << 20}).Draw(rt, "limit")
		tl := NewTail(limit, 0)
		var all []Frame
		var pos social.Position
		for range rapid.IntRange(1, 80).Draw(rt, "frames") {
			pos += social.Position(rapid.IntRange(2, 9).Draw(rt, "hole"))
			all = append(all, Frame{Pos: pos, block: make([]byte, rapid.IntRange(1, 300).Draw(rt, "size"))})
			tl.Push(all[len(all)-1])
			n, bytes := len(tl.frames), 0
			for i, f := range all[len(all)-n:] {
				if bytes += f.size(); tl.At(i).Pos != f.Pos || tl.After(f.Pos) != i+1 || tl.After(f.Pos-1) != i {
					rt.Fatalf("at %d: %d, want %d", i, tl.At(i).Pos, f.Pos)
				}
			}
			if bytes != tl.Bytes() || (bytes > limit && n > 1) {
				rt.Fatalf("%d bytes in %d frames, counted as %d, at most %d", bytes, n, tl.Bytes(), limit)
			}
			if n < len(all) && tl.Floor() != all[len(all)-n-1].Pos {
				rt.Fatalf("floor %d, want %d", tl.Floor(), all[len(all)-n-1].Pos)
			}
		}
	})
}

// A popular author who signs out on one device does not send all followers to the log; one whose account ends does.
func TestOnlyTheEndOfAnAccountTakesBack(t *testing.T) {
	for data, want := range map[string]bool{
		`{}`:                      true,
		`unreadable`:              true,
		`{"session_id":"a"}`:      false,
		`{"token_id":"a"}`:        false,
		`{"keep_session_id":"a"}`: false,
		`{"keep_tokens":true}`:    false,
	} {
		tail := NewTail(1<<20, 0)
		post := Of(social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 1}, Stream: by(2), Type: social.EventPostCreated,
			Data: []byte(`{}`)})
		tail.Push(post)
		tail.Withdraw(&social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Stream: to(2), Type: social.EventAccessRevoked,
			Internal: true, Data: []byte(data)})
		if got := tail.Stale(&post); got != want {
			t.Errorf("%s: taken back: %v, want %v", data, got, want)
		}
	}
}
