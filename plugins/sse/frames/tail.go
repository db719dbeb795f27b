package frames

import (
	"encoding/json"
	"slices"
	"sort"

	"github.com/belfry-social/belfry/modules/social"
)

// Tail holds the newest events in memory, in order, up to a number of bytes.
type Tail struct {
	frames []Frame // rising positions
	floor  social.Position
	bytes  int
	limit  int

	// What was taken back: frames before these positions must not be shown from memory any more.
	staleStreams map[social.Stream]social.Position
	stalePeople  map[social.ID]social.Position
	forgetAt     int // how many marks are worth a look
}

// NewTail makes a tail of limit bytes that will hold everything above floor.
func NewTail(limit int, floor social.Position) *Tail {
	return &Tail{limit: limit, floor: floor,
		staleStreams: map[social.Stream]social.Position{}, stalePeople: map[social.ID]social.Position{}}
}

// Floor is the position above which the tail holds everything that was pushed.
func (t *Tail) Floor() social.Position { return t.floor }

// Bytes is the memory of the frames, roughly.
func (t *Tail) Bytes() int { return t.bytes }

// At gives the frame at a place, which is valid until the next Push.
func (t *Tail) At(place int) *Frame { return &t.frames[place] }

// After gives the place of the first frame above a position.
func (t *Tail) After(p social.Position) int {
	return sort.Search(len(t.frames), func(i int) bool { return t.frames[i].Pos > p })
}

// Push adds the newest event and drops the oldest ones over the limit.
func (t *Tail) Push(f Frame) {
	t.frames = append(t.frames, f)
	t.bytes += f.size()
	n := 0
	for ; t.bytes > t.limit && n < len(t.frames)-1; n++ {
		t.floor = t.frames[n].Pos
		t.bytes -= t.frames[n].size()
		t.frames[n] = Frame{} // its block; append moves the others to a new place now and then
	}
	if n > 0 {
		t.frames = t.frames[n:]
		t.forget()
	}
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
