package sse

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// frame is one event in the tail: what is needed to judge it, and its block, encoded once and never changed.
type frame struct {
	pos    social.Position
	stream social.Stream
	about  []social.ID
	kind   kinds  // one bit
	block  []byte // as it goes on the wire
	data   int    // where in block the event's own data begins, for aliases
	author uint32 // of a by: stream: its place in the index; set by the tail
	prev   uint32 // number of the frame before it in its stream; set by the tail
}

// heartbeat is a comment with one line feed: an empty line behind it would be a block without an event, on which
// some clients give up.
const heartbeat = ": hb\n"

// size is what a frame costs in memory, roughly.
func (f *frame) size() int { return len(f.block) + len(f.about)*16 + 128 }

// payload is the event's data member.
func (f *frame) payload() []byte { return f.block[f.data : len(f.block)-len("}\n\n")] }

// kinds is a set of event types.
type kinds uint16

// unknownKind stands for every type that is not in the list; it is shown to those who want all.
const unknownKind kinds = 1 << 15

func kindOf(typ string) kinds {
	for i, t := range [...]string{social.EventNotification, social.EventNotificationUpdated, social.EventNotificationRemoved, social.EventReadState,
		social.EventFollowChanged, social.EventPostCreated, social.EventPostUpdated, social.EventPostDeleted} {
		if t == typ {
			return 1 << i
		}
	}
	return unknownKind
}

// wanted gives the types a query shows.
func wanted(q plugins.EventsQuery) kinds {
	var k kinds
	for _, t := range [...]string{social.EventNotification, social.EventNotificationUpdated, social.EventNotificationRemoved, social.EventReadState,
		social.EventFollowChanged, social.EventPostCreated, social.EventPostUpdated, social.EventPostDeleted, ""} {
		if q.Shows(social.Event{Type: t}) {
			k |= kindOf(t)
		}
	}
	return k
}

// showable reports whether an event can be a block: it is not internal, has a payload, and its type is a plain
// word, so that no field of the block can be forged.
func showable(e social.Event) bool {
	if e.Internal || len(e.Data) == 0 || e.Type == "" {
		return false
	}
	for i := 0; i < len(e.Type); i++ {
		c := e.Type[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

// appendEvent appends the block of an event. It is the same for every reader and on every road. JSON has no raw
// control characters inside strings, so a line break in Data is white space between its parts (or damage) and
// becomes a space: data is one line.
func appendEvent(b []byte, e social.Event) (block []byte, data int) {
	b = append(b, "id: "...)
	b, _ = e.Cursor.AppendText(b)
	b = append(b, "\nevent: "...)
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

// frameOf encodes an event for the tail.
func frameOf(e social.Event) frame {
	block, data := appendEvent(make([]byte, 0, len(e.Data)+len(e.Type)*2+160), e)
	return frame{pos: e.Cursor.Seq, stream: e.Stream, about: e.About, kind: kindOf(e.Type), block: slices.Clip(block), data: data}
}

// readyData is what the first block of a connection says.
type readyData struct {
	connection, user social.ID
	cursor           social.Cursor // the position held; zero when a gap follows
	head, oldest     social.Cursor
	resumed          bool
	heartbeat        time.Duration
	maxAge           time.Duration
	retry            time.Duration
}

// appendReady appends the ready block. It has no id line when a gap follows: a connection cut between the two
// meets the gap again.
func appendReady(b []byte, r readyData) []byte {
	b = appendID(b, r.cursor)
	b = append(b, "event: ready\nretry: "...)
	b = appendMillis(b, r.retry)
	b = append(b, "\ndata: {\"connection\":\""...)
	b = append(b, r.connection.String()...)
	b = append(b, `","user_id":"`...)
	b = append(b, r.user.String()...)
	b = append(b, `","cursor":`...)
	b = appendCursor(b, r.cursor)
	b = append(b, `,"head":`...)
	b = appendCursor(b, r.head)
	b = append(b, `,"oldest":`...)
	b = appendCursor(b, r.oldest)
	b = append(b, `,"resumed":`...)
	b = strconv.AppendBool(b, r.resumed)
	b = append(b, `,"heartbeat_s":`...)
	b = strconv.AppendInt(b, seconds(r.heartbeat), 10)
	b = append(b, `,"max_age_s":`...)
	b = strconv.AppendInt(b, seconds(r.maxAge), 10)
	return append(b, "}\n\n"...)
}

// appendGap appends the gap block; its id is where the stream goes on.
func appendGap(b []byte, g *social.GapError) []byte {
	b = appendID(b, g.To)
	b = append(b, "event: gap\ndata: {\"from\":"...)
	b = appendCursor(b, g.From)
	b = append(b, `,"to":`...)
	b = appendCursor(b, g.To)
	b = append(b, `,"reason":"`...)
	b = append(b, g.Reason...)
	b = append(b, `","heal":[`...)
	for i, path := range plugins.Heal() {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, path)
	}
	return append(b, "]}\n\n"...)
}

// appendBye appends the last block. cursor is the position held, zero for none; retry 0 means that nothing is
// said about coming back.
func appendBye(b []byte, reason plugins.ByeReason, retry time.Duration, cursor social.Cursor) []byte {
	b = appendID(b, cursor)
	b = append(b, "event: bye\n"...)
	if retry > 0 {
		b = append(b, "retry: "...)
		b = appendMillis(b, retry)
		b = append(b, '\n')
	}
	b = append(b, `data: {"reason":"`...)
	b = append(b, reason...)
	b = append(b, `","retry_ms":`...)
	if retry > 0 {
		b = appendMillis(b, retry)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"cursor":`...)
	b = appendCursor(b, cursor)
	return append(b, "}\n\n"...)
}

func appendID(b []byte, c social.Cursor) []byte {
	if c.IsZero() {
		return b
	}
	b = append(b, "id: "...)
	b, _ = c.AppendText(b)
	return append(b, '\n')
}

func appendCursor(b []byte, c social.Cursor) []byte {
	if c.IsZero() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b, _ = c.AppendText(b)
	return append(b, '"')
}

func appendMillis(b []byte, d time.Duration) []byte {
	return strconv.AppendInt(b, d.Milliseconds(), 10)
}

// seconds rounds up, so that a client that waits for it never gives up early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// byeRetry says when a client should come back, at random so that not all come at once; r is in [0, 1). 0 = not
// said.
func byeRetry(reason plugins.ByeReason, r float64) time.Duration {
	var low, high time.Duration
	switch reason {
	case plugins.ByeRestart:
		low, high = time.Second, 15*time.Second
	case plugins.ByeMaxAge:
		low, high = 200*time.Millisecond, 3*time.Second
	case plugins.ByeTooMany:
		low, high = time.Minute, 2*time.Minute
	case plugins.ByeOverload:
		low, high = 5*time.Second, 30*time.Second
	default:
		return 0
	}
	return low + time.Duration(r*float64(high-low))
}

// header is the name and value of one line of a response head.
type header struct{ name, value string }

// appendHead appends the head of a stream's answer. extra are the lines the host has set; what is said here
// already, and what would frame the body otherwise, is left out of them.
func appendHead(b []byte, date time.Time, requestID string, extra []header) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\n"+
		"Content-Type: text/event-stream\r\n"+
		"Cache-Control: no-store, no-transform\r\n"+
		"X-Accel-Buffering: no\r\n"+
		"Vary: Accept, Authorization, Cookie, Origin\r\n"+
		"X-Content-Type-Options: nosniff\r\n"...)
	if requestID != "" {
		b = appendHeader(b, header{"X-Request-Id", requestID})
	}
	b = append(b, "Date: "...)
	b = date.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 GMT")
	b = append(b, "\r\nConnection: close\r\n"...)
	for _, h := range extra {
		b = appendHeader(b, h)
	}
	return append(b, "\r\n"...)
}

func appendHeader(b []byte, h header) []byte {
	if bytes.ContainsAny([]byte(h.name+h.value), "\r\n\x00") {
		return b
	}
	b = append(b, h.name...)
	b = append(b, ": "...)
	b = append(b, h.value...)
	return append(b, "\r\n"...)
}
