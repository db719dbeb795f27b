package sse

import (
	"slices"
	"sort"

	"github.com/belfry-social/belfry/modules"
)

// tail holds the newest events in memory, in order, up to a number of bytes. The hub's goroutine owns it.
type tail struct {
	frames []frame // rising positions
	floor  modules.Position
	bytes  int
	limit  int

	// What was taken back: frames before these positions must not be shown from memory any more.
	staleStreams map[modules.Stream]modules.Position
	stalePeople  map[modules.ID]modules.Position
	forgetAt     int // how many marks are worth a look
}

func newTail(limit int, floor modules.Position) *tail {
	return &tail{limit: limit, floor: floor, staleStreams: map[modules.Stream]modules.Position{}, stalePeople: map[modules.ID]modules.Position{}}
}

// push adds the newest event and drops the oldest ones over the limit. Everything above floor that was dispatched
// is in the tail.
func (t *tail) push(f frame) {
	t.frames = append(t.frames, f)
	t.bytes += f.size()
	n := 0
	for t.bytes > t.limit && n < len(t.frames)-1 {
		t.bytes -= t.frames[n].size()
		t.floor = t.frames[n].pos
		t.frames[n] = frame{} // lets go of its block
		n++
	}
	if n > 0 {
		t.frames = t.frames[n:] // append moves the rest to a new place now and then, so the old one is let go of
		t.forget()
	}
}

// after gives the index of the first frame above a position.
func (t *tail) after(p modules.Position) int {
	n := len(t.frames)
	if n == 0 || t.frames[n-1].pos <= p {
		return n
	}
	if n > 1 && t.frames[n-2].pos <= p {
		return n - 1 // the common case: only the newest is missing
	}
	return sort.Search(n, func(i int) bool { return t.frames[i].pos > p })
}

// staleBefore says that something in stream was taken back by the event at p.
func (t *tail) staleBefore(stream modules.Stream, p modules.Position) { t.staleStreams[stream] = p }

// stalePerson says that everything by or about a person may have been taken back by the event at p.
func (t *tail) stalePerson(id modules.ID, p modules.Position) {
	t.stalePeople[id] = p
	t.staleStreams[modules.Stream{Kind: modules.By, User: id}] = p
}

// isStale reports whether the log has to be asked about a frame.
func (t *tail) isStale(f *frame) bool {
	if p, ok := t.staleStreams[f.stream]; ok && f.pos < p {
		return true
	}
	return len(t.stalePeople) > 0 && slices.ContainsFunc(f.about, func(id modules.ID) bool { return f.pos < t.stalePeople[id] })
}

// forget drops marks below the floor. It costs their number, so it waits until they are twice as many.
func (t *tail) forget() {
	if len(t.staleStreams)+len(t.stalePeople) < max(t.forgetAt, 1024) {
		return
	}
	for s, p := range t.staleStreams {
		if p <= t.floor+1 {
			delete(t.staleStreams, s)
		}
	}
	for id, p := range t.stalePeople {
		if p <= t.floor+1 {
			delete(t.stalePeople, id)
		}
	}
	t.forgetAt = 2 * (len(t.staleStreams) + len(t.stalePeople))
}
