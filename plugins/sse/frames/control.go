package frames

import (
	"strconv"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// Heartbeat is a comment with one line feed: an empty line behind it would be a block without an event, on which
// some clients give up.
const Heartbeat = ": hb\n"

// Ready is what the first block of a connection says.
type Ready struct {
	Connection, User social.ID
	Cursor           social.Cursor // the position held; zero when a gap follows
	Head, Oldest     social.Cursor
	Resumed          bool
	Heartbeat        time.Duration
	MaxAge           time.Duration
	Retry            time.Duration
}

// AppendReady appends the ready block. It has no id line when a gap follows: a connection cut between the two
// meets the gap again.
func AppendReady(b []byte, r Ready) []byte {
	b = appendHeld(b, r.Cursor)
	b = append(b, "event: ready\nretry: "...)
	b = appendMillis(b, r.Retry)
	b = append(b, "\ndata: {\"connection\":\""...)
	b = append(b, r.Connection.String()...)
	b = append(b, `","user_id":"`...)
	b = append(b, r.User.String()...)
	b = append(b, `","cursor":`...)
	b = appendCursor(b, r.Cursor)
	b = append(b, `,"head":`...)
	b = appendCursor(b, r.Head)
	b = append(b, `,"oldest":`...)
	b = appendCursor(b, r.Oldest)
	b = append(b, `,"resumed":`...)
	b = strconv.AppendBool(b, r.Resumed)
	b = append(b, `,"heartbeat_s":`...)
	b = strconv.AppendInt(b, seconds(r.Heartbeat), 10)
	b = append(b, `,"max_age_s":`...)
	b = strconv.AppendInt(b, seconds(r.MaxAge), 10)
	return append(b, "}\n\n"...)
}

// AppendGap appends the gap block; its id is where the stream goes on.
func AppendGap(b []byte, g *social.GapError) []byte {
	b = appendHeld(b, g.To)
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

// AppendBye appends the last block. cursor is the position held, zero for none; retry 0 means that nothing is
// said about coming back.
func AppendBye(b []byte, reason plugins.ByeReason, retry time.Duration, cursor social.Cursor) []byte {
	b = appendHeld(b, cursor)
	b = append(b, "event: bye\n"...)
	millis := []byte("null")
	if retry > 0 {
		millis = appendMillis(nil, retry)
		b = append(b, "retry: "...)
		b = append(b, millis...)
		b = append(b, '\n')
	}
	b = append(b, `data: {"reason":"`...)
	b = append(b, reason...)
	b = append(b, `","retry_ms":`...)
	b = append(b, millis...)
	b = append(b, `,"cursor":`...)
	b = appendCursor(b, cursor)
	return append(b, "}\n\n"...)
}

// appendHeld appends the id line of a position held, if there is one.
func appendHeld(b []byte, c social.Cursor) []byte {
	if c.IsZero() {
		return b
	}
	return appendID(b, c)
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
