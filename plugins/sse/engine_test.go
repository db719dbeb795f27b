package sse

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// pipe is a socket without a kernel: it takes bytes as long as it has room, and time stands still around it.
type pipe struct {
	mu       sync.Mutex
	peer     wire.Peer
	got      []byte
	room     int // -1 = no end
	full     bool
	unsent   int           // bytes taken that the client has not
	silence  time.Duration // of the client's machine, while bytes are on their way
	finished bool
	aborted  bool
	gone     bool
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		panic("written to while full")
	}
	if p.finished || p.aborted {
		panic("written to after the end")
	}
	n := len(b)
	if p.room >= 0 {
		n = min(n, p.room)
		p.room -= n
	}
	p.got = append(p.got, b[:n]...)
	p.full = n < len(b)
	return n, nil
}

func (p *pipe) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unsent
}

func (p *pipe) Silence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silence
}

// kernel says what waits in the kernel, and how long the client's machine has been silent about what is on its way.
func (p *pipe) kernel(unsent int, silence time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsent, p.silence = unsent, silence
}

func (p *pipe) Finish() {
	p.mu.Lock()
	p.finished = true
	p.mu.Unlock()
}

func (p *pipe) Abort() {
	p.mu.Lock()
	tell := !p.gone
	p.aborted, p.gone = true, true
	p.mu.Unlock()
	if tell {
		p.peer.Gone()
	}
}

// leave is the client closing.
func (p *pipe) leave() { p.Abort() }

// take gives room for n more bytes.
func (p *pipe) take(n int) {
	p.mu.Lock()
	tell := p.full
	p.room, p.full = n, false
	p.mu.Unlock()
	if tell {
		p.peer.Writable()
	}
}

func (p *pipe) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.got)
}

func (p *pipe) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.aborted
}

// pipes is a holder of them.
type pipes struct {
	room int
	last *pipe
}

func (h *pipes) Take(_ net.Conn, p wire.Peer) wire.Socket {
	h.last = &pipe{peer: p, room: h.room}
	return h.last
}
func (h *pipes) Wait() {}

// engine is a channel without a server, for tests with time.
type engine struct {
	*Channel
	w     *world
	pipes *pipes
}

// inBubble runs a test where time is virtual.
func inBubble(t *testing.T, cfg Config, test func(t *testing.T, e *engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		e := &engine{w: w, pipes: &pipes{room: -1}, Channel: newChannel(cfg, envOf(w))}
		e.holder = e.pipes
		if err := e.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.listen(e)
		test(t, e)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Error(err)
		}
		w.close()
	})
}

// connect opens a stream of a person and waits until it is idle.
func (e *engine) connect(t *testing.T, n int, after string) *pipe {
	t.Helper()
	q, err := plugins.ParseEvents(plugins.Params{Query: [][2]string{{"after", after}},
		Header: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	e.take(nil, request{actor: social.Actor{UserID: id(n)}, query: q})
	p := e.pipes.last
	synctest.Wait()
	return p
}

func (p *pipe) body() string {
	_, body, _ := strings.Cut(p.text(), "\r\n\r\n")
	_, body, _ = strings.Cut(body, "\n\n") // ready
	return body
}

func TestW26Heartbeat(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		silent, busy := e.connect(t, 1, "now"), e.connect(t, 2, "now")
		for range 3 {
			time.Sleep(9 * time.Second)
			e.w.notify(2)
			synctest.Wait()
		}
		if got := silent.body(); got != ": hb\n" {
			t.Errorf("after 27 s of silence: %q, want one heartbeat with one line feed", got)
		}
		if got := busy.body(); strings.Contains(got, ": hb") || strings.Count(got, "event: notification") != 3 {
			t.Errorf("a connection that is not silent: %q", got)
		}
		time.Sleep(60 * time.Second)
		if n := strings.Count(silent.body(), ": hb\n"); n < 5 || n > 6 {
			t.Errorf("%d heartbeats in 87 s", n)
		}
	})
}

func TestMaxAge(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		var ends []time.Duration
		begun := time.Now()
		var open []*pipe
		for range 50 {
			open = append(open, e.connect(t, 1, "now"))
		}
		p := e.w.notify(1)
		for range 80 {
			time.Sleep(time.Minute)
			synctest.Wait()
			for i, c := range open {
				if c != nil && strings.Contains(c.text(), "event: bye") {
					ends = append(ends, time.Since(begun))
					if !strings.Contains(c.body(), "id: "+cursorOf(1, p)+"\nevent: bye\nretry: ") ||
						!strings.Contains(c.body(), `"reason":"max_age"`) {
						t.Fatalf("%q", c.body())
					}
					open[i] = nil
				}
			}
		}
		if len(ends) != 50 || ends[0] < 48*time.Minute || ends[49] > 73*time.Minute || ends[49]-ends[0] < 10*time.Minute {
			t.Errorf("%d ended, from %v to %v", len(ends), ends[0], ends[len(ends)-1])
		}
	})
	never := defaults
	never.MaxAge = 0
	inBubble(t, never, func(t *testing.T, e *engine) {
		c := e.connect(t, 1, "now")
		time.Sleep(10 * time.Hour)
		if strings.Contains(c.text(), "bye") || !strings.Contains(c.text(), `"max_age_s":0}`) {
			t.Errorf("%q", c.text()[:400])
		}
	})
}

// TestRest: whatever the kernel takes at a time, the client gets the same bytes.
func TestRest(t *testing.T) {
	for _, step := range []int{1, 7, 100, 163, 164, 165, 4096} {
		inBubble(t, defaults, func(t *testing.T, e *engine) {
			e.pipes.room = 2 << 10
			c := e.connect(t, 1, "now")
			c.take(0)
			for range 12 {
				e.w.notify(1)
			}
			synctest.Wait()
			want := strings.Join(e.w.expected(1, social.PostsNotify, 0), "")
			for range len(want)/step + 12 {
				c.take(step)
				synctest.Wait()
			}
			if got := c.body(); got != want {
				t.Errorf("step %d: got %d bytes, want %d\n%q", step, len(got), len(want), got)
			}
		})
	}
}

// TestByeOnBoundary: what is half out is finished before bye, and nothing else.
func TestByeOnBoundary(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.pipes.room = 2 << 10
		c := e.connect(t, 1, "now")
		c.take(0)
		first := e.w.notify(1)
		synctest.Wait()
		c.take(10)
		synctest.Wait()
		e.w.notify(1)
		done := make(chan struct{})
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			e.Drain(ctx)
			close(done)
		}()
		synctest.Wait()
		c.take(100)
		synctest.Wait()
		c.take(-1)
		synctest.Wait()
		want := e.w.expected(1, social.PostsNotify, 0)[0] + "id: " + cursorOf(1, first) + "\nevent: bye\n"
		if got := c.body(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got,
			`"cursor":"`+cursorOf(1, first)+`"}`+"\n\n") {
			t.Errorf("got %q\nwant %q...", got, want)
		}
		if c.closed() {
			t.Error("closed before the client had time to read")
		}
		begun := time.Now()
		<-done
		if took := time.Since(begun); !c.closed() || took > 2*time.Second {
			t.Errorf("closed %v after %v", c.closed(), took)
		}
	})
}

// TestHeartbeatHalfOut: even five bytes may be cut; what follows them is whole.
func TestHeartbeatHalfOut(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.pipes.room = 2 << 10
		c := e.connect(t, 1, "now")
		c.take(3)
		time.Sleep(16 * time.Second)
		e.w.notify(2)
		e.w.notify(1)
		synctest.Wait()
		if got := c.body(); got != ": h" {
			t.Fatalf("got %q", got)
		}
		c.take(-1)
		synctest.Wait()
		if got, want := c.body(), ": hb\n"+e.w.expected(1, social.PostsNotify, 0)[0]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
