package client

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/belfry-social/belfry/app/bench/machine"
)

// connecting is how many streams may be on their way to ready at once: enough to keep a server busy, and less than
// what its kernel keeps in line.
const connecting = 256

// perSource is how many streams are opened from one address of 127/8 before the next is used. A port that was in use
// lately is not given again for a minute, and an address has some 28,000 ports.
const perSource = 10_000

// epollWire holds sockets with one goroutine: no stream costs more than its socket and a few bytes.
type epollWire struct {
	crowd  *Crowd
	remote unix.SockaddrInet4
	bind   bool
	poll   int
	wake   int // eventfd
	fds    []int32
	buf    []byte

	queue    []int // to be connected
	next     int
	inFlight int
	opened   int

	mu    sync.Mutex
	todo  []order
	ended chan struct{}
}

// order is a command of the scenario's goroutine to the wire's.
type order struct {
	open, drop []int
	quit       bool
	done       chan struct{}
}

func newWire(c *Crowd) (wire, error) {
	w := &epollWire{crowd: c, bind: c.onLoopback(), fds: make([]int32, len(c.streams)),
		buf: make([]byte, headroom+readSize), ended: make(chan struct{})}
	for i := range w.fds {
		w.fds[i] = -1
	}
	addr, err := net.ResolveTCPAddr("tcp4", c.address)
	if err != nil {
		return nil, err
	}
	w.remote.Port = addr.Port
	copy(w.remote.Addr[:], addr.IP.To4())
	if err := enoughFiles(len(c.streams)); err != nil {
		return nil, err
	}
	if w.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if w.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, errors.Join(err, unix.Close(w.poll))
	}
	woken := unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}
	if err := unix.EpollCtl(w.poll, unix.EPOLL_CTL_ADD, w.wake, &woken); err != nil {
		return nil, errors.Join(err, unix.Close(w.poll), unix.Close(w.wake))
	}
	go w.run()
	return w, nil
}

// enoughFiles fails unless this process may hold so many streams.
func enoughFiles(streams int) error {
	most, err := machine.OpenFiles()
	if err != nil {
		return err
	}
	const others = 256
	if most < uint64(streams+others) {
		return fmt.Errorf("%d streams need more open files than the %d this process may have: ulimit -Hn", streams, most)
	}
	return nil
}

func (w *epollWire) open(list []int) error {
	w.order(order{open: list})
	return nil
}

func (w *epollWire) drop(list []int) {
	done := make(chan struct{})
	w.order(order{drop: list, done: done})
	<-done
}

func (w *epollWire) close() {
	w.order(order{quit: true})
	<-w.ended
}

func (w *epollWire) order(o order) {
	w.mu.Lock()
	w.todo = append(w.todo, o)
	w.mu.Unlock()
	_, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a full counter wakes the wire as well
}

func (w *epollWire) run() {
	runtime.LockOSThread() // the thread sleeps in the kernel most of the time
	defer runtime.UnlockOSThread()
	defer close(w.ended)
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(w.poll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(err) // an open descriptor of this wire: a programming error
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd >= 0 {
				w.serve(int(e.Fd), e.Events)
			}
		}
		if w.obey() {
			return
		}
		w.dial()
	}
}

// obey executes the orders, and reports whether the wire has to end.
func (w *epollWire) obey() (quit bool) {
	w.mu.Lock()
	todo := w.todo
	w.todo = nil
	w.mu.Unlock()
	if len(todo) == 0 {
		return false
	}
	var eight [8]byte
	_, _ = unix.Read(w.wake, eight[:])
	for _, o := range todo {
		if w.next == len(w.queue) {
			w.queue, w.next = w.queue[:0], 0
		}
		w.queue = append(w.queue, o.open...)
		for _, i := range o.drop {
			w.shut(i)
			w.crowd.streams[i].phase = away
		}
		if o.quit {
			for i := range w.fds {
				w.shut(i)
			}
			_ = unix.Close(w.wake)
			_ = unix.Close(w.poll)
			return true
		}
		if o.done != nil {
			close(o.done)
		}
	}
	return false
}

// shut closes a stream's socket, if it is open.
func (w *epollWire) shut(i int) {
	if w.fds[i] < 0 {
		return
	}
	if p := w.crowd.streams[i].phase; p == asking || p == hearing {
		w.inFlight--
	}
	_ = unix.Close(int(w.fds[i]))
	w.fds[i] = -1
}

// fail ends a stream that the crowd did not drop.
func (w *epollWire) fail(i int, err error) {
	w.shut(i)
	w.crowd.gone(i, err)
}

// dial connects queued streams, up to the bound of streams on their way.
func (w *epollWire) dial() {
	for w.next < len(w.queue) && w.inFlight < connecting {
		i := w.queue[w.next]
		w.next++
		w.inFlight++
		w.crowd.dialed(i)
		if err := w.start(i); err != nil {
			if w.fds[i] < 0 {
				w.inFlight--
			}
			w.fail(i, err)
		}
	}
}

func (w *epollWire) start(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.fds[i] = int32(fd)
	if w.bind {
		at := w.opened/perSource%250 + 1
		source := unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(at), 1}}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return err
		}
		if err := unix.Bind(fd, &source); err != nil {
			return err
		}
	}
	w.opened++
	if err := unix.Connect(fd, &w.remote); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return unix.EpollCtl(w.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(i)})
}

// serve does what a socket is ready for.
func (w *epollWire) serve(i int, events uint32) {
	fd := int(w.fds[i])
	if fd < 0 {
		return
	}
	if events&unix.EPOLLOUT != 0 {
		if err := w.ask(i, fd); err != nil {
			w.fail(i, err)
		}
		return
	}
	n, err := unix.Read(fd, w.buf[headroom:])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil:
		w.fail(i, err)
		return
	case n == 0:
		w.fail(i, nil)
		return
	}
	ready, err := w.crowd.feed(i, w.buf, n)
	if ready {
		w.inFlight--
	}
	if err != nil {
		w.fail(i, err)
	}
}

// ask sends the request of a stream that is connected.
func (w *epollWire) ask(i, fd int) error {
	if code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		return errors.Join(err, unix.Errno(code))
	}
	b := w.crowd.request(w.buf[:0], i)
	if n, err := unix.Write(fd, b); err != nil || n < len(b) {
		return fmt.Errorf("request: %w", errors.Join(err, errors.ErrUnsupported))
	}
	return unix.EpollCtl(w.poll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}
