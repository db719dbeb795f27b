package client

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
)

// wires are the ways to hold sockets; all of them pass the same tests.
var wires = map[string]func(*Crowd) (wire, error){
	"this system's": newWire,
	"goroutines":    func(c *Crowd) (wire, error) { return newGoroutineWire(c), nil },
}

// fakeServer answers each connection with what script says; it has the request's Last-Event-ID.
type fakeServer struct {
	t      *testing.T
	ln     net.Listener
	script func(last string, w io.Writer)
	all    sync.WaitGroup
}

func startFake(t *testing.T, script func(last string, w io.Writer)) *fakeServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{t: t, ln: ln, script: script}
	s.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); s.all.Wait() })
	return s
}

func (s *fakeServer) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		s.t.Error(err)
		return
	}
	if req.URL.String() != "/v1/events?posts=all" || !strings.HasPrefix(req.Header.Get("Authorization"), "Bearer bf_") {
		s.t.Errorf("asked for %s as %q", req.URL, req.Header.Get("Authorization"))
	}
	s.script(req.Header.Get("Last-Event-ID"), conn)
	_, _ = io.Copy(io.Discard, r) // until the client leaves
}

// pieces cuts what is written into small writes.
type pieces struct {
	w   io.Writer
	rng *rand.Rand
}

func (p pieces) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), 1+p.rng.IntN(200))
		if _, err := p.w.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

const (
	streamHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	chunkedHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)

func readyAt(seq int) string {
	return fmt.Sprintf("id: 1-%d\nevent: ready\nretry: 2000\ndata: {}\n\n", seq)
}

func message(seq, number int) string {
	return fmt.Sprintf("id: 1-%d\nevent: post.created\ndata: {\"text\":\"%s\"}\n\n", seq,
		AppendText(nil, number, Everybody, 300))
}

func crowdOf(t *testing.T, n, messages int, s *fakeServer, newWire func(*Crowd) (wire, error)) *Crowd {
	t.Helper()
	c := &Crowd{address: s.ln.Addr().String(), query: "?posts=all", People: Strangers(n),
		Ledger:  NewLedger(n, messages, messages),
		streams: make([]stream, n), news: make(chan struct{}, 1)}
	var err error
	if c.wire, err = newWire(c); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		c.Ledger.Begin(i, Everybody)
	}
	return c
}

func silent(_, _ int) {}

func everyReader(int) bool { return true }

// However the bytes come, each event is read once; who comes back resumes where they were.
func TestCrowdReads(t *testing.T) {
	const people, first, second = 40, 30, 20
	for name, newWire := range wires {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %t", name, chunked), func(t *testing.T) {
				s := startFake(t, func(last string, conn io.Writer) {
					w := io.Writer(pieces{conn, rand.New(rand.NewPCG(1, 2))})
					head := streamHead
					if chunked {
						head = chunkedHead
					}
					_, _ = io.WriteString(w, head)
					if chunked {
						w = httputil.NewChunkedWriter(w)
					}
					from, to := 0, first
					if last != "" {
						from, to = first, first+second
						if want := fmt.Sprintf("1-%d", 100+2*(first-1)); last != want {
							t.Errorf("resumed at %s, want %s", last, want)
						}
					}
					_, _ = io.WriteString(w, readyAt(100+2*(from-1))+": hb\n")
					for n := from; n < to; n++ {
						_, _ = io.WriteString(w, message(100+2*n, n))
					}
				})
				c := crowdOf(t, people, first+second, s, newWire)
				for _, total := range []int{people * first, people * (first + second)} {
					if _, err := c.Connect(t.Context(), c.Everyone(), silent); err != nil {
						t.Fatal(err)
					}
					if err := c.Ledger.Await(t.Context(), total, silent); err != nil {
						t.Fatal(err)
					}
					c.Drop(c.Everyone())
				}
				if bad := c.Close(); bad.Faulty() {
					t.Errorf("streams: %+v", bad)
				}
				got := c.Ledger.Verify(c.Ledger.Expected(everyReader), true)
				if got.Faulty() || got.Deliveries != people*(first+second) {
					t.Errorf("%+v", got)
				}
				if c.Greeted.N() != 2*people {
					t.Errorf("%d greetings", c.Greeted.N())
				}
			})
		}
	}
}

// What no server may do is a fault of the run, and says what it was.
func TestCrowdCatches(t *testing.T) {
	for name, tt := range map[string]struct{ head, later, want string }{
		"refused": {head: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
			want: `the answer was "HTTP/1.1 401 Unauthorized"`},
		"not a stream": {head: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", want: "the answer was"},
		"bye at once":  {head: streamHead + "event: bye\ndata: {\"reason\":\"overload\"}\n\n", want: "bye: "},
		"no ready":     {head: streamHead + message(1, 0), want: "post.created: "},
		"gap": {head: streamHead + readyAt(5),
			later: "id: 1-9\nevent: gap\ndata: {\"reason\":\"expired\"}\n\n", want: "gap: "},
		"bye out of the blue": {head: streamHead + readyAt(5),
			later: "id: 1-9\nevent: bye\ndata: {\"reason\":\"restart\"}\n\n", want: "bye: "},
		"half an event":   {head: streamHead + readyAt(5), later: "id: 1-9\nev", want: "the server ended it"},
		"the end":         {head: streamHead + readyAt(5), want: "the server ended it"},
		"no event stream": {head: streamHead + readyAt(5), later: "hello\n", want: "not a block"},
	} {
		for wireName, newWire := range wires {
			t.Run(name+", "+wireName, func(t *testing.T) {
				s := startFake(t, func(_ string, w io.Writer) {
					_, _ = io.WriteString(w, tt.head+tt.later)
					if conn, ok := w.(*net.TCPConn); ok {
						_ = conn.CloseWrite()
					}
				})
				c := crowdOf(t, 1, 1, s, newWire)
				_, _ = c.Connect(t.Context(), c.Everyone(), silent)
				if err := c.AwaitEnd(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				bad := c.Close()
				if bad.Failed != 1 || len(bad.Examples) != 1 || !strings.Contains(bad.Examples[0], tt.want) {
					t.Errorf("%+v, want %q", bad, tt.want)
				}
			})
		}
	}
}

// A server that resumes somewhere else than asked is caught.
func TestCrowdKnowsWhereItWas(t *testing.T) {
	for name, newWire := range wires {
		t.Run(name, func(t *testing.T) {
			s := startFake(t, func(last string, w io.Writer) {
				seq := 5
				if last != "" {
					seq = 6
				}
				_, _ = io.WriteString(w, streamHead+readyAt(seq))
			})
			c := crowdOf(t, 1, 0, s, newWire)
			if _, err := c.Connect(t.Context(), c.Everyone(), silent); err != nil {
				t.Fatal(err)
			}
			c.Drop(c.Everyone())
			if _, err := c.Connect(t.Context(), c.Everyone(), silent); err == nil {
				t.Error("it was taken")
			}
			if bad := c.Close(); bad.Failed != 1 || !strings.Contains(bad.Examples[0], "resumed at 1-6 instead of 1-5") {
				t.Errorf("%+v", bad)
			}
		})
	}
}
