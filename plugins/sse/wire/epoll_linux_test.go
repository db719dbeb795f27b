package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// inEpoll runs a test with an epoll holder; nothing may be left of it.
func inEpoll(t *testing.T, test func(k *kit, h *epoll)) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := descriptors()
	h := newEpoll(testConfig(), zap.NewNop()).(*epoll)
	k := &kit{T: t, kind: "tcp", pair: tcpPair, holder: h}
	test(k, h)
	k.over()
	for _, s := range h.table {
		if s != nil {
			t.Errorf("descriptor %d is still known", s.fd)
		}
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors is how many this process has open.
func descriptors() int { return len(must(os.ReadDir("/proc/self/fd"))) }

// TestEpollCost: a connection costs one descriptor and one small object, and no goroutine.
func TestEpollCost(t *testing.T) {
	if n := reflect.TypeFor[epollSocket]().Size(); n > 48 {
		t.Errorf("a socket takes %d bytes", n)
	}
	inEpoll(t, func(k *kit, _ *epoll) {
		k.take() // the epoll and its loop
		open, running := descriptors(), runtime.NumGoroutine()
		const connections = 50
		for range connections {
			k.take()
		}
		if n := descriptors() - open; n != 2*connections { // both ends are here
			t.Errorf("%d descriptors for %d connections", n, connections)
		}
		if n := runtime.NumGoroutine() - running; n != 0 {
			t.Errorf("%d goroutines more", n)
		}
	})
}

// TestEpollDescriptor: what is set on a connection, and that Go has let go of it.
func TestEpollDescriptor(t *testing.T) {
	inEpoll(t, func(k *kit, _ *epoll) {
		server, client := k.pair()
		s := k.hold(server, client, newHeard()).(*epollSocket)
		if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the original is still there: %v", err)
		}
		cfg := testConfig()
		for _, tt := range []struct {
			name string
			got  int
			want int
		}{
			{"CLOEXEC", must(unix.FcntlInt(uintptr(s.fd), unix.F_GETFD, 0)) & unix.FD_CLOEXEC, unix.FD_CLOEXEC},
			{"NONBLOCK", must(unix.FcntlInt(uintptr(s.fd), unix.F_GETFL, 0)) & unix.O_NONBLOCK, unix.O_NONBLOCK},
			{"SO_SNDBUF, which the kernel doubles", must(unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_SNDBUF)),
				2 * cfg.SendBuffer},
			{"TCP_USER_TIMEOUT, to which a closed window is death",
				must(unix.GetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)), 0},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: got %d, want %d", tt.name, tt.got, tt.want)
			}
		}
		s.Abort() // behind the looks at it
	})
}

// TestEpollStale: a registration outlives its descriptor while something else holds the connection. What it tells
// harms neither the loop nor the connection that has the descriptor now.
func TestEpollStale(t *testing.T) {
	for name, reused := range map[string]bool{"descriptor in use again": true, "descriptor free": false} {
		t.Run(name, func(t *testing.T) {
			inEpoll(t, func(k *kit, _ *epoll) {
				s, p, client := k.take()
				was := s.(*epollSocket).fd
				kept := must(unix.FcntlInt(uintptr(was), unix.F_DUPFD_CLOEXEC, 0))
				defer unix.Close(kept)
				nextServer, nextClient := k.pair() // now, or one of its ends would get the descriptor
				s.Abort()
				await(t, "Gone", p.gone)
				next := newHeard()
				if reused {
					s = k.hold(nextServer, nextClient, next)
					if now := s.(*epollSocket).fd; now != was {
						t.Skipf("the descriptor is %d, not %d again", now, was)
					}
				}
				resets(client, kept)
				k.leaves() // whatever was told before has been handled
				if !reused {
					s = k.hold(nextServer, nextClient, next)
				}
				if n := must(s.Write([]byte("still here"))); n != 10 || len(next.gone) > 0 {
					t.Error("the next connection was closed")
				}
				k.arrives(nextClient, "still here")
			})
		})
	}
}

// resets has the kernel tell of a reset of a connection that is shut down, and waits until it has.
func resets(client net.Conn, fd int) {
	watch := must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	defer unix.Close(watch)
	if err := unix.EpollCtl(watch, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLET}); err != nil {
		panic(err)
	}
	_ = must(unix.EpollWait(watch, make([]unix.EpollEvent, 1), 0)) // of the shutdown
	_, _ = client.Write([]byte("x"))                               // nobody reads it: a reset comes back
	client.Close()
	_ = must(unix.EpollWait(watch, make([]unix.EpollEvent, 1), int(patience.Milliseconds())))
}

// TestEpollEdges: a socket that was full once and has room does not keep the loop busy.
func TestEpollEdges(t *testing.T) {
	inEpoll(t, func(k *kit, h *epoll) {
		s, p, client := k.take()
		k.fill(s, p)
		if n, err := s.Write([]byte("more")); n != 0 || err != nil {
			t.Errorf("a full one took %d bytes, %v", n, err)
		}
		go func() { _, _ = io.Copy(io.Discard, client) }()
		await(t, "Writable", p.writable)
		k.leaves()
		ready := []unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}
		if n := must(unix.Poll(ready, 0)); n != 0 {
			t.Error("there is always something to hear")
		}
		s.Abort()
	})
}

// TestEpollBrokenWrite: after a Write with an error Gone comes by itself, also if the kernel tells of nothing.
func TestEpollBrokenWrite(t *testing.T) {
	inEpoll(t, func(k *kit, _ *epoll) {
		s, p, _ := k.take()
		s.Finish()
		if n, err := s.Write([]byte("too late")); n != 0 || err == nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		await(t, "Gone", p.gone)
	})
}

// TestEpollNoDescriptor: where no descriptor is left, a connection is held all the same.
func TestEpollNoDescriptor(t *testing.T) {
	inEpoll(t, func(k *kit, _ *epoll) {
		server, client := k.pair()
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		low := limit
		low.Cur = 0
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Skip(err)
		}
		p := newHeard()
		s := k.hold(server, client, p)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.(*parkedSocket); !ok {
			t.Errorf("held by %T", s)
		}
		if n := must(s.Write([]byte("here"))); n != 4 {
			t.Errorf("%d bytes were taken", n)
		}
		k.arrives(client, "here")
		client.Close()
		await(t, "Gone", p.gone)
	})
}

// TestEpollOthers: what is no plain TCP connection takes a goroutine, by itself.
func TestEpollOthers(t *testing.T) {
	inEpoll(t, func(k *kit, _ *epoll) {
		for kind, pair := range ends {
			server, client := pair()
			s := k.hold(server, client, newHeard())
			if _, own := s.(*epollSocket); own != (kind == "tcp") {
				t.Errorf("%s: held by %T", kind, s)
			}
		}
	})
}

// TestEpollChurn: connections come and go on the same descriptors, from both sides, in the middle of writes. No
// byte and no end of one ever reaches another.
func TestEpollChurn(t *testing.T) {
	inEpoll(t, func(k *kit, _ *epoll) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		var mu sync.Mutex // one dials and accepts at a time, so that the ends fit together
		connect := func() (net.Conn, net.Conn) {
			mu.Lock()
			defer mu.Unlock()
			client := must(net.Dial("tcp", ln.Addr().String()))
			return must(ln.Accept()), client
		}
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for turn := range 150 {
					server, client := connect()
					if err := churn(k.holder, server, client, fmt.Sprintf("%d-%d ", worker, turn), turn%3); err != nil {
						t.Errorf("%d-%d: %v", worker, turn, err)
					}
				}
			})
		}
		all.Wait()
	})
}

// churn is one connection: its own name goes out many times, and it ends in one of three ways.
func churn(h Holder, server, client net.Conn, name string, way int) error {
	p := newHeard()
	s := h.Take(server, p)
	sent := []byte(strings.Repeat(name, 200))
	if n, err := s.Write(sent); n != len(sent) || err != nil {
		return fmt.Errorf("%d bytes, %w", n, err)
	}
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sent) {
		return fmt.Errorf("read %.40q, %w", got, err)
	}
	if len(p.gone) > 0 {
		return errors.New("closed before its end")
	}
	switch way {
	case 0:
		go func() { s.Abort(); s.Abort() }()
	case 1:
		go client.Close()
	case 2:
		s.Finish()
		if rest, err := io.ReadAll(client); err != nil || len(rest) > 0 {
			return fmt.Errorf("at the end %.40q, %w", rest, err)
		}
	}
	if way != 2 {
		<-p.gone
		p.gone <- struct{}{}
	}
	for range 3 { // the hub may not have heard yet
		_, _ = s.Write([]byte("stray from " + name))
		s.Abort()
	}
	client.Close()
	<-p.gone
	return nil
}

// TestEpollTwiceAtOnce: one wait may tell of a descriptor twice, by its own registration and by one that outlived the
// connection before. That the first has closed it, the second finds out.
func TestEpollTwiceAtOnce(t *testing.T) {
	inEpoll(t, func(k *kit, h *epoll) {
		s, p, client := k.take()
		client.Close()
		await(t, "Gone", p.gone)
		h.handle(s.(*epollSocket), unix.EPOLLIN|unix.EPOLLOUT, make([]byte, 16))
		if len(p.gone) > 0 || len(p.writable) > 0 {
			t.Error("told again")
		}
	})
}
