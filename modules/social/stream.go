package social

import (
	"fmt"
	"strconv"
)

// StreamKind tells the two streams of a user apart.
type StreamKind byte

// To is what is addressed to a user; By is what a user publishes to followers. Both values are on disk.
const (
	To StreamKind = 1
	By StreamKind = 2
)

// Stream names one ordered stream of events.
type Stream struct {
	Kind StreamKind
	User ID
}

// StreamLen is the length of a stream's binary form.
const StreamLen = 17

// Bytes returns the binary form: kind, then the 16 bytes of the user.
func (s Stream) Bytes() (b [StreamLen]byte) {
	b[0] = byte(s.Kind)
	copy(b[1:], s.User[:])
	return b
}

// StreamOf reads the binary form. Bytes of another length or kind are an error.
func StreamOf(b []byte) (Stream, error) {
	if len(b) != StreamLen || (StreamKind(b[0]) != To && StreamKind(b[0]) != By) {
		return Stream{}, fmt.Errorf("not a stream: %d bytes", len(b))
	}
	var s Stream
	s.Kind = StreamKind(b[0])
	copy(s.User[:], b[1:])
	return s, nil
}

// String returns "to:<user>" or "by:<user>".
func (s Stream) String() string {
	switch s.Kind {
	case To:
		return "to:" + s.User.String()
	case By:
		return "by:" + s.User.String()
	default:
		return "stream(" + strconv.Itoa(int(s.Kind)) + "):" + s.User.String()
	}
}

// MaxAbout bounds how many people an event names.
const MaxAbout = 4

// Event is one entry of the log with its position. Data is the JSON of its "data" member; it is shared by
// all who read it and must not be changed.
type Event struct {
	Cursor   Cursor
	Stream   Stream
	Type     string
	Time     Time
	About    []ID // the people it names, actor first; at most MaxAbout
	Internal bool // a control entry: it changes an audience or ends access, and no client ever sees it
	Data     []byte
}

// AppendJSON appends the event as clients see it, the same bytes on every road (SSE data, poll items, webhook
// body): {"id":…,"type":…,"time":…,"data":…}. This is the only encoder of events. Type comes from a closed set
// and Data is valid JSON, so nothing is escaped here.
func (e Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"id":"`...)
	b, _ = e.Cursor.AppendText(b)
	b = append(b, `","type":"`...)
	b = append(b, e.Type...)
	b = append(b, `","time":"`...)
	b, _ = e.Time.AppendText(b)
	b = append(b, `","data":`...)
	b = append(b, e.Data...)
	return append(b, '}')
}

func (e Event) MarshalJSON() ([]byte, error) {
	return e.AppendJSON(make([]byte, 0, len(e.Data)+len(e.Type)+96)), nil
}

// Source is a stream a person reads, and the moment from which they may see it.
type Source struct {
	Stream Stream
	Since  Position // events at or below it are not shown; 0 = all kept
	Bell   bool     // the person wants to be told of posts here (posts=notify)
	Ended  bool     // the account whose stream it is has ended: Since is just below its user.deleted
}

// Audience is what one person reads. An event is theirs if its stream is a source, its position is above the
// source's Since, and it names nobody hidden.
type Audience struct {
	Person  ID
	Sources []Source        // each stream at most once
	Hidden  map[ID]struct{} // whom they block or mute, and who blocks them; nil = nobody
}

// PostsMode says which posts of followed people a reader wants in their events.
type PostsMode string

// The modes; PostsNotify is the default.
const (
	PostsNotify PostsMode = "notify" // of those followed with the bell on
	PostsAll    PostsMode = "all"    // of everybody followed, and one's own
	PostsNone   PostsMode = "none"
)

// ForPosts returns the audience narrowed to a mode: to: streams and ended ones always stay; other by: streams stay
// all, with the bell on, or not at all. The result shares nothing that is written.
func (a Audience) ForPosts(mode PostsMode) Audience {
	if mode == PostsAll {
		return a
	}
	kept := make([]Source, 0, len(a.Sources))
	for _, s := range a.Sources {
		if s.Stream.Kind == To || s.Ended || (mode == PostsNotify && s.Bell) {
			kept = append(kept, s)
		}
	}
	a.Sources = kept
	return a
}

// Hides reports whether e names a person hidden from this audience.
func (a Audience) Hides(e Event) bool {
	if len(a.Hidden) == 0 {
		return false
	}
	for _, id := range e.About {
		if _, ok := a.Hidden[id]; ok {
			return true
		}
	}
	return false
}

// EventPage is the answer to one read of the log.
type EventPage struct {
	Events  []Event
	Through Cursor // everything up to here was judged for this reader, also when all of it was filtered away
	More    bool   // ask again at once, from Through
}
