package sse

import (
	"net"
	"sync"

	"go.uber.org/zap"
)

// holder holds connections that mostly say nothing. The shipped one parks a goroutine in a read; another way to
// wait for a thousand sockets can stand in its place.
type holder interface {
	// Take takes a connection over: from here on it is read, written and closed through the socket alone. Bytes
	// the client has sent are dropped. peer is told what happens, from other goroutines and never while Take,
	// Write, Finish or Abort runs on the same goroutine.
	Take(c net.Conn, peer peer) socket
	// Wait returns when every socket is closed and no goroutine of the holder is left.
	Wait()
}

// peer hears of a socket. Neither call may block.
type peer interface {
	// Writable is called once after a Write that did not take all, when another one may take something.
	Writable()
	// Gone is called once, last, when the socket is closed: because the client left, which is noticed
	// without any write, or by Finish or Abort.
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
	// Abort closes at once. It may be called at any time, more than once, by any goroutine.
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

// parked is the holder that keeps one goroutine per connection in a read. Plain TCP is written without blocking
// where the system offers it; other connections (TLS ended in this process, pipes) through a few writing
// goroutines.
type parked struct {
	cfg     Config
	log     *zap.Logger
	sockets sync.WaitGroup
	writers *writers
}

func newParked(cfg Config, log *zap.Logger) *parked {
	return &parked{cfg: cfg, log: log, writers: newWriters(cfg.WriteWorkers, cfg.ProgressTimeout)}
}

func (h *parked) Take(c net.Conn, p peer) socket {
	c = unwrap(c)
	h.sockets.Add(1)
	var s socket
	if tcp, ok := c.(*net.TCPConn); ok {
		s = takeTCP(tcp, h, p)
	}
	if s == nil {
		h.writers.start()
		s = &pooledSocket{conn: c, writers: h.writers, peer: p}
	}
	go h.park(c, s, p)
	return s
}

func (h *parked) Wait() {
	h.sockets.Wait()
	h.writers.stop()
}

// park is the goroutine of one connection.
func (h *parked) park(c net.Conn, s socket, p peer) {
	defer h.sockets.Done()
	defer p.Gone()
	defer s.Abort()
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("panic in a connection's read", zap.Any("panic", r), zap.Stack("stack"))
		}
	}()
	readAway(c, make([]byte, 1))
}

// readAway reads until the client leaves, sends too much, or the connection is closed from here.
func readAway(c net.Conn, buf []byte) {
	for total := 0; total <= maxInput; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		total += n
	}
}

var _ holder = (*parked)(nil)
