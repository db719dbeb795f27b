package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
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
	"tls":  tlsPair,
	"pipe": net.Pipe,
}

// wrapped is like TLS not to be written without blocking.
type wrapped struct{ *net.TCPConn }

func (w wrapped) NetConn() net.Conn { return w.TCPConn }

// Close would wait for the client, as that of TLS does for room.
func (w wrapped) Close() error { panic("a holder closes the socket itself") }

// keys is a certificate for the tests.
var keys = sync.OnceValue(func() tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	form := &x509.Certificate{SerialNumber: big.NewInt(1)}
	return tls.Certificate{PrivateKey: key,
		Certificate: [][]byte{must(x509.CreateCertificate(rand.Reader, form, form, key.Public(), key))}}
})

// tlsPair gives both ends behind their handshake.
func tlsPair() (server, client net.Conn) {
	plain, far := tcpPair()
	s := tls.Server(plain, &tls.Config{Certificates: []tls.Certificate{keys()}, MinVersion: tls.VersionTLS12})
	c := tls.Client(far, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // of the test
	done := make(chan error, 1)
	go func() { done <- c.Handshake() }()
	if err := errors.Join(s.Handshake(), <-done); err != nil {
		panic(err)
	}
	return s, c
}

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
