package wire

import (
	"net"
	"sync"

	"go.uber.org/zap"
)

// parked is the holder with one goroutine for each connection, in a read. Writes that block are passed on by
// writing goroutines, which begin with the first connection. mu guards queue and ended.
type parked struct {
	cfg     Config
	log     *zap.Logger
	sockets sync.WaitGroup
	begin   sync.Once
	writers sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond
	queue   []*pooledSocket // those with a write, each once
	ended   bool
}

func newParked(cfg Config, log *zap.Logger) *parked {
	h := &parked{cfg: cfg, log: log}
	h.changed.L = &h.mu
	return h
}

func (h *parked) Take(c net.Conn, p Peer) Socket {
	c = Unwrap(c)
	if tcp, ok := c.(*net.TCPConn); ok {
		setOptions(tcp, h.cfg)
	}
	h.begin.Do(func() {
		for range h.cfg.Writers {
			h.writers.Go(h.write)
		}
	})
	s := &pooledSocket{conn: c, holder: h, peer: p}
	h.sockets.Go(s.park)
	return s
}

func (h *parked) Wait() {
	h.sockets.Wait()
	h.mu.Lock()
	h.ended = true
	h.mu.Unlock()
	h.changed.Broadcast()
	h.writers.Wait()
}

func (h *parked) add(s *pooledSocket) {
	h.mu.Lock()
	h.queue = append(h.queue, s)
	h.mu.Unlock()
	h.changed.Signal()
}

// next waits for a write; nil = the holder has ended.
func (h *parked) next() (s *pooledSocket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) == 0 {
		if h.ended {
			return nil
		}
		h.changed.Wait()
	}
	s, h.queue[0] = h.queue[0], nil
	h.queue = h.queue[1:]
	return s
}

func (h *parked) write() {
	for s := h.next(); s != nil; s = h.next() {
		s.pass()
	}
}

var _ Holder = (*parked)(nil)
