package wire

import (
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// parked is the holder with one goroutine for each connection, in a read, and one more while a write to it is under
// way. So one that blocks holds up no other.
type parked struct {
	cfg     Config
	log     *zap.Logger
	sockets sync.WaitGroup
	writes  sync.WaitGroup
}

func newParked(cfg Config, log *zap.Logger) *parked { return &parked{cfg: cfg, log: log} }

func (h *parked) Take(c net.Conn, p Peer) Socket {
	c = Unwrap(c)
	s := &parkedSocket{conn: c, tcp: tcpOf(c), holder: h, peer: p}
	if s.tcp != nil {
		_ = s.tcp.SetWriteBuffer(h.cfg.SendBuffer) // an error = a slow client is noticed later
	}
	h.sockets.Go(s.park)
	return s
}

// tcpOf is the TCP connection at the bottom of c, as under TLS; nil = there is none.
func tcpOf(c net.Conn) *net.TCPConn {
	for {
		switch inner := c.(type) {
		case *net.TCPConn:
			return inner
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return nil
		}
	}
}

func (h *parked) Wait() {
	h.sockets.Wait()
	h.writes.Wait() // none begins behind the end of its socket
}

// parkedSocket is a connection that can only be written with blocking writes. It takes one write at a time into
// a buffer; a goroutine passes it on and tells when the next may come.
type parkedSocket struct {
	conn   net.Conn
	tcp    *net.TCPConn // under it; nil = none
	holder *parked
	peer   Peer

	mu       sync.Mutex // guards what follows
	buf      []byte     // being written; empty = none
	left     int        // of buf
	refused  bool       // a Write came meanwhile
	finished bool
	closed   bool

	told sync.Mutex // guards gone; held while the peer is told: reader and writer both tell
	gone bool
}

func (s *parkedSocket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.buf) > 0:
		s.refused = true
		return 0, nil
	}
	s.buf, s.left = append(s.buf, p...), len(p)
	s.holder.writes.Go(s.pass)
	return len(p), nil
}

func (s *parkedSocket) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	n := s.left
	s.kernel(func(fd int) { n += unsent(fd) })
	return n
}

func (s *parkedSocket) Silence() (d time.Duration) {
	s.kernel(func(fd int) { d = silence(fd) })
	return d
}

// kernel calls f with the descriptor, unless there is none or it is closed.
func (s *parkedSocket) kernel(f func(fd int)) {
	if s.tcp == nil {
		return
	}
	if raw, err := s.tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// Finish shuts down once the write under way is out. TLS says a word at the end, for which there may be no room.
func (s *parkedSocket) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	if len(s.buf) == 0 && !s.closed {
		s.holder.writes.Go(s.shut)
	}
}

// shut ends the write side, where there is one; else the connection.
func (s *parkedSocket) shut() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		return
	}
	s.Abort()
}

// Abort closes the socket itself: TLS would wait for room for its last word.
func (s *parkedSocket) Abort() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	switch {
	case closed:
	case s.tcp != nil:
		s.kernel(func(fd int) { giveUp(fd, s.holder.cfg.PeerTimeout) })
		_ = s.tcp.Close()
	default:
		_ = s.conn.Close()
	}
}

// park is the goroutine of a connection: it reads until the client leaves, sends too much, or the connection is
// closed from here.
func (s *parkedSocket) park() {
	guarded(s.holder.log, s, func() {
		buf, total := make([]byte, 1), 0
		for total <= MaxInput {
			n, err := s.conn.Read(buf)
			if err != nil {
				return
			}
			total += n
		}
	})
	s.Abort()
	s.told.Lock()
	defer s.told.Unlock()
	s.gone = true
	guarded(s.holder.log, s, s.peer.Gone)
}

// piece is how much one blocking write takes: between two, Waiting tells of progress.
const piece = 8 << 10

// pass is the goroutine of a write.
func (s *parkedSocket) pass() {
	var err error
	for rest := s.buf; len(rest) > 0 && err == nil; { // only this goroutine touches buf while it is not empty
		var n int
		n, err = s.conn.Write(rest[:min(len(rest), piece)])
		rest = rest[n:]
		s.mu.Lock()
		s.left = len(rest)
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.buf = nil
	refused, finished := s.refused, s.finished
	s.refused = false
	s.mu.Unlock()
	switch {
	case err != nil:
		s.Abort()
	case finished:
		s.shut()
	case refused:
		s.writable()
	}
}

func (s *parkedSocket) writable() {
	s.told.Lock()
	defer s.told.Unlock()
	if !s.gone {
		guarded(s.holder.log, s, s.peer.Writable)
	}
}

var (
	_ Holder = (*parked)(nil)
	_ Socket = (*parkedSocket)(nil)
)
