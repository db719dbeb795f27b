package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/app/server"
)

// TestRefusalReachesASender: a client that sends its whole body before it reads sees the refusal, and not a reset.
func TestRefusalReachesASender(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	const size = 4 << 20
	body := make([]byte, size)
	for name, tt := range map[string]struct {
		head   string
		status int
	}{
		"413": {fmt.Sprintf("POST /v1/notes HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", hostLine, size), 413},
		"400": {fmt.Sprintf("POST /v1/notes HTTP/1.1\r\n%sContent-Length: 2\r\nContent-Length: %d\r\n\r\n", hostLine,
			size), 400},
		"431": {"GET / HTTP/1.1\r\n" + hostLine + "X-Long: ", 431},
		"not waiting for 100": {fmt.Sprintf("POST /v1/notes HTTP/1.1\r\n%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
			hostLine, size), 413},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, err1 := io.WriteString(conn, tt.head)
				_, err2 := conn.Write(body)
				resp, err3 := http.ReadResponse(bufio.NewReader(conn), nil)
				if err := errors.Join(err1, err2, err3); err != nil {
					t.Fatalf("the client saw %v", err)
				}
				if text, err := io.ReadAll(resp.Body); resp.StatusCode != tt.status || !resp.Close || err != nil || len(text) == 0 {
					t.Errorf("got %d %q %v, want %d", resp.StatusCode, text, err, tt.status)
				}
				_ = resp.Body.Close()
				_ = conn.Close()
			}
		})
	}
}

// A connection beyond the bound is told so by the engine before anything of it was read.
func TestOverloadReachesASender(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.MaxConnections = 1 })
	address := s.serve()
	first, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, _ = io.WriteString(first, "GET /healthz HTTP/1.1\r\n"+hostLine+"\r\n") // and it stays
	if resp, err := http.ReadResponse(bufio.NewReader(first), nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v %v", resp, err)
	}
	for range 10 {
		a, closed := raw(t, address, "POST /v1/notes HTTP/1.1\r\n"+hostLine+"Content-Length: 60000\r\n\r\n"+
			string(make([]byte, 60_000)))
		if a.StatusCode != 503 || !closed {
			t.Errorf("got %d, closed %v", a.StatusCode, closed)
		}
	}
}

// slowConn is a connection whose client never stops sending. It counts what was read.
type slowConn struct {
	net.Conn
	mu      sync.Mutex
	read    int
	closed  chan struct{}
	half    bool
	forever bool // it sends nothing
}

func newSlowConn(forever bool) *slowConn {
	return &slowConn{closed: make(chan struct{}), forever: forever}
}

func (c *slowConn) Read(p []byte) (int, error) {
	if c.forever {
		<-c.closed
		return 0, net.ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += len(p)
	return len(p), nil
}

func (c *slowConn) CloseWrite() error {
	c.half = true
	return nil
}

func (c *slowConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

// TestLingeringIsBounded in bytes, in time, and in number; and stop leaves nothing.
func TestLingeringIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l server.Lingering
		flood := newSlowConn(false)
		if !l.Take(flood) {
			t.Fatal("not taken")
		}
		<-flood.closed
		synctest.Wait()
		if flood.read < server.LingerBytes || flood.read > server.LingerBytes+64<<10 || !flood.half {
			t.Errorf("read %d bytes, want %d; closed for writing: %v", flood.read, server.LingerBytes, flood.half)
		}
		began := time.Now()
		silent := newSlowConn(true)
		l.Take(silent)
		<-silent.closed
		if took := time.Since(began); took != server.LingerTime {
			t.Errorf("a silent one is kept for %v, want %v", took, server.LingerTime)
		}
		synctest.Wait()
		var kept []*slowConn
		for i := range server.LingerCount + 1 {
			c := newSlowConn(true)
			if took := l.Take(c); took != (i < server.LingerCount) {
				t.Fatalf("number %d taken: %v", i, took)
			}
			kept = append(kept, c)
		}
		l.Stop()
		for _, c := range kept[:server.LingerCount] {
			<-c.closed
		}
		if l.Take(newSlowConn(true)) {
			t.Error("taken after the stop")
		}
	})
}
