package sse

import (
	"slices"
	"sort"

	"github.com/belfry-social/belfry/modules/social"
)

// tail holds the newest events in memory, in order, up to a number of bytes. The hub's goroutine owns it.
//
// A frame knows the one before it in its stream, so that a reader who is far behind is told what they lack by
// their streams, each from its newest frame back, and not by everything that happened meanwhile. Frames are named
// by a number that grows by one with each and may wrap: the difference to the first one's is the place in frames.
type tail struct {
	frames  []frame // rising positions
	first   uint32  // number of frames[0]
	floor   social.Position
	bytes   int
	limit   int
	authors *authors            // chains of by: streams
	to      map[social.ID]chain // chains of to: streams

	// What was taken back: frames before these positions must not be shown from memory any more.
	staleStreams map[social.Stream]social.Position
	stalePeople  map[social.ID]social.Position
	forgetAt     int // how many marks are worth a look
}

// chain is the frames of one stream.
type chain struct {
	last  uint32 // number of the newest one
	count uint32
}

func newTail(limit int, floor social.Position, a *authors) *tail {
	return &tail{limit: limit, floor: floor, authors: a, to: map[social.ID]chain{},
		staleStreams: map[social.Stream]social.Position{}, stalePeople: map[social.ID]social.Position{}}
}

// push adds the newest event and drops the oldest ones over the limit. Everything above floor that was dispatched
// is in the tail.
func (t *tail) push(f frame) {
	t.link(&f, t.first+uint32(len(t.frames)))
	t.frames = append(t.frames, f)
	t.bytes += f.size()
	n := 0
	for t.bytes > t.limit && n < len(t.frames)-1 {
		t.floor = t.frames[n].pos
		t.let(n)
		n++
	}
	if n > 0 {
		t.frames = t.frames[n:] // append moves the rest to a new place now and then, so the old one is let go of
		t.first += uint32(n)
		t.forget()
	}
}

// link puts a frame at the end of its stream's chain.
func (t *tail) link(f *frame, number uint32) {
	var c chain
	if f.stream.Kind == social.To {
		c = t.to[f.stream.User]
	} else {
		f.author = t.authors.enter(f.stream.User)
		c = t.authors.chains[f.author]
	}
	f.prev = number // itself = none
	if c.count > 0 {
		f.prev = c.last
	}
	t.setChain(f, chain{number, c.count + 1})
}

// let lets go of frames[i], the oldest that is left.
func (t *tail) let(i int) {
	f := &t.frames[i]
	t.bytes -= f.size()
	c := t.chainOf(f)
	c.count--
	t.setChain(f, c)
	*f = frame{} // its block
}

func (t *tail) chainOf(f *frame) chain {
	if f.stream.Kind == social.To {
		return t.to[f.stream.User]
	}
	return t.authors.chains[f.author]
}

func (t *tail) setChain(f *frame, c chain) {
	switch {
	case f.stream.Kind == social.To && c.count > 0:
		t.to[f.stream.User] = c
	case f.stream.Kind == social.To:
		delete(t.to, f.stream.User)
	case c.count > 0:
		t.authors.chains[f.author] = c
	default:
		delete(t.authors.chains, f.author)
		t.authors.drop(f.author)
	}
}

// clear drops everything.
func (t *tail) clear() {
	for i := range t.frames {
		t.let(i)
	}
	t.frames = nil
}

// after gives the index of the first frame above a position.
func (t *tail) after(p social.Position) int {
	n := len(t.frames)
	if n == 0 || t.frames[n-1].pos <= p {
		return n
	}
	if n > 1 && t.frames[n-2].pos <= p {
		return n - 1 // the common case: only the newest is missing
	}
	return sort.Search(n, func(i int) bool { return t.frames[i].pos > p })
}

// missed appends the places of a chain's frames that stand at or behind the place from, newest first, and stops
// when there are more than most in all.
func (t *tail) missed(places []uint32, c chain, from, most int) []uint32 {
	if c.count == 0 {
		return places
	}
	for at := c.last - t.first; int(at) >= from && len(places) <= most; {
		places = append(places, at)
		prev := t.frames[at].prev - t.first
		if prev >= at {
			break // it is the first of its stream, or the one before was dropped
		}
		at = prev
	}
	return places
}

// staleBefore says that something in stream was taken back by the event at p.
func (t *tail) staleBefore(stream social.Stream, p social.Position) { t.staleStreams[stream] = p }

// stalePerson says that everything by or about a person may have been taken back by the event at p.
func (t *tail) stalePerson(id social.ID, p social.Position) {
	t.stalePeople[id] = p
	t.staleStreams[social.Stream{Kind: social.By, User: id}] = p
}

// isStale reports whether the log has to be asked about a frame.
func (t *tail) isStale(f *frame) bool {
	if len(t.staleStreams) > 0 {
		if p, ok := t.staleStreams[f.stream]; ok && f.pos < p {
			return true
		}
	}
	return len(t.stalePeople) > 0 && slices.ContainsFunc(f.about, func(id social.ID) bool { return f.pos < t.stalePeople[id] })
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
