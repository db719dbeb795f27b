package app

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// lines is a queue in front of a writer that may stall for ever, as a pipe does whose reader has stopped. Write never
// waits: lines that find no room, or that the writer refuses, are dropped and counted. Safe for concurrent use.
type lines struct {
	to   io.Writer
	wake chan struct{} // one token: something waits, or the end has come
	done chan struct{}

	mu      sync.Mutex
	waiting []byte // whole lines
	closed  bool
	dropped uint64
	told    uint64
	tell    func(dropped uint64) // nil = nobody is told
}

const (
	linesRoom  = 1 << 20     // bytes that wait, some 3,000 lines; as many more are being written
	linesFlush = time.Second // for what waits at the end
)

// newLines begins the goroutine that writes; close ends it.
func newLines(to io.Writer) *lines {
	l := &lines{to: to, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// Write takes whole lines and never fails: whoever logs could do nothing about it.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting)+len(p) > linesRoom {
		l.dropped += countLines(p)
		return len(p), nil
	}
	l.waiting = append(l.waiting, p...)
	l.ring()
	return len(p), nil
}

// onDrop sets who is told how many lines were dropped since it was told last: when the writer takes lines again, on the
// goroutine that writes. It may write a line, which stands where the others are missing.
func (l *lines) onDrop(tell func(dropped uint64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell = tell
}

// lost is how many lines were dropped since the start. No queue has lost none.
func (l *lines) lost() uint64 {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// close gives what waits a second to be written. Lines that come later are dropped.
func (l *lines) close() {
	l.mu.Lock()
	l.closed = true
	l.ring()
	l.mu.Unlock()
	late := time.NewTimer(linesFlush)
	defer late.Stop()
	select {
	case <-l.done:
	case <-late.C:
	}
}

func (l *lines) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lines) run() {
	defer close(l.done)
	var out []byte
	var err error
	for range l.wake {
		for {
			var ended bool
			if out, ended = l.take(out, err == nil); len(out) == 0 {
				if ended {
					return
				}
				break
			}
			if _, err = l.to.Write(out); err != nil {
				l.drop(out)
			}
		}
	}
}

// take gives all that waits, in exchange for the buffer of before. If lines are missing behind that and the writer is
// well, this is when somebody is told: there is room.
func (l *lines) take(used []byte, well bool) (out []byte, ended bool) {
	l.mu.Lock()
	out, l.waiting = l.waiting, used[:0]
	ended = l.closed
	fresh, tell := l.dropped-l.told, l.tell
	if !well || ended || fresh == 0 || tell == nil {
		l.mu.Unlock()
		return out, ended
	}
	l.told = l.dropped
	l.mu.Unlock()
	tell(fresh)
	return out, ended
}

func (l *lines) drop(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped += countLines(p)
}

func countLines(p []byte) uint64 { return uint64(max(1, bytes.Count(p, []byte{'\n'}))) }
