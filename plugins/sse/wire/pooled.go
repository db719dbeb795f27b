package wire

import (
	"net"
	"sync"
	"time"
)

// pooledSocket is a connection that can only be written with blocking writes. It takes one write at a time into
// a buffer; a writing goroutine passes it on and tells when the next may come.
type pooledSocket struct {
	conn   net.Conn
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

func (s *pooledSocket) Write(p []byte) (int, error) {
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
	s.holder.add(s)
	return len(p), nil
}

func (s *pooledSocket) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	return s.left
}

// Finish shuts down once the write under way is out.
func (s *pooledSocket) Finish() {
	s.mu.Lock()
	s.finished = true
	busy := len(s.buf) > 0
	s.mu.Unlock()
	if !busy {
		s.shut()
	}
}

// shut ends the write side, where there is one; else the connection.
func (s *pooledSocket) shut() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		return
	}
	s.Abort()
}

func (s *pooledSocket) Abort() {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if !closed {
		_ = s.conn.Close()
	}
}

// park is the goroutine of a connection: it reads until the client leaves, sends too much, or the connection is
// closed from here.
func (s *pooledSocket) park() {
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

// pass is called by a writing goroutine.
func (s *pooledSocket) pass() {
	late := time.AfterFunc(s.holder.cfg.WriteLimit, s.Abort)
	var err error
	for rest := s.buf; len(rest) > 0 && err == nil; { // only this goroutine touches buf while it is not empty
		var n int
		n, err = s.conn.Write(rest[:min(len(rest), piece)])
		rest = rest[n:]
		s.mu.Lock()
		s.left = len(rest)
		s.mu.Unlock()
	}
	late.Stop()
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

func (s *pooledSocket) writable() {
	s.told.Lock()
	defer s.told.Unlock()
	if !s.gone {
		guarded(s.holder.log, s, s.peer.Writable)
	}
}

var _ Socket = (*pooledSocket)(nil)
