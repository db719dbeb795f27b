package wire

import (
	"net"
	"time"

	"go.uber.org/zap"
)

// Config is how connections are held.
type Config struct {
	Goroutines  bool          // parked for all, also where there is an epoll
	SendBuffer  int           // SO_SNDBUF of TCP
	PeerTimeout time.Duration // how long the kernel tries on behind Abort, on Linux
}

// Holder holds connections that mostly say nothing.
type Holder interface {
	// Take takes a connection over, on any goroutine: from here on it is read, written and closed through the
	// socket alone. Bytes the client has sent are dropped. The peer is told what happens from other goroutines,
	// never while Take, Write, Finish or Abort runs on the same one, and perhaps before Take returns.
	Take(c net.Conn, p Peer) Socket
	// Wait returns when every socket is closed and no goroutine of the holder is left. Nothing is taken any more.
	Wait()
}

// New makes a holder. It opens nothing before the first connection.
func New(cfg Config, log *zap.Logger) Holder {
	if HaveEpoll && !cfg.Goroutines {
		return newEpoll(cfg, log)
	}
	return newParked(cfg, log)
}

// Peer hears of a socket. Neither call may block; a panic in one closes the connection.
type Peer interface {
	// Writable is called once after a Write that did not take all, when another one may take something.
	Writable()
	// Gone is called once, last, when the socket is closed: because the client left, or closed its writing side,
	// which is noticed without any write; because it sent too much; or by Finish or Abort.
	Gone()
}

// Socket is one connection in a holder. Write, Finish, Waiting and Silence are called by one goroutine, and Write not
// between a short one and Writable. It judges nobody: how long a client may take is the caller's to decide.
type Socket interface {
	// Write never blocks. It takes what there is room for; fewer bytes than given, and no error, say that it is
	// full. p is not kept. An error says that the connection is broken; Gone follows without Abort.
	Write(p []byte) (int, error)
	// Waiting is how many bytes were taken by Write and not yet by the client's machine; 0 if that cannot be told.
	Waiting() int
	// Silence is how long the client's machine has acknowledged nothing while bytes are on their way to it; 0 if none
	// are, which is so behind a window that the client has closed, or if that cannot be told.
	Silence() time.Duration
	// Finish shuts the write side down behind what was written and reads away what still comes. Gone follows when
	// the client closes; it is the caller's to Abort if that takes too long.
	Finish()
	// Abort closes at once, whatever waits to be sent or read. It may be called at any time, also after Gone, more
	// than once, by any goroutine.
	Abort()
}

// MaxInput is how many bytes a client may send on a stream, where none are expected, before it is closed.
const MaxInput = 16 << 10

// Unwrap gives the connection behind the wrapper of fasthttp, whose reads would come from a buffer of the server.
func Unwrap(c net.Conn) net.Conn {
	for {
		u, ok := c.(interface{ UnsafeConn() net.Conn })
		if !ok {
			return c
		}
		c = u.UnsafeConn()
	}
}

// guarded calls fn. A panic in it closes the connection and reaches nobody else.
func guarded(log *zap.Logger, s Socket, fn func()) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("panic in a connection", zap.Any("panic", r), zap.Stack("stack"))
			s.Abort()
		}
	}()
	fn()
}
