package sse

import (
	"net"

	"go.uber.org/zap"
)

// holder holds connections that mostly say nothing. There are two: epoll, for plain TCP on Linux, and parked, with
// a goroutine for each connection, for all others.
type holder interface {
	// Take takes a connection over, on any goroutine: from here on it is read, written and closed through the
	// socket alone. Bytes the client has sent are dropped. peer is told what happens, from other goroutines and
	// never while Take, Write, Finish or Abort runs on the same goroutine; it may be told before Take returns.
	Take(c net.Conn, peer peer) socket
	// Wait returns when every socket is closed and no goroutine of the holder is left. Nothing is taken any more.
	Wait()
}

// newHolder makes the holder that cfg names. It opens nothing before the first connection.
func newHolder(cfg Config, log *zap.Logger) holder {
	if haveEpoll && cfg.Holder != holderGoroutine {
		return newEpoll(cfg, log)
	}
	return newParked(cfg, log)
}

// peer hears of a socket. Neither call may block; one that panics loses its connection.
type peer interface {
	// Writable is called once after a Write that did not take all, when another one may take something.
	Writable()
	// Gone is called once, last, when the socket is closed: because the client left, or closed its writing side,
	// which is noticed without any write; because it sent too much; or by Finish or Abort.
	Gone()
}

// socket is one connection in a holder. Write, Finish and Waiting are called by one goroutine, the hub's, and
// Write not between a short one and Writable.
type socket interface {
	// Write never blocks. It takes what the kernel has room for; fewer bytes than given, and no error, say that
	// it is full. p is not kept. An error says that the connection is broken; Gone follows without Abort.
	Write(p []byte) (int, error)
	// Waiting is how many bytes were taken by Write and not yet by the client's machine; 0 if that cannot be told.
	Waiting() int
	// Finish shuts the write side down behind what was written and reads away what still comes. Gone follows when
	// the client closes; it is the caller's to Abort if that takes too long.
	Finish()
	// Abort closes at once, whatever waits to be sent or read. It may be called at any time, also after Gone, more
	// than once, by any goroutine.
	Abort()
}

// maxInput is how many bytes a client may send on a stream, where none are expected, before it is closed.
const maxInput = 16 << 10

// unwrapper is how fasthttp lets the owner of a hijacked connection reach the connection itself. The wrapper
// would also read from a buffer of the server, which is dropped here.
type unwrapper interface{ UnsafeConn() net.Conn }

func unwrap(c net.Conn) net.Conn {
	for {
		u, ok := c.(unwrapper)
		if !ok {
			return c
		}
		c = u.UnsafeConn()
	}
}

// guarded calls fn. A panic in it closes the connection and reaches nobody else.
func guarded(log *zap.Logger, s socket, fn func()) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("panic in a connection", zap.Any("panic", r), zap.Stack("stack"))
			s.Abort()
		}
	}()
	fn()
}
