package frames

import (
	"slices"
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
	for p, want := range map[social.Position]int{0: 0, 160: 0, 169: 0, 170: 1, 175: 1, 189: 2, 190: 3, 199: 3, 200: 4, 500: 4} {
		if got := tl.After(p); got != want {
			t.Errorf("after %d: %d, want %d", p, got, want)
		}
	}
	tl.Push(Frame{Pos: 210, block: make([]byte, 5000)})
	if len(tl.frames) != 1 || tl.floor != 200 {
		t.Errorf("one frame over the limit: %d frames, floor %d", len(tl.frames), tl.floor)
	}
	for p := social.Position(1000); p < 6000; p++ {
		tl.Withdraw(&social.Event{Cursor: social.Cursor{Epoch: 1, Seq: p}, Stream: to(int(p)), Type: social.EventNotificationRemoved})
		tl.Push(Frame{Pos: p, block: make([]byte, 100)})
	}
	if len(tl.staleStreams) > 2100 {
		t.Errorf("%d marks for %d frames", len(tl.staleStreams), len(tl.frames))
	}
}

// TestTailModel compares each stream's frames, and what is left of the tail, with a look at every frame.
func TestTailModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tl := NewTail(rapid.SampledFrom([]int{600, 3000, 1 << 20}).Draw(rt, "limit"), 0)
		tl.first = rapid.SampledFrom([]uint32{0, 1<<32 - 3}).Draw(rt, "first number")
		var pos social.Position
		for range rapid.IntRange(1, 80).Draw(rt, "frames") {
			pos += social.Position(rapid.IntRange(2, 9).Draw(rt, "hole"))
			s := by(rapid.IntRange(0, 8).Draw(rt, "who"))
			if rapid.Bool().Draw(rt, "to") {
				s.Kind = social.To
			}
			tl.Push(Frame{Pos: pos, Stream: s, block: make([]byte, rapid.IntRange(1, 300).Draw(rt, "size"))})
			checkStreams(rt, tl)
		}
	})
}

func checkStreams(rt *rapid.T, tl *Tail) {
	bytes, streams := 0, map[social.Stream]bool{}
	for i := range tl.frames {
		bytes += tl.frames[i].size()
		streams[tl.frames[i].Stream] = true
	}
	if bytes != tl.bytes || len(streams) != len(tl.newest) {
		rt.Fatalf("%d bytes in %d streams, want %d in %d", tl.bytes, len(tl.newest), bytes, len(streams))
	}
	for n := range 9 {
		for _, s := range []social.Stream{to(n), by(n)} {
			for from := range len(tl.frames) + 1 {
				var want []uint32
				for i := from; i < len(tl.frames); i++ {
					if tl.frames[i].Stream == s {
						want = append(want, uint32(i))
					}
				}
				got := tl.Missed(nil, s, from, 1<<20)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					rt.Fatalf("%v from %d: %v, want %v", s, from, got, want)
				}
			}
		}
	}
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
		post := Of(social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 1}, Stream: by(2), Type: social.EventPostCreated, Data: []byte(`{}`)})
		tail.Push(post)
		tail.Withdraw(&social.Event{Cursor: social.Cursor{Epoch: 1, Seq: 2}, Stream: to(2), Type: social.EventAccessRevoked, Internal: true, Data: []byte(data)})
		if got := tail.Stale(&post); got != want {
			t.Errorf("%s: taken back: %v, want %v", data, got, want)
		}
	}
}
