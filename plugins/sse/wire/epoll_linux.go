package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// HaveEpoll reports whether this system has the epoll holder.
const HaveEpoll = true

// epoll is the holder for plain TCP. Of a connection it keeps a duplicate of its descriptor, registered in an epoll
// of its own, and an epollSocket: no goroutine, no buffer, no place in Go's poller. One goroutine, the loop, hears
// what happens to all of them. Other connections, and those for which descriptors or the kernel's memory are at
// their end, go to a parked holder.
//
// Registration is edge-triggered, since an idle socket is always writable: the loop reads until there is nothing more,
// and a short Write and the loop that hears of room agree under the socket's lock. Room is registered for at a socket's
// first short Write.
//
// A descriptor is closed by the loop alone, at an event of that descriptor; Abort shuts the connection down, which is
// one. A registration can outlive its descriptor in a starting child process, so the loop asks the kernel what it is.
type epoll struct {
	cfg    Config
	log    *zap.Logger
	others *parked

	sockets sync.WaitGroup // open ones
	looping sync.WaitGroup

	mu    sync.Mutex
	file  *os.File       // the epoll, as Go's poller knows it; nil = nothing was taken yet
	fd    int            // its descriptor
	table []*epollSocket // by descriptor
}

// epollSocket is one connection. mu guards fd, full and armed, and keeps the descriptor open: who calls the kernel
// with it holds mu, but for the loop, which closes. input is the loop's.
type epollSocket struct {
	holder *epoll
	peer   Peer
	mu     sync.Mutex
	fd     int32 // -1 = closed
	input  int32 // bytes read away
	full   bool  // a Write was short: the peer wants to hear of room
	armed  bool  // the kernel tells of room
}

func newEpoll(cfg Config, log *zap.Logger) Holder {
	return &epoll{cfg: cfg, log: log, others: newParked(cfg, log)}
}

func (h *epoll) Take(c net.Conn, p Peer) Socket {
	c = Unwrap(c)
	if tcp, ok := c.(*net.TCPConn); ok {
		s, err := h.take(tcp, p)
		if err == nil {
			return s
		}
		h.log.Warn("a connection takes a goroutine", zap.Error(err))
	}
	return h.others.Take(c, p)
}

func (h *epoll) Wait() {
	h.sockets.Wait()
	h.others.Wait()
	h.mu.Lock()
	file := h.file
	h.mu.Unlock()
	if file != nil {
		_ = file.Close() // the loop's wait ends
	}
	h.looping.Wait()
}

// take moves a connection from Go's poller to this one. After an error it is as it was.
func (h *epoll) take(c *net.TCPConn, p Peer) (*epollSocket, error) {
	watch, err := h.start()
	if err != nil {
		return nil, err
	}
	_ = c.SetWriteBuffer(h.cfg.SendBuffer) // an error = a slow client is noticed later
	fd, err := duplicate(c)
	if err != nil {
		return nil, err
	}
	s := &epollSocket{holder: h, peer: p, fd: int32(fd)} //nolint:gosec // C's int
	s.mu.Lock()                                          // the loop can close only after the original is
	defer s.mu.Unlock()
	h.sockets.Add(1)
	h.set(fd, s)
	if err := unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, s.event(0)); err != nil {
		h.set(fd, nil)
		h.sockets.Done()
		_ = unix.Close(fd)
		return nil, fmt.Errorf("epoll: add: %w", err)
	}
	_ = c.Close() // no FIN: the duplicate is open
	return s, nil
}

// start opens the epoll and begins the loop, at the first connection, and gives its descriptor.
func (h *epoll) start() (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file != nil {
		return h.fd, nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("epoll: create: %w", err)
	}
	_ = unix.SetNonblock(fd, true) // only such files are given to Go's poller
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetDeadline(time.Time{}) // an error = Go's poller has not taken it
	}
	if err != nil {
		_ = file.Close()
		return 0, fmt.Errorf("epoll: wait: %w", err)
	}
	h.file, h.fd = file, fd
	h.looping.Go(func() { h.loop(raw) })
	return fd, nil
}

// set says whose a descriptor is; nil = nobody's.
func (h *epoll) set(fd int, s *epollSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for fd >= len(h.table) {
		h.table = append(h.table, nil)
	}
	h.table[fd] = s
}

// maxEvents is how many sockets one wait tells of.
const maxEvents = 256

// loop is the holder's goroutine. Go's poller watches the epoll and wakes it: an idle loop holds no thread.
func (h *epoll) loop(raw syscall.RawConn) {
	events := make([]unix.EpollEvent, maxEvents)
	buf := make([]byte, 4<<10)
	n := 0
	wait := func(fd uintptr) bool {
		n, _ = unix.EpollWait(int(fd), events, 0) // the only error there can be is EINTR
		return n > 0
	}
	for raw.Read(wait) == nil {
		for _, e := range events[:n] {
			if s := h.find(e.Fd); s != nil {
				h.handle(s, e.Events, buf)
			}
		}
	}
}

// find looks up the socket of a descriptor; nil = it is closed.
func (h *epoll) find(fd int32) *epollSocket {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.table[fd]
}

// handle looks at a socket. That its client has left is read like anything else it sends.
func (h *epoll) handle(s *epollSocket, events uint32, buf []byte) {
	switch {
	case s.fd < 0:
	case events&^unix.EPOLLOUT != 0 && !s.readAway(buf):
		h.close(s)
	case events&unix.EPOLLOUT != 0 && s.room():
		guarded(h.log, s, s.peer.Writable)
	}
}

// close closes a socket and tells its peer. Only the loop calls it, and once: there is no event afterwards.
func (h *epoll) close(s *epollSocket) {
	s.mu.Lock()
	fd := int(s.fd)
	s.fd = -1
	s.mu.Unlock()
	h.set(fd, nil)
	_ = unix.Close(fd)
	guarded(h.log, s, s.peer.Gone)
	h.sockets.Done()
}

// event is what is registered for a socket.
func (s *epollSocket) event(more uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET | more, Fd: s.fd}
}

func (s *epollSocket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0, net.ErrClosed
	}
	n, err := writeNow(int(s.fd), p)
	if err == nil && n < len(p) {
		s.full = true
		err = s.arm()
	}
	if err != nil {
		_ = unix.Shutdown(int(s.fd), unix.SHUT_RDWR) // the loop hears of it, whatever the error was
		return 0, err
	}
	return n, nil
}

// arm has the kernel tell of room. If there is some already, it tells at once.
func (s *epollSocket) arm() error {
	if s.armed {
		return nil
	}
	s.armed = true
	return unix.EpollCtl(s.holder.fd, unix.EPOLL_CTL_MOD, int(s.fd), s.event(unix.EPOLLOUT))
}

// room reports whether the peer waits to hear of room, and that it need not any more.
func (s *epollSocket) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.full
	s.full = false
	return full
}

// readAway reads until there is nothing more. False = the client has left or has sent too much.
func (s *epollSocket) readAway(buf []byte) bool {
	for s.input <= MaxInput {
		n, err := unix.Read(int(s.fd), buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return true
		case err != nil || n == 0:
			return false
		default:
			s.input += int32(n) //nolint:gosec // at most the buffer
		}
	}
	return false
}

func (s *epollSocket) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0
	}
	return unsent(int(s.fd))
}

func (s *epollSocket) Silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0
	}
	return silence(int(s.fd))
}

func (s *epollSocket) Finish() { s.shutdown(unix.SHUT_WR) }

// Abort leaves the close to the loop, which hears of the shutdown at once.
func (s *epollSocket) Abort() { s.shutdown(unix.SHUT_RDWR) }

func (s *epollSocket) shutdown(how int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		if how == unix.SHUT_RDWR {
			giveUp(int(s.fd), s.holder.cfg.PeerTimeout)
		}
		_ = unix.Shutdown(int(s.fd), how) // an error = the client was faster; the loop hears of that too
	}
}

var (
	_ Holder = (*epoll)(nil)
	_ Socket = (*epollSocket)(nil)
)
