package sse

import (
	"net"
	"sync"
	"time"
)

// pooledSocket is a connection that can only be written with blocking writes. It takes one write at a time into
// a buffer; a writing goroutine passes it on and says when the next may come. mu guards buf, refused and
// finished; nothing is called while it is held.
type pooledSocket struct {
	conn    net.Conn
	writers *writers
	peer    *teller

	mu       sync.Mutex
	buf      []byte // being written; empty = none
	refused  bool   // a Write came meanwhile: tell when there is room
	finished bool
	once     sync.Once
}

func (s *pooledSocket) Write(p []byte) (int, error) {
	s.mu.Lock()
	if len(s.buf) > 0 {
		s.refused = true
		s.mu.Unlock()
		return 0, nil
	}
	s.buf = append(s.buf[:0], p...)
	s.mu.Unlock()
	s.writers.add(s)
	return len(p), nil
}

func (s *pooledSocket) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buf)
}

// Finish shuts down once the write under way is out.
func (s *pooledSocket) Finish() {
	s.mu.Lock()
	s.finished = true
	busy := len(s.buf) > 0
	s.mu.Unlock()
	if !busy {
		s.shut()
	}
}

// shut ends the write side, where there is one; else the connection.
func (s *pooledSocket) shut() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		return
	}
	s.Abort()
}

func (s *pooledSocket) Abort() { s.once.Do(func() { _ = s.conn.Close() }) }

// pass is called by a writing goroutine. A write that is not taken in time closes the connection.
func (s *pooledSocket) pass(limit time.Duration) {
	late := time.AfterFunc(limit, s.Abort)
	_, err := s.conn.Write(s.buf) // only this goroutine touches buf while it is not empty
	late.Stop()
	s.mu.Lock()
	s.buf = nil
	refused, finished := s.refused, s.finished
	s.refused = false
	s.mu.Unlock()
	switch {
	case err != nil:
		s.Abort()
	case finished:
		s.shut()
	case refused:
		s.peer.writable(s)
	}
}

// writers are the goroutines that write for pooled sockets. They begin with the first of them. The line of
// sockets is bounded by their number: each stands in it once.
type writers struct {
	count int
	limit time.Duration

	mu      sync.Mutex
	some    sync.Cond // line or ended changed
	line    []*pooledSocket
	running bool
	ended   bool
	done    sync.WaitGroup
}

func newWriters(count int, limit time.Duration) *writers {
	w := &writers{count: count, limit: limit}
	w.some.L = &w.mu
	return w
}

// start begins the goroutines, once.
func (w *writers) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running || w.ended {
		return
	}
	w.running = true
	for range w.count {
		w.done.Go(w.work)
	}
}

// stop ends the goroutines; every socket is closed by then.
func (w *writers) stop() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.some.Broadcast()
	w.done.Wait()
}

func (w *writers) add(s *pooledSocket) {
	w.mu.Lock()
	w.line = append(w.line, s)
	w.mu.Unlock()
	w.some.Signal()
}

func (w *writers) work() {
	for {
		w.mu.Lock()
		for len(w.line) == 0 && !w.ended {
			w.some.Wait()
		}
		if len(w.line) == 0 {
			w.mu.Unlock()
			return
		}
		s := w.line[0]
		w.line[0] = nil
		w.line = w.line[1:]
		w.mu.Unlock()
		s.pass(w.limit)
	}
}

var _ socket = (*pooledSocket)(nil)
