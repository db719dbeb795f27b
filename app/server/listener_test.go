package server

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// scripted is a listener that gives what it was told, one after the other.
type scripted struct {
	net.Listener
	list []any
}

func (s *scripted) Accept() (net.Conn, error) {
	next := s.list[0]
	s.list = s.list[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(net.Conn), nil
}

// TestAcceptOutlivesALack: accept errors that pass are waited for, longer each time and not for ever, with a line every
// ten seconds; any other one is returned.
func TestAcceptOutlivesALack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		end, _ := net.Pipe()
		s := &scripted{}
		for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
			syscall.ECONNABORTED, syscall.EPERM, syscall.EPROTO} {
			s.list = append(s.list, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", errno)})
		}
		for range 60 {
			s.list = append(s.list, s.list[0])
		}
		s.list = append(s.list, end, net.ErrClosed)
		l := &frugal{Listener: s, room: 1 << 20, log: zap.New(core), clock: time.Now}
		began := time.Now()
		c, err := l.Accept()
		if c != end || err != nil {
			t.Errorf("got %v, %v", c, err)
		}
		if took := time.Since(began); took != (10+20+40+80+160)*time.Millisecond+62*acceptRest {
			t.Errorf("67 failures took %s", took)
		}
		if n := logs.FilterMessage("connections wait: accept fails").Len(); n != 2 {
			t.Errorf("%d lines, want one every ten seconds", n)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestRoom: connections leave descriptors to the program itself, also under a limit that is hardly enough.
func TestRoom(t *testing.T) {
	for limit, want := range map[int]int{0: 0, 40: 30, 256: 192, 1024: 960, 65536: 65472} {
		if got := room(limit); got != want {
			t.Errorf("limit %d: room for %d, want %d", limit, got, want)
		}
	}
}

// TestEnoughFiles: what is refused is named, with what is needed; a system that names no limit has none.
func TestEnoughFiles(t *testing.T) {
	for limit, want := range map[int]string{0: "", 16: "is 16 and has to be at least 128", 32: "LimitNOFILE",
		127: "is 127 and", 128: "", 1024: ""} {
		if err := enoughFiles(limit); (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("limit %d: %v, want %q", limit, err, want)
		}
	}
}

// TestListenSaysWhatToChange: a second instance on one machine has to know the key and the flag.
func TestListenSaysWhatToChange(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	taken := first.Addr().String()
	_, err = NewAdmin(AdminConfig{Listen: taken}, NewReadiness(), nil).Listen(t.Context())
	if want := "cannot listen on " + taken + " (key admin.listen, flag --admin): "; !errors.Is(err, syscall.EADDRINUSE) ||
		!strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), taken) != 1 {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = (&Server{cfg: Config{Listen: taken}, log: zap.NewNop()}).Listen(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "(key server.listen, flag --listen)") {
		t.Errorf("got %v", err)
	}
}

// Places run out before descriptors do, and streams have those that they may.
func TestPlaces(t *testing.T) {
	for limit, want := range map[int]int{0: 100, 1 << 20: 100, 1000: 100, 400: 100, 264: 100, 200: 75, 128: 48} {
		if got := places(limit, Config{MaxConnections: 100, MaxStreams: 100}); got != want {
			t.Errorf("%d of %d descriptors", got, limit)
		}
	}
}
