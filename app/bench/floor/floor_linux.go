package floor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/modules/social"
)

// loop is a program that does the least that can be done for streams: one goroutine on epoll, which writes to
// each stream everything it has not got yet with one write. Messages come in over HTTP on goroutines of their own.
type loop struct {
	poll, listener, wake int

	mu     sync.Mutex
	log    []byte // all frames
	seq    int
	writes bool // the loop was woken for new frames

	streams []stream // by descriptor
	open    []int32  // descriptors of streams
	buf     []byte
	host    string
	person  social.ID
}

// stream is the state of a stream beside its socket.
type stream struct {
	at    int64 // of log, written so far; < 0 = no stream
	beat  int64 // when something was written last, in seconds
	place int32 // in open
	full  bool  // the socket's buffer is full
}

// beatAfter is how long a stream may be silent, in seconds; sendBuffer its kernel buffer. Both are a server's
// defaults.
const (
	beatAfter  = 15
	sendBuffer = 64 << 10
)

// Serve listens on address, calls listening, and serves until ctx ends. The process is expected to end with it: open
// descriptors stay open.
func Serve(ctx context.Context, address string, listening func()) error {
	addr, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return err
	}
	w := &loop{buf: make([]byte, 16<<10), host: address, person: social.NewID()}
	if _, err := machine.OpenFiles(); err != nil {
		return err
	}
	if w.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if w.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return err
	}
	if w.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	at := unix.SockaddrInet4{Port: addr.Port}
	copy(at.Addr[:], addr.IP.To4())
	err = errors.Join(unix.Bind(w.listener, &at), unix.Listen(w.listener, 4096), w.watch(w.listener), w.watch(w.wake))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, w.rouse)
	defer stop()
	listening()
	w.run(ctx)
	return nil // the process ends, and with it every descriptor
}

func (w *loop) watch(fd int) error {
	return unix.EpollCtl(w.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// await sets the epoll events of a stream. An error means a broken stream, which its epoll event closes.
func (w *loop) await(fd int, events uint32) {
	_ = unix.EpollCtl(w.poll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (w *loop) rouse() { _, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (w *loop) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, 512)
	beats := time.Now().Unix()
	for ctx.Err() == nil {
		n, err := unix.EpollWait(w.poll, events, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(err) // an open descriptor of this loop: a programming error
		}
		for _, e := range events[:max(n, 0)] {
			w.serve(int(e.Fd), e.Events)
		}
		w.mu.Lock()
		log, more := w.log, w.writes
		w.writes = false
		w.mu.Unlock()
		now := time.Now().Unix()
		if more {
			for _, fd := range w.open {
				w.write(int(fd), log, now)
			}
		}
		if now != beats {
			beats = now
			w.beat(now)
		}
	}
}

func (w *loop) serve(fd int, events uint32) {
	switch {
	case fd == w.listener:
		w.accept()
	case fd == w.wake:
		var eight [8]byte
		_, _ = unix.Read(fd, eight[:])
	case fd < len(w.streams) && w.streams[fd].at >= 0:
		if events&unix.EPOLLOUT != 0 {
			w.streams[fd].full = false
			w.await(fd, unix.EPOLLIN|unix.EPOLLRDHUP)
			w.mu.Lock()
			log := w.log
			w.mu.Unlock()
			w.write(fd, log, time.Now().Unix())
		}
		if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			w.leave(fd)
		}
	default:
		w.asked(fd)
	}
}

func (w *loop) accept() {
	for {
		fd, _, err := unix.Accept4(w.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if w.watch(fd) != nil {
			_ = unix.Close(fd)
		}
	}
}

// asked reads the first request of a connection: the loop keeps a stream, other requests get a goroutine.
func (w *loop) asked(fd int) {
	n, err := unix.Read(fd, w.buf)
	if err != nil || n <= 0 {
		_ = unix.Close(fd)
		return
	}
	if bytes.HasPrefix(w.buf[:n], []byte("GET /v1/events")) {
		w.join(fd)
		return
	}
	_ = unix.EpollCtl(w.poll, unix.EPOLL_CTL_DEL, fd, nil)
	file := os.NewFile(uintptr(fd), "request")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err == nil {
		go w.answer(conn, bytes.Clone(w.buf[:n]))
	}
}

func (w *loop) join(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
	w.await(fd, unix.EPOLLIN|unix.EPOLLRDHUP)
	for len(w.streams) <= fd {
		w.streams = append(w.streams, stream{at: -1})
	}
	w.mu.Lock()
	at, seq := int64(len(w.log)), w.seq
	w.mu.Unlock()
	now := time.Now()
	w.streams[fd] = stream{at: at, beat: now.Unix(), place: int32(len(w.open))}
	w.open = append(w.open, int32(fd))
	if _, err := unix.Write(fd, appendHead(w.buf[:0], now, seq, w.person, w.person)); err != nil {
		w.leave(fd)
	}
}

func (w *loop) leave(fd int) {
	last := w.open[len(w.open)-1]
	w.open[w.streams[fd].place] = last
	w.streams[last].place = w.streams[fd].place
	w.open = w.open[:len(w.open)-1]
	w.streams[fd].at = -1
	_ = unix.Close(fd)
}

// write sends a stream the part of the log that it has not received. A broken stream is closed by its epoll event.
func (w *loop) write(fd int, log []byte, now int64) {
	s := &w.streams[fd]
	if s.full || s.at >= int64(len(log)) {
		return
	}
	s.beat = now
	n, err := unix.Write(fd, log[s.at:])
	if err == nil {
		s.at += int64(n)
	}
	if errors.Is(err, unix.EAGAIN) || (err == nil && s.at < int64(len(log))) {
		s.full = true
		w.await(fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLOUT)
	}
}

func (w *loop) beat(now int64) {
	for _, fd := range w.open {
		if s := &w.streams[fd]; now-s.beat >= beatAfter && !s.full {
			s.beat = now
			_, _ = unix.Write(int(fd), []byte(": hb\n")) // a broken stream is closed by its epoll event
		}
	}
}

// answer serves the requests of one connection that is no stream: each is a message for everybody.
func (w *loop) answer(conn net.Conn, first []byte) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(first), conn))
	var reply []byte
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		frame := w.publish(bytes.TrimSuffix(bytes.TrimPrefix(body, []byte(`{"text":`)), []byte("}")))
		data := frame[bytes.Index(frame, []byte(`"data":{`))+len(`"data":`) : len(frame)-len("}\n\n")]
		reply = append(reply[:0], "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: "...)
		reply = append(append(strconv.AppendInt(reply, int64(len(data)), 10), "\r\n\r\n"...), data...)
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// publish appends a message to the log and wakes the loop. The frame returned never changes.
func (w *loop) publish(text []byte) []byte {
	w.mu.Lock()
	w.seq++
	start := len(w.log)
	w.log = appendFrame(w.log, w.seq, time.Now(), w.host, w.person, social.NewID(), text)
	frame, wake := w.log[start:], !w.writes
	w.writes = true
	w.mu.Unlock()
	if wake {
		w.rouse()
	}
	return frame
}
