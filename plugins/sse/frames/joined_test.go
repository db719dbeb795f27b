package frames

import (
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// TestJoined: what was put together before serves again as far as it is the same, and never when it is not.
func TestJoined(t *testing.T) {
	one := Frame{Pos: 1, block: []byte("id: 1-1\nevent: a\ndata: {\"data\":1}\n\n"), data: 31}
	two := Frame{Pos: 2, block: []byte("id: 1-2\nevent: a\ndata: {\"data\":2}\n\n"), data: 31}
	three := Frame{Pos: 3, block: []byte("id: 1-3\nevent: a\ndata: {\"data\":3}\n\n"), data: 31}
	alarm := PresetOf("alarm")
	join := func(j *Joined, p *Preset, frames ...Frame) string {
		j.Begin(p)
		for i := range frames {
			j.AddFrame(&frames[i])
		}
		return string(j.Bytes())
	}
	plain := func(frames ...Frame) (out string) {
		for _, f := range frames {
			out += string(f.block)
		}
		return out
	}
	for name, tt := range map[string]struct {
		before func(j *Joined)
		preset *Preset
		frames []Frame
		want   string
		built  int // bytes
	}{
		"the same":     {func(j *Joined) { join(j, nil, one, two) }, nil, []Frame{one, two}, plain(one, two), 0},
		"a part of it": {func(j *Joined) { join(j, nil, one, two) }, nil, []Frame{one}, plain(one), 0},
		"more": {func(j *Joined) { join(j, nil, one, two) }, nil, []Frame{one, two, three},
			plain(one, two, three), len(three.block)},
		"another end": {func(j *Joined) { join(j, nil, one, two) }, nil, []Frame{one, three}, plain(one, three),
			len(three.block)},
		"another begin": {func(j *Joined) { join(j, nil, one, two) }, nil, []Frame{two}, plain(two), len(two.block)},
		"nothing":       {func(j *Joined) { join(j, nil, one, two) }, nil, nil, "", 0},
		"another form": {func(j *Joined) { join(j, alarm, one, two) }, nil, []Frame{one, two}, plain(one, two),
			len(plain(one, two))},
		"a rest of it": {func(j *Joined) { j.Reset(); j.Add([]byte("}\n\n"), one.Pos) }, nil, []Frame{one}, plain(one),
			len(one.block)},
		"a heartbeat": {func(j *Joined) { j.Reset(); j.Add([]byte(Heartbeat), one.Pos) }, nil, []Frame{one}, plain(one),
			len(one.block)},
		"a shorter before": {func(j *Joined) { join(j, nil, one, two); join(j, nil, one) }, nil, []Frame{one, two},
			plain(one, two), 0},
	} {
		t.Run(name, func(t *testing.T) {
			var j Joined
			tt.before(&j)
			built := j.Built
			got := join(&j, tt.preset, tt.frames...)
			if got != tt.want || int(j.Built-built) != tt.built {
				t.Errorf("got %q, want %q; %d bytes built, want %d", got, tt.want, j.Built-built, tt.built)
			}
			if marks := j.Marks(); len(marks) != len(tt.frames) || (len(marks) > 0 && marks[len(marks)-1].End != len(got)) {
				t.Errorf("marks %v for %d bytes", marks, len(got))
			}
		})
	}
}

// TestJoinedEnds: a write holds at most MaxJoin bytes, but for a single block that is larger.
func TestJoinedEnds(t *testing.T) {
	var j Joined
	for range 2 { // built, and used again
		j.Begin(nil)
		for n, size := range []int{MaxJoin + 1, 1} {
			if got := j.AddFrame(&Frame{Pos: social.Position(n + 1), block: make([]byte, size)}); got != (n == 0) {
				t.Errorf("block %d fits: %v", n, got)
			}
		}
	}
	for range 2 {
		j.Begin(nil)
		for n, size := range []int{MaxJoin - 1, 1, 1} {
			if got := j.AddFrame(&Frame{Pos: social.Position(n + 10), block: make([]byte, size)}); got != (n < 2) {
				t.Errorf("block %d fits: %v", n, got)
			}
		}
	}
}
