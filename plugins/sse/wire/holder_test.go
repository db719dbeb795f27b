package wire

import (
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
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
		return wrapped{server.(*net.TCPConn)}, client
	},
	"pipe": net.Pipe,
}

// wrapped is what TLS would be: not to be written without blocking.
type wrapped struct{ *net.TCPConn }

func (w wrapped) NetConn() net.Conn { return w.TCPConn }

func tcpPair() (server, client net.Conn) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	client = must(net.Dial("tcp", ln.Addr().String()))
	return must(ln.Accept()), client
}

// patience bounds every wait for something that has to come.
const patience = 10 * time.Second

func testConfig() Config {
	return Config{SendBuffer: 64 << 10, PeerTimeout: 25 * time.Second}
}

// eachHolder runs a test with each holder of this system.
func eachHolder(t *testing.T, test func(t *testing.T, cfg Config)) {
	for _, goroutines := range []bool{false, true} {
		name := "epoll"
		if goroutines {
			name = "goroutine"
		} else if !HaveEpoll {
			continue
		}
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Goroutines = goroutines
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
					k := &kit{T: t, kind: kind, pair: pair, holder: New(cfg, zap.NewNop())}
					promise(k)
					k.over()
				})
			}
		}
	})
}

// TestHolderUnused: one that has held nothing ends too.
func TestHolderUnused(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) { New(cfg, zap.NewNop()).Wait() })
}
