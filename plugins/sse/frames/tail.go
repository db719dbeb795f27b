package frames

import (
	"encoding/json"
	"slices"
	"sort"

	"github.com/belfry-social/belfry/modules/social"
)

// Tail holds the newest events in memory, in order, up to a number of bytes.
//
// Each frame knows the one before it in its stream, so a reader who is far behind walks their streams, each from
// its newest frame back, and not everything that happened. A frame's number grows by one with each and may wrap:
// its distance to first is the place in frames.
type Tail struct {
	frames []Frame // rising positions
	first  uint32  // number of frames[0]
	floor  social.Position
	bytes  int
	limit  int
	newest map[social.Stream]uint32 // number of the newest frame of each stream

	// What was taken back: frames before these positions must not be shown from memory any more.
	staleStreams map[social.Stream]social.Position
	stalePeople  map[social.ID]social.Position
	forgetAt     int // how many marks are worth a look
}

// NewTail makes a tail of limit bytes that will hold everything above floor.
func NewTail(limit int, floor social.Position) *Tail {
	return &Tail{limit: limit, floor: floor, newest: map[social.Stream]uint32{},
		staleStreams: map[social.Stream]social.Position{}, stalePeople: map[social.ID]social.Position{}}
}

// Floor is the position above which the tail holds everything that was pushed.
func (t *Tail) Floor() social.Position { return t.floor }

// Bytes is the memory of the frames, roughly.
func (t *Tail) Bytes() int { return t.bytes }

// Len is the number of frames.
func (t *Tail) Len() int { return len(t.frames) }

// At gives the frame at a place, which is valid until the next Push.
func (t *Tail) At(place int) *Frame { return &t.frames[place] }

// Push adds the newest event and drops the oldest ones over the limit.
func (t *Tail) Push(f Frame) {
	number := t.first + uint32(len(t.frames))
	f.prev = number // itself = none
	if last, ok := t.newest[f.Stream]; ok {
		f.prev = last
	}
	t.newest[f.Stream] = number
	t.frames = append(t.frames, f)
	t.bytes += f.size()
	n := 0
	for ; t.bytes > t.limit && n < len(t.frames)-1; n++ {
		old := &t.frames[n]
		t.floor = old.Pos
		t.bytes -= old.size()
		if t.newest[old.Stream] == t.first+uint32(n) {
			delete(t.newest, old.Stream)
		}
		*old = Frame{} // its block; append moves the others to a new place now and then
	}
	if n > 0 {
		t.frames = t.frames[n:]
		t.first += uint32(n)
		t.forget()
	}
}

// After gives the place of the first frame above a position.
func (t *Tail) After(p social.Position) int {
	return sort.Search(len(t.frames), func(i int) bool { return t.frames[i].Pos > p })
}

// Missed appends the places of a stream's frames at or behind the place from, newest first, and stops when there
// are more than most in all.
func (t *Tail) Missed(places []uint32, s social.Stream, from, most int) []uint32 {
	last, ok := t.newest[s]
	if !ok {
		return places
	}
	for at := last - t.first; int(at) >= from && len(places) <= most; {
		places = append(places, at)
		prev := t.frames[at].prev - t.first
		if prev >= at {
			break // it is the first of its stream, or the one before was dropped
		}
		at = prev
	}
	return places
}

// Withdraw notes what an event takes back: frames before it in its stream, or all by and about a person whose
// account has ended or is suspended. The end of one session takes nothing back.
func (t *Tail) Withdraw(e *social.Event) {
	switch e.Type {
	case social.EventPostDeleted, social.EventNotificationRemoved:
		t.staleStreams[e.Stream] = e.Cursor.Seq
	case social.EventAccessRevoked:
		var which social.AccessRevokedData
		if json.Unmarshal(e.Data, &which) != nil || which == (social.AccessRevokedData{}) {
			t.stalePeople[e.Stream.User] = e.Cursor.Seq
			t.staleStreams[social.Stream{Kind: social.By, User: e.Stream.User}] = e.Cursor.Seq
		}
	}
}

// Stale reports whether something about a frame was taken back: only the log knows what.
func (t *Tail) Stale(f *Frame) bool {
	return f.Pos < t.staleStreams[f.Stream] ||
		len(t.stalePeople) > 0 && slices.ContainsFunc(f.About, func(id social.ID) bool { return f.Pos < t.stalePeople[id] })
}

// forget drops marks below the floor. It costs their number, so it waits until they are twice as many.
func (t *Tail) forget() {
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
