package frames

import (
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// Frame is one event: what is needed to judge it, and its block, encoded once and never changed.
type Frame struct {
	Pos    social.Position
	Stream social.Stream
	About  []social.ID
	Kind   Kinds // one type

	block []byte
	data  int // where in block the event's own data begins, for presets
}

// Of encodes an event; an event that is not Showable gives a frame without a block.
func Of(e social.Event) Frame {
	f := Frame{Pos: e.Cursor.Seq, Stream: e.Stream, About: e.About, Kind: KindOf(e.Type)}
	if Showable(e) {
		f.block, f.data = appendEvent(make([]byte, 0, len(e.Data)+len(e.Type)*2+160), e)
		f.block = slices.Clip(f.block)
	}
	return f
}

// Empty reports whether the frame has no block: it is shown to nobody.
func (f *Frame) Empty() bool { return len(f.block) == 0 }

// size is what a frame costs in memory, roughly.
func (f *Frame) size() int { return len(f.block) + len(f.About)*16 + 128 }

func (f *Frame) payload() []byte { return f.block[f.data : len(f.block)-len("}\n\n")] }

// Kinds is a set of event types.
type Kinds uint16

// The set of all types, and the type that stands for every one that is not in shown: those who want all get it.
const (
	All     Kinds = 1<<16 - 1
	unknown Kinds = 1 << 15
)

// shown are the types that clients may ask for.
var shown = [...]string{social.EventNotification, social.EventNotificationUpdated, social.EventNotificationRemoved,
	social.EventReadState, social.EventFollowChanged, social.EventPostCreated, social.EventPostUpdated,
	social.EventPostDeleted, social.EventUserDeleted}

func KindOf(typ string) Kinds {
	if i := slices.Index(shown[:], typ); i >= 0 {
		return 1 << i
	}
	return unknown
}

func Wanted(q plugins.EventsQuery) (k Kinds) {
	for _, typ := range append(shown[:len(shown):len(shown)], "") {
		if q.Shows(social.Event{Type: typ}) {
			k |= KindOf(typ)
		}
	}
	return k
}

// Showable reports whether an event can be a block: it is not internal, has a payload, and its type is a plain
// word, so that no field of the block can be forged.
func Showable(e social.Event) bool {
	if e.Internal || len(e.Data) == 0 || e.Type == "" {
		return false
	}
	for _, c := range []byte(e.Type) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// appendEvent appends the block of an event: the same bytes for every reader, from memory and from the log. JSON
// has no raw control characters inside strings, so one in Data is white space between its parts (or damage) and
// becomes a space: data is one line.
func appendEvent(b []byte, e social.Event) (block []byte, data int) {
	b = appendID(b, e.Cursor)
	b = append(b, "event: "...)
	b = append(b, e.Type...)
	b = append(b, "\ndata: "...)
	start := len(b)
	b = e.AppendJSON(b)
	for i := start; i < len(b); i++ {
		if b[i] < ' ' {
			b[i] = ' '
		}
	}
	data = len(b) - 1 - len(e.Data)
	return append(b, "\n\n"...), data
}

func appendID(b []byte, c social.Cursor) []byte {
	b = append(b, "id: "...)
	b, _ = c.AppendText(b)
	return append(b, '\n')
}
