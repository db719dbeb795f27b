package sse

import (
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

// heard is a peer that hands on what it hears, and counts what must not come.
type heard struct {
	writable, gone chan struct{}

	mu         sync.Mutex
	ends, late int    // calls of Gone; calls after it
	onWritable func() // called by the holder's goroutine
	onGone     func()
}

func newHeard() *heard {
	return &heard{writable: make(chan struct{}, 1<<16), gone: make(chan struct{}, 16)}
}

func (h *heard) Writable() {
	h.note()
	h.writable <- struct{}{}
	if h.onWritable != nil {
		h.onWritable()
	}
}

func (h *heard) Gone() {
	h.note()
	h.mu.Lock()
	h.ends++
	h.mu.Unlock()
	h.gone <- struct{}{}
	if h.onGone != nil {
		h.onGone()
	}
}

func (h *heard) note() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ends > 0 {
		h.late++
	}
}

// ended asserts that Gone came once, and last. It is asked when the holder has ended.
func (h *heard) ended(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ends != 1 || h.late != 0 {
		t.Errorf("Gone came %d times, and %d calls behind it", h.ends, h.late)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
}

// ends gives both ends of a connection, by kind.
var ends = map[string]func() (server, client net.Conn){
	"tcp": tcpPair,
	"wrapped": func() (net.Conn, net.Conn) {
		server, client := tcpPair()
		return struct{ *net.TCPConn }{server.(*net.TCPConn)}, client // as TLS would be: not to be written without blocking
	},
	"pipe": net.Pipe,
}

func tcpPair() (server, client net.Conn) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	client = must(net.Dial("tcp", ln.Addr().String()))
	return must(ln.Accept()), client
}

// holders are the names of those this system has.
func holders() []string {
	if haveEpoll {
		return []string{holderEpoll, holderGoroutine}
	}
	return []string{holderGoroutine}
}

// eachHolder runs a test with each of them.
func eachHolder(t *testing.T, test func(t *testing.T, cfg Config)) {
	for _, name := range holders() {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Holder = name
			test(t, cfg)
		})
	}
}

// TestHolder: every holder keeps every promise, for every kind of connection.
func TestHolder(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		cfg.SendBuffer = 8 << 10
		for kind, pair := range ends {
			for name, promise := range promises {
				t.Run(kind+" "+name, func(t *testing.T) {
					defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
					k := &kit{T: t, kind: kind, pair: pair, holder: newHolder(cfg, nopLog())}
					promise(k)
					k.over()
				})
			}
		}
	})
}

// TestHolderUnused: one that has held nothing ends too.
func TestHolderUnused(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) { newHolder(cfg, nopLog()).Wait() })
}

// TestSlowModel: however little a client takes at a time, wherever its events come from, it gets all of them.
func TestSlowModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := defaults
		cfg.TailBytes = social.Size(rapid.SampledFrom([]int{4 << 10, 8 << 10, 1 << 20}).Draw(rt, "tail"))
		inBubble(t, cfg, func(t *testing.T, e *engine) {
			e.w.follow(1, 2, true)
			e.w.follow(1, 3, true)
			from := e.w.Head()
			e.pipes.room = 2 << 10
			c := e.connect(t, 1, from.String())
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"notify", "post", "other", "large", "take", "take", "relation", "rest"}).Draw(rt, "step") {
				case "notify":
					e.w.notify(1)
				case "post":
					for range rapid.IntRange(1, 30).Draw(rt, "posts") {
						e.w.post(2)
					}
				case "other":
					e.w.post(7)
					e.w.notify(7)
				case "large":
					e.w.commit(to(1), "notification", `"`+strings.Repeat("x", rapid.IntRange(1, 60<<10).Draw(rt, "size"))+`"`)
				case "take":
					c.take(rapid.IntRange(0, 70<<10).Draw(rt, "bytes"))
				case "relation":
					e.w.hide(1, rapid.IntRange(50, 60).Draw(rt, "whom"), true) // changes nothing of what is expected
				case "rest":
					synctest.Wait()
				}
			}
			for c.take(-1); ; c.take(-1) {
				synctest.Wait()
				if c.mu.Lock(); !c.full {
					c.mu.Unlock()
					break
				}
				c.mu.Unlock()
			}
			if got, want := c.body(), strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), ""); got != want {
				rt.Fatalf("%d blocks, want %d", strings.Count(got, "event: "), strings.Count(want, "event: "))
			}
		})
	})
}
