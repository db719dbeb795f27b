package server_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	web "github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/social"
)

// sendAll writes a head and 4 MiB behind it, and reads only then. Neither may fail.
func sendAll(t *testing.T, address, head string) *http.Response {
	t.Helper()
	conn, err := dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err1 := io.WriteString(conn, head)
	_, err2 := conn.Write(make([]byte, 4<<20))
	resp, err3 := http.ReadResponse(bufio.NewReader(conn), nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatalf("the client saw %v", err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); !resp.Close || err != nil || len(text) == 0 {
		t.Errorf("got %q %v, closed %v", text, err, resp.Close)
	}
	return resp
}

// TestRefusalReachesASender: a client that sends its whole body before it reads sees the refusal, and not a reset.
func TestRefusalReachesASender(t *testing.T) {
	s := newSite(t)
	address := s.serve()
	const post = "POST /v1/notes HTTP/1.1\r\n" + hostLine
	for name, head := range map[string]string{
		"413":                     post + "Content-Length: 4194304\r\n\r\n",
		"400":                     post + "Content-Length: 2\r\nContent-Length: 4194304\r\n\r\n",
		"431":                     "GET / HTTP/1.1\r\n" + hostLine + "X-Long: ",
		"413 not waiting for 100": post + "Expect: 100-continue\r\nContent-Length: 4194304\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				if got := sendAll(t, address, head); fmt.Sprint(got.StatusCode) != name[:3] {
					t.Errorf("got %d", got.StatusCode)
				}
			}
		})
	}
}

// busy serves with one place, which a request holds that is worked on until the test ends.
func busy(t *testing.T) (*site, string) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.MaxConnections = 1 })
	begun, release := make(chan struct{}), make(chan struct{})
	s.Fiber().Get("/slow", func(c *web.Ctx) error {
		close(begun)
		<-release
		return c.SendString("done")
	})
	address := s.serve()
	first, err := dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })
	t.Cleanup(func() { close(release) })
	_, _ = io.WriteString(first, "GET /slow HTTP/1.1\r\n"+hostLine+"\r\n")
	<-begun
	return s, address
}

// TestOverloadReachesASender: a connection for which there is no place is told so in a form of ours, also when it
// sends on.
func TestOverloadReachesASender(t *testing.T) {
	_, address := busy(t)
	for range 10 {
		got := sendAll(t, address, "POST /v1/notes HTTP/1.1\r\n"+hostLine+"Content-Length: 4194304\r\n\r\n")
		if got.StatusCode != 413 {
			t.Errorf("got %d", got.StatusCode)
		}
	}
	for range 10 {
		resp, body := ask(t, address, "GET /v1/notes HTTP/1.1\r\n"+hostLine+"\r\n")
		var p server.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != 503 || p.Code != social.CodeOverloaded ||
			resp.Header.Get("Retry-After") != "5" || !resp.Close {
			t.Errorf("got %d %v %s, closed %v", resp.StatusCode, resp.Header, body, resp.Close)
		}
	}
}

// TestOverloadEndsNoStream: an EventSource that finds no place is told to come back, since it gives up on a 503 (H16).
func TestOverloadEndsNoStream(t *testing.T) {
	_, address := busy(t)
	resp, body := ask(t, address, "GET /v1/events HTTP/1.1\r\n"+hostLine+"Accept: text/event-stream\r\n\r\n")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || !resp.Close ||
		!strings.Contains(body, "event: bye\nretry: ") || !strings.Contains(body, `"reason":"overload"`) {
		t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
	}
}

// TestSilenceTakesNoPlace from whoever says something.
func TestSilenceTakesNoPlace(t *testing.T) {
	s := newSite(t, func(cfg *server.Config, _ *server.LimitsConfig) { cfg.MaxConnections = 8 })
	address := s.serve()
	for i := range 100 {
		conn, err := dial(address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, []string{"", "GET / HTTP/1.1\r\nX-Slow: ", "POST /v1/notes HTTP/1.1\r\n" + hostLine +
			"Content-Length: 9\r\n\r\n{"}[i%3])
	}
	for range 20 {
		if resp, body := ask(t, address, "GET /v1/notes HTTP/1.1\r\n"+hostLine+"\r\n"); resp.StatusCode != 200 {
			t.Fatalf("got %d %s", resp.StatusCode, body)
		}
	}
}

// ask sends one request on a connection of its own.
func ask(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	conn, err := dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, request)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
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
