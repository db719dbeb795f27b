package frames

import (
	"fmt"
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
	return fmt.Appendf(b, "event: ready\nretry: %d\ndata: "+`{"connection":"%s","user_id":"%s","cursor":%s,"head":%s,`+
		`"oldest":%s,"resumed":%t,"heartbeat_s":%d,"max_age_s":%d}`+"\n\n", r.Retry.Milliseconds(), r.Connection, r.User,
		quoted(r.Cursor), quoted(r.Head), quoted(r.Oldest), r.Resumed, seconds(r.Heartbeat), seconds(r.MaxAge))
}

// AppendGap appends the gap block; its id is where the stream goes on.
func AppendGap(b []byte, g *social.GapError) []byte {
	b = appendHeld(b, g.To)
	b = fmt.Appendf(b, "event: gap\ndata: "+`{"from":%s,"to":%s,"reason":"%s","heal":[`, quoted(g.From), quoted(g.To),
		g.Reason)
	for i, path := range plugins.Heal() {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%q", path)
	}
	return append(b, "]}\n\n"...)
}

// AppendBye appends the last block. cursor is the position held, zero for none; retry 0 means that nothing is
// said about coming back.
func AppendBye(b []byte, reason plugins.ByeReason, retry time.Duration, cursor social.Cursor) []byte {
	b = append(appendHeld(b, cursor), "event: bye\n"...)
	wait := "null"
	if retry > 0 {
		wait = fmt.Sprint(retry.Milliseconds())
		b = fmt.Appendf(b, "retry: %s\n", wait)
	}
	return fmt.Appendf(b, `data: {"reason":"%s","retry_ms":%s,"cursor":%s}`+"\n\n", reason, wait, quoted(cursor))
}

// appendHeld appends the id line of a position held, if there is one.
func appendHeld(b []byte, c social.Cursor) []byte {
	if c.IsZero() {
		return b
	}
	return appendID(b, c)
}

func quoted(c social.Cursor) string {
	if c.IsZero() {
		return "null"
	}
	return `"` + c.String() + `"`
}

// seconds rounds up, so that a client that waits for it never gives up early.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
