package sse

import (
	"net"
	"sync"

	"go.uber.org/zap"
)

// parked is the holder that keeps one goroutine per connection in a read. Plain TCP is written without blocking
// where the system offers it; other connections (TLS ended in this process, pipes) through a few writing
// goroutines.
type parked struct {
	cfg     Config
	log     *zap.Logger
	sockets sync.WaitGroup
	writers *writers
}

func newParked(cfg Config, log *zap.Logger) *parked {
	return &parked{cfg: cfg, log: log, writers: newWriters(cfg.WriteWorkers, cfg.ProgressTimeout)}
}

func (h *parked) Take(c net.Conn, p peer) socket {
	c = unwrap(c)
	h.sockets.Add(1)
	t := &teller{peer: p, log: h.log}
	var s socket
	if tcp, ok := c.(*net.TCPConn); ok {
		s = takeTCP(tcp, h, t)
	}
	if s == nil {
		h.writers.start()
		s = &pooledSocket{conn: c, writers: h.writers, peer: t}
	}
	go h.park(c, s, t)
	return s
}

func (h *parked) Wait() {
	h.sockets.Wait()
	h.writers.stop()
}

// park is the goroutine of one connection.
func (h *parked) park(c net.Conn, s socket, t *teller) {
	defer h.sockets.Done()
	guarded(h.log, s, func() { readAway(c, make([]byte, 1)) })
	s.Abort()
	t.gone(s)
}

// teller tells a peer what several goroutines have to say, and nothing after Gone. mu is held meanwhile: a peer
// neither blocks nor calls back.
type teller struct {
	peer peer
	log  *zap.Logger

	mu    sync.Mutex
	ended bool
}

func (t *teller) writable(s socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		guarded(t.log, s, t.peer.Writable)
	}
}

func (t *teller) gone(s socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	guarded(t.log, s, t.peer.Gone)
}

// readAway reads until the client leaves, sends too much, or the connection is closed from here.
func readAway(c net.Conn, buf []byte) {
	for total := 0; total <= maxInput; {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		total += n
	}
}

var _ holder = (*parked)(nil)
