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
	var s socket
	if tcp, ok := c.(*net.TCPConn); ok {
		s = takeTCP(tcp, h, p)
	}
	if s == nil {
		h.writers.start()
		s = &pooledSocket{conn: c, writers: h.writers, peer: p}
	}
	go h.park(c, s, p)
	return s
}

func (h *parked) Wait() {
	h.sockets.Wait()
	h.writers.stop()
}

// park is the goroutine of one connection.
func (h *parked) park(c net.Conn, s socket, p peer) {
	defer h.sockets.Done()
	defer p.Gone()
	defer s.Abort()
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("panic in a connection's read", zap.Any("panic", r), zap.Stack("stack"))
		}
	}()
	readAway(c, make([]byte, 1))
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
