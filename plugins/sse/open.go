package sse

import (
	"io"
	"net"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/audience"
	"github.com/belfry-social/belfry/plugins/sse/frames"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// request is one accepted request for a stream. Every string in it is a copy: the request of the server is used
// again as soon as the connection was handed over.
type request struct {
	actor     social.Actor
	query     plugins.EventsQuery
	preset    *frames.Preset // nil = /v1/events
	address   string
	requestID string
	headers   []header // that the host has set
}

// take is called with the hijacked connection, on a goroutine of the server: nothing of the program's recover
// reaches it, and it returns soon. What holds something (a place, a goroutine) is acquired here and not in the
// handler, because the server may give a connection up in between.
func (c *Channel) take(conn net.Conn, r request) {
	defer func() {
		if p := recover(); p != nil {
			c.env.Log.Error("panic at the start of a stream", zap.Any("panic", p), zap.Stack("stack"))
			_ = wire.Unwrap(conn).Close()
		}
	}()
	if reason := c.admission(conn, r); reason != "" {
		c.refuse(conn, r, reason)
	}
}

// admission begins the stream, or says why there is none.
func (c *Channel) admission(conn net.Conn, r request) (refused plugins.ByeReason) {
	if !c.gate.enter() {
		return plugins.ByeRestart
	}
	defer c.gate.leave()
	kept := c.env.History.Kept() // asked once: what is said at the start fits together
	if _, ok := c.env.Connections.Spend(r.actor, r.address); !ok || kept.IsZero() {
		return plugins.ByeOverload
	}
	k := &connection{hub: c.hub, want: frames.Wanted(r.query), mode: audience.ModeOf(r.query.Posts), preset: r.preset}
	if r.preset != nil {
		k.want, k.mode = frames.AliasKinds, audience.Notify
	}
	leave, ok := c.addresses.take(r.address)
	if !ok {
		return plugins.ByeOverload
	}
	evict := func(reason plugins.ByeReason) { k.hub.do(func() { k.hub.end(k, reason) }) }
	release, ok := c.env.Connections.Open(r.actor, evict)
	if !ok {
		if leave != nil {
			leave()
		}
		return plugins.ByeOverload
	}
	k.release = release
	if leave != nil {
		k.release = func() { leave(); release() }
	}
	c.begin(conn, k, r, kept)
	return ""
}

// begin writes head and ready, in one write, and hands the connection to the hub.
func (c *Channel) begin(conn net.Conn, k *connection, r request, kept social.Kept) {
	after, resumed, gap := r.query.Start(kept)
	k.delivered = after.Seq
	ready := frames.Ready{Connection: social.NewID(), User: r.actor.UserID, Cursor: after, Head: kept.Newest(),
		Oldest:  kept.Oldest(),
		Resumed: resumed, Heartbeat: c.cfg.Heartbeat, Retry: spread(2*time.Second, 5*time.Second, c.hub.random())}
	if c.cfg.MaxAge > 0 {
		k.maxAt = spread(c.cfg.MaxAge*4/5, c.cfg.MaxAge*6/5, c.hub.random())
		ready.MaxAge = k.maxAt
	}
	if gap != nil {
		ready.Cursor = social.Cursor{}
		c.hub.metrics.gaps.WithLabelValues(string(gap.Reason)).Inc()
	}
	b := appendHead(make([]byte, 0, 1024), c.env.Clock(), r.requestID, r.headers)
	if r.preset == nil {
		b = frames.AppendReady(b, ready)
	} else {
		b = r.preset.AppendHello(b, ready)
	}
	if gap != nil {
		b = frames.AppendGap(b, gap)
	}
	k.sock = c.holder.Take(conn, k)
	if n, err := k.sock.Write(b); err != nil || n < len(b) {
		k.sock.Abort() // a fresh connection without room for 1 KiB; Gone gives the place back
	}
	if !c.hub.do(func() { c.hub.admit(k, r.actor.UserID) }) {
		k.sock.Abort()
		k.release()
	}
}

// refuse answers 200 with bye and closes: an EventSource gives up for good on any other status. It blocks this
// goroutine, which is the server's, for finish_timeout at most.
func (c *Channel) refuse(conn net.Conn, r request, reason plugins.ByeReason) {
	conn = wire.Unwrap(conn)
	defer func() { _ = conn.Close() }()
	late := time.AfterFunc(c.cfg.FinishTimeout, func() { _ = conn.Close() })
	defer late.Stop()
	c.hub.metrics.ended.WithLabelValues(string(reason)).Inc()
	b := appendHead(make([]byte, 0, 512), c.env.Clock(), r.requestID, r.headers)
	b = frames.AppendBye(b, reason, byeRetry(reason, c.hub.random()), social.Cursor{})
	if _, err := conn.Write(b); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, wire.MaxInput)
	}
}

// spread gives a duration between two, at random; r is in [0, 1).
func spread(low, high time.Duration, r float64) time.Duration {
	return low + time.Duration(r*float64(high-low))
}

// byeRetry says when a client should come back, at random so that not all come at once; r is in [0, 1). 0 = not
// said.
func byeRetry(reason plugins.ByeReason, r float64) time.Duration {
	switch reason {
	case plugins.ByeRestart:
		return spread(time.Second, 15*time.Second, r)
	case plugins.ByeMaxAge:
		return spread(200*time.Millisecond, 3*time.Second, r)
	case plugins.ByeTooMany:
		return spread(time.Minute, 2*time.Minute, r)
	case plugins.ByeOverload:
		return spread(5*time.Second, 30*time.Second, r)
	default:
		return 0
	}
}
