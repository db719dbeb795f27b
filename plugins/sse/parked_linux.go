package sse

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpSocket is a plain TCP connection on Linux: non-blocking writes on the descriptor, which Go's poller watches.
//
// p, n and err belong to the Write or Waiting under way; only the hub's goroutine uses them, so there is no lock.
// While a waiter waits for room it holds the descriptor's write lock inside the runtime: that is why Write must
// not be called then.
type tcpSocket struct {
	conn   *net.TCPConn
	raw    syscall.RawConn
	holder *parked
	peer   *teller

	write func(fd uintptr) bool // built once: a closure per write would be garbage per write
	ask   func(fd uintptr)
	p     []byte
	n     int
	err   error

	once sync.Once
}

// takeTCP prepares a connection; nil when the descriptor cannot be reached.
func takeTCP(c *net.TCPConn, h *parked, p *teller) socket {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	s := &tcpSocket{conn: c, raw: raw, holder: h, peer: p}
	s.write, s.ask = s.writeNow, s.askNow
	_ = raw.Control(func(fd uintptr) { setOptions(int(fd), h.cfg) })
	return s
}

func (s *tcpSocket) Write(p []byte) (int, error) {
	s.p = p
	err := s.raw.Write(s.write)
	s.p = nil
	if err == nil {
		err = s.err
	}
	if err != nil {
		return 0, err
	}
	if s.n < len(p) {
		s.holder.sockets.Add(1) // the hub writes, so nobody waits for the sockets yet
		go s.awaitRoom()
	}
	return s.n, nil
}

func (s *tcpSocket) writeNow(fd uintptr) bool {
	s.n, s.err = writeNow(int(fd), s.p)
	return true
}

// awaitRoom waits for the descriptor to be writable and tells. The poller reports changes only, so the state is
// looked at after it was armed and before it is waited for.
func (s *tcpSocket) awaitRoom() {
	defer s.holder.sockets.Done()
	err := s.raw.Write(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
	})
	if err == nil {
		s.peer.writable(s)
	}
}

func (s *tcpSocket) Waiting() int {
	s.n = 0
	if s.raw.Control(s.ask) != nil {
		return 0
	}
	return s.n
}

func (s *tcpSocket) askNow(fd uintptr) { s.n = unsent(int(fd)) }

func (s *tcpSocket) Finish() { _ = s.conn.CloseWrite() }

// Abort closes once; the parked read and a waiter return then.
func (s *tcpSocket) Abort() { s.once.Do(func() { _ = s.conn.Close() }) }

var _ socket = (*tcpSocket)(nil)
