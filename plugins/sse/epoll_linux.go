package sse

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

const haveEpoll = true

// epoll is the holder for plain TCP. Of a connection it keeps a descriptor, registered in an epoll of its own, and
// an epollSocket of 48 bytes: no goroutine, no buffer, no place in Go's poller. One goroutine, the loop, hears what
// happens to all of them. Other connections go to a parked holder, and so does one that cannot be registered
// because descriptors or the kernel's memory are at their end.
//
// Registration is edge-triggered. A level-triggered one would have to be changed with a call whenever a socket
// becomes full and again when it is not, because an idle socket is always writable. The price of edges is that
// nothing may be left half looked at: the loop reads until there is nothing more, and a Write that was short and the
// loop that hears of room agree under the socket's lock. Room is asked for from a socket's first short Write on:
// the others never wake the loop for it.
//
// A descriptor is closed by the loop alone, while it handles that descriptor's own event; Abort only shuts the
// connection down, which is such an event. One wait tells of each registration once at most: so no event that was
// fetched before is left for the next connection which the kernel gives the same number. A registration can outlive its
// descriptor, while a child process that is being started holds it. Therefore an event is taken for no more than a
// reason to look at a descriptor; what has happened to it, the kernel is asked.
//
// Locks: a socket's mu, then holder.mu; neither is held while a peer is told. A socket's mu keeps its descriptor
// open: who calls the kernel with it holds mu, but for the loop, which is the one who closes.
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

// epollSocket is one connection. mu guards fd, full and armed; input is the loop's.
type epollSocket struct {
	holder *epoll
	peer   peer
	mu     sync.Mutex
	fd     int32 // -1 = closed
	input  int32 // bytes read away
	full   bool  // a Write was short: the peer wants to hear of room
	armed  bool  // the kernel tells of room
}

func newEpoll(cfg Config, log *zap.Logger) holder {
	return &epoll{cfg: cfg, log: log, others: newParked(cfg, log)}
}

func (h *epoll) Take(c net.Conn, p peer) socket {
	c = unwrap(c)
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
func (h *epoll) take(c *net.TCPConn, p peer) (*epollSocket, error) {
	watch, err := h.start()
	if err != nil {
		return nil, err
	}
	fd, err := duplicate(c, h.cfg)
	if err != nil {
		return nil, err
	}
	s := &epollSocket{holder: h, peer: p, fd: int32(fd)}
	s.mu.Lock() // the loop can close only after the original is
	defer s.mu.Unlock()
	h.enter(s)
	if err := unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, s.event(0)); err != nil {
		h.forget(fd)
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

// duplicate gives a descriptor for the same connection that Go knows nothing of. It does not block and is closed
// in child processes: the first is a property of the connection, the second of the descriptor.
func duplicate(c *net.TCPConn, cfg Config) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	closed := raw.Control(func(original uintptr) {
		setOptions(int(original), cfg)
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(closed, err)
}

// enter gives a socket its place in the table; h.mu is not held.
func (h *epoll) enter(s *epollSocket) {
	h.sockets.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	for int(s.fd) >= len(h.table) {
		h.table = append(h.table, nil)
	}
	h.table[s.fd] = s
}

// forget takes a descriptor out of the table.
func (h *epoll) forget(fd int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.table[fd] = nil
}

// maxEvents is how many sockets one wait tells of.
const maxEvents = 256

// loop is the holder's goroutine. Go's poller watches the epoll and wakes it: so an idle loop holds no thread.
func (h *epoll) loop(raw syscall.RawConn) {
	events := make([]unix.EpollEvent, maxEvents)
	found := make([]*epollSocket, maxEvents)
	buf := make([]byte, 4<<10)
	n := 0
	wait := func(fd uintptr) bool {
		n, _ = unix.EpollWait(int(fd), events, 0) // the only error there can be is EINTR
		return n > 0
	}
	for raw.Read(wait) == nil {
		h.find(events[:n], found)
		for i, s := range found[:n] {
			if s != nil {
				h.handle(s, events[i].Events, buf)
				found[i] = nil
			}
		}
	}
}

// find looks up whom events are for; nil = nobody any more.
func (h *epoll) find(events []unix.EpollEvent, found []*epollSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, e := range events {
		found[i] = h.table[e.Fd]
	}
}

// handle looks at a socket. That its client has left is read like anything else it sends.
func (h *epoll) handle(s *epollSocket, events uint32, buf []byte) {
	switch {
	case s.fd < 0: // another registration of the descriptor was heard of in the same wait, and it is closed
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
	h.forget(fd)
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
	for s.input <= maxInput {
		n, err := unix.Read(int(s.fd), buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return true
		case err != nil || n == 0:
			return false
		default:
			s.input += int32(n)
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

func (s *epollSocket) Finish() { s.shutdown(unix.SHUT_WR) }

// Abort leaves the close to the loop, which hears of the shutdown at once.
func (s *epollSocket) Abort() { s.shutdown(unix.SHUT_RDWR) }

func (s *epollSocket) shutdown(how int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		_ = unix.Shutdown(int(s.fd), how) // an error = the client was faster; the loop hears of that too
	}
}

var (
	_ holder = (*epoll)(nil)
	_ socket = (*epollSocket)(nil)
)
