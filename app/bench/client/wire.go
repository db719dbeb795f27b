package client

import (
	"errors"
	"io"
	"net"
	"sync"
)

// goroutineWire holds each socket with a goroutine. It is for systems without epoll.
type goroutineWire struct {
	crowd *Crowd
	slots chan struct{} // streams that are not ready yet

	mu    sync.Mutex // the crowd is called under it
	conns []net.Conn // nil = not open, or dropped
	buf   []byte
	ended sync.WaitGroup
}

// goroutineSlots is how many streams may be on their way to ready at once.
const goroutineSlots = 256

func newGoroutineWire(c *Crowd) *goroutineWire {
	return &goroutineWire{crowd: c, slots: make(chan struct{}, goroutineSlots), conns: make([]net.Conn, len(c.streams)),
		buf: make([]byte, headroom+readSize)}
}

func (w *goroutineWire) open(list []int) error {
	w.ended.Go(func() {
		for _, i := range list {
			w.slots <- struct{}{}
			w.ended.Go(func() { w.hold(i) })
		}
	})
	return nil
}

// hold connects a stream and reads it to its end.
func (w *goroutineWire) hold(i int) {
	w.mu.Lock()
	w.crowd.dialed(i)
	request := w.crowd.request(nil, i)
	w.mu.Unlock()
	slot := true
	leave := func() {
		if slot {
			<-w.slots
			slot = false
		}
	}
	defer leave()
	conn, err := net.Dial("tcp", w.crowd.address)
	if err != nil {
		w.lost(i, nil, err)
		return
	}
	defer func() { _ = conn.Close() }()
	w.mu.Lock()
	w.conns[i] = conn
	w.mu.Unlock()
	if _, err := conn.Write(request); err != nil {
		w.lost(i, conn, err)
		return
	}
	own := make([]byte, 16<<10)
	for {
		n, err := conn.Read(own)
		ready := false
		if n > 0 {
			if ready, err = w.feed(i, conn, own[:n], err); ready {
				leave()
			}
		}
		if err != nil {
			w.lost(i, conn, err)
			return
		}
	}
}

func (w *goroutineWire) feed(i int, conn net.Conn, b []byte, err error) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns[i] != conn {
		return false, io.EOF
	}
	copy(w.buf[headroom:], b)
	ready, bad := w.crowd.feed(i, w.buf, len(b))
	return ready, errors.Join(bad, err)
}

// lost reports the end of a stream to the crowd, unless the crowd dropped it.
func (w *goroutineWire) lost(i int, conn net.Conn, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns[i] != conn {
		return
	}
	w.conns[i] = nil
	if errors.Is(err, io.EOF) {
		err = nil
	}
	w.crowd.gone(i, err)
}

func (w *goroutineWire) drop(list []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range list {
		if w.conns[i] != nil {
			_ = w.conns[i].Close()
			w.conns[i] = nil
			w.crowd.streams[i].phase = away
		}
	}
}

func (w *goroutineWire) close() {
	w.drop(w.crowd.Everyone())
	w.ended.Wait()
}

var _ wire = (*goroutineWire)(nil)
