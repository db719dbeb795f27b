package sse

import (
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
)

// TestJoined: what was put together before serves again as far as it is the same, and never when it is not.
func TestJoined(t *testing.T) {
	one := frame{pos: 1, block: []byte("id: 1-1\nevent: a\ndata: {\"data\":1}\n\n"), data: 31}
	two := frame{pos: 2, block: []byte("id: 1-2\nevent: a\ndata: {\"data\":2}\n\n"), data: 31}
	three := frame{pos: 3, block: []byte("id: 1-3\nevent: a\ndata: {\"data\":3}\n\n"), data: 31}
	alarm := presetOf("alarm")
	join := func(j *joined, p *preset, frames ...frame) string {
		j.begin(p)
		for i := range frames {
			j.addFrame(&frames[i])
		}
		return string(j.bytes())
	}
	plain := func(frames ...frame) (out string) {
		for _, f := range frames {
			out += string(f.block)
		}
		return out
	}
	for name, tt := range map[string]struct {
		before func(j *joined)
		preset *preset
		frames []frame
		want   string
		built  int // bytes
	}{
		"the same":         {func(j *joined) { join(j, nil, one, two) }, nil, []frame{one, two}, plain(one, two), 0},
		"a part of it":     {func(j *joined) { join(j, nil, one, two) }, nil, []frame{one}, plain(one), 0},
		"more":             {func(j *joined) { join(j, nil, one, two) }, nil, []frame{one, two, three}, plain(one, two, three), len(three.block)},
		"another end":      {func(j *joined) { join(j, nil, one, two) }, nil, []frame{one, three}, plain(one, three), len(three.block)},
		"another begin":    {func(j *joined) { join(j, nil, one, two) }, nil, []frame{two}, plain(two), len(two.block)},
		"nothing":          {func(j *joined) { join(j, nil, one, two) }, nil, nil, "", 0},
		"another form":     {func(j *joined) { join(j, alarm, one, two) }, nil, []frame{one, two}, plain(one, two), len(plain(one, two))},
		"a rest of it":     {func(j *joined) { j.reset(); j.add([]byte("}\n\n"), one.pos) }, nil, []frame{one}, plain(one), len(one.block)},
		"a heartbeat":      {func(j *joined) { j.reset(); j.add([]byte(heartbeat), one.pos) }, nil, []frame{one}, plain(one), len(one.block)},
		"a shorter before": {func(j *joined) { join(j, nil, one, two); join(j, nil, one) }, nil, []frame{one, two}, plain(one, two), 0},
	} {
		t.Run(name, func(t *testing.T) {
			var j joined
			tt.before(&j)
			built := j.built
			got := join(&j, tt.preset, tt.frames...)
			if got != tt.want || int(j.built-built) != tt.built {
				t.Errorf("got %q, want %q; %d bytes built, want %d", got, tt.want, j.built-built, tt.built)
			}
			if marks := j.blocks(); len(marks) != len(tt.frames) || (len(marks) > 0 && marks[len(marks)-1].end != len(got)) {
				t.Errorf("marks %v for %d bytes", marks, len(got))
			}
		})
	}
}

// TestJoinedEnds: a write holds at most maxJoin bytes, but for a single block that is larger.
func TestJoinedEnds(t *testing.T) {
	var j joined
	for range 2 { // built, and used again
		j.begin(nil)
		for n, size := range []int{maxJoin + 1, 1} {
			if got := j.addFrame(&frame{pos: social.Position(n + 1), block: make([]byte, size)}); got != (n == 0) {
				t.Errorf("block %d fits: %v", n, got)
			}
		}
	}
	for range 2 {
		j.begin(nil)
		for n, size := range []int{maxJoin - 1, 1, 1} {
			if got := j.addFrame(&frame{pos: social.Position(n + 10), block: make([]byte, size)}); got != (n < 2) {
				t.Errorf("block %d fits: %v", n, got)
			}
		}
	}
}

// TestMarkedAreThoseWhoRead: a post puts those into the line whom it is for, and nobody else.
func TestMarkedAreThoseWhoRead(t *testing.T) {
	for name, tt := range map[string]struct {
		mode social.PostsMode
		want int
	}{"all": {social.PostsAll, 11}, "with the bell": {social.PostsNotify, 5}, "none": {social.PostsNone, 0}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			h := newHub(defaults, envOf(w), func() float64 { return 0 })
			for n := range 10 {
				w.follow(n+10, 1, n%2 == 0)
			}
			h.begin(w.Head())
			for n := range 20 { // ten of them follow nobody; one is the author
				who := n + 10
				if n == 19 {
					who = 1
				}
				c := &connection{hub: h, want: ^kinds(0), mode: modeOf(tt.mode), sock: &drain{newSink()}, epoch: 1, delivered: w.head, release: func() {}}
				h.admit(c, id(who))
				a, _ := w.Audience(t.Context(), id(who))
				h.answered(question{person: c.person, whole: true}, answer{audience: a})
			}
			h.askNext = queue[*person]{}
			for _, author := range []int{99, 1} { // with the first event the tail begins: everybody looks once
				for h.line.len() > 0 {
					h.step()
				}
				w.post(author)
				e := w.events[len(w.events)-1]
				h.dispatched([]social.Event{e}, []frame{frameOf(e)})
			}
			if h.line.len() != tt.want {
				t.Errorf("%d connections are to be served, want %d", h.line.len(), tt.want)
			}
		})
	}
}

// TestJoinedOfAnotherEpoch: a write put together in one epoch serves nobody in the next, though the positions are the same.
func TestJoinedOfAnotherEpoch(t *testing.T) {
	w := newWorld()
	h := newHub(defaults, envOf(w), func() float64 { return 0 })
	h.begin(social.Cursor{Epoch: 1})
	out := &pipe{room: -1}
	serve := func(epoch uint32) string {
		w.epoch, w.head = epoch, 0
		w.notify(1)
		ev := w.events[len(w.events)-1]
		k := &connection{hub: h, want: ^kinds(0), sock: out, epoch: epoch, release: func() {}}
		h.dispatched([]social.Event{ev}, []frame{frameOf(ev)})
		h.admit(k, id(1))
		a, _ := w.Audience(t.Context(), id(1))
		h.answered(question{person: k.person, whole: true}, answer{audience: a})
		out.got = nil
		for h.line.len() > 0 {
			c := h.line.pop()
			c.waiting = false
			h.pass(c)
		}
		got := string(out.got)
		h.left(k)
		return got
	}
	if got := serve(1); !strings.HasPrefix(got, "id: 1-1\n") {
		t.Fatalf("%q", got)
	}
	if got := serve(2); !strings.HasPrefix(got, "id: 2-1\n") {
		t.Errorf("in the second epoch: %q", got)
	}
}
