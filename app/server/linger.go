package server

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of connections that linger.
const (
	lingerCount = 256
	lingerBytes = 16 << 20 // of each
	lingerTime  = 5 * time.Second
)

// lingering are connections that were closed before all that the client sends was read. Closing one at once answers
// the rest with a reset, which takes the answer away from the client as well (RFC 9112 9.6). So it is closed for
// writing, read for a while, and closed then. Safe for concurrent use.
type lingering struct {
	mu    sync.Mutex
	open  map[net.Conn]struct{}
	ended bool
	done  sync.WaitGroup
}

// take closes c in time, on a goroutine of its own. False = it does not, because there are lingerCount already or the
// server stops. The deadline of the refused request goes on holding, so what came too slowly does not linger.
func (l *lingering) take(c *conn) bool {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ok || l.ended || len(l.open) >= lingerCount {
		return false
	}
	if l.open == nil {
		l.open = map[net.Conn]struct{}{}
	}
	l.open[c.socket] = struct{}{}
	l.done.Go(func() {
		late := time.AfterFunc(lingerTime, c.cut)
		defer late.Stop()
		if half.CloseWrite() == nil {
			_, _ = io.CopyN(io.Discard, c.socket, lingerBytes) // until the client closes, too
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, c.socket)
		c.cut()
	})
	return true
}

// stop closes what lingers, and lets nothing linger any more.
func (l *lingering) stop() {
	l.mu.Lock()
	l.ended = true
	for c := range l.open {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.done.Wait()
}

// listener makes connections that have a place and can linger. One for which there is neither a place nor the time to
// tell it is closed without an answer, which clients take for a network error and come back after.
type listener struct {
	net.Listener
	lingering *lingering
	places    *connections
	dropped   func()      // is called for each that is closed
	tls       *tls.Config // nil = plain
}

func (l listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		out := &conn{Conn: c, socket: c, seated: true, lingering: l.lingering}
		if l.tls != nil { // the handshake comes with the engine's first read: by then the connection has its place
			out.Conn = tls.Server(c, l.tls)
		}
		out.unread.Store(true)
		if l.places.admit(out) {
			return out, nil
		}
		_ = c.Close()
		l.dropped()
	}
}

// conn lingers at its first Close if what the client sends was not read to its end.
type conn struct {
	net.Conn           // what is said: the socket, or TLS over it
	socket    net.Conn // its end is the end of the connection
	unread    atomic.Bool
	seated    bool // had a place when it was new
	lingering *lingering
}

// SetReadDeadline bounds a read with all that belongs to it: in TLS it writes as well, a handshake and new keys.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.Conn == c.socket {
		return c.Conn.SetReadDeadline(t)
	}
	return c.Conn.SetDeadline(t)
}

// Close takes leave of the client, which under TLS may wait for it, for 5 s.
func (c *conn) Close() error {
	if c.lingers() {
		return nil
	}
	return c.Conn.Close()
}

func (c *conn) lingers() bool { return c.unread.Swap(false) && c.lingering.take(c) }

// cut closes at once, without a word; it never waits.
func (c *conn) cut() { _ = c.socket.Close() }

// UnsafeConn is the connection below, for a channel that takes it over.
func (c *conn) UnsafeConn() net.Conn { return c.Conn }
