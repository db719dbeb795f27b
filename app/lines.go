package app

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// lines is a queue in front of a writer that may stall for ever, as a pipe does whose reader has stopped. Write never
// waits: lines that find no room, or that the writer refuses, are dropped and counted. Before begin it is no queue:
// what is written is there at once, before what the program writes elsewhere. Safe for concurrent use.
type lines struct {
	to   io.Writer
	wake chan struct{} // one token: something waits, or the end has come
	done chan struct{}

	mu      sync.Mutex
	begun   bool
	bar     bool   // the terminal shows a line that is written over
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

func newLines(to io.Writer) *lines {
	return &lines{to: to, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// begin makes it a queue, once; close ends the goroutine that writes.
func (l *lines) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = true
	go l.run()
}

// Write takes whole lines. A queue never fails: whoever logs could do nothing about it.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		return l.pass(p)
	}
	if l.closed || len(l.waiting)+len(p) > linesRoom {
		l.dropped += countLines(p)
		return len(p), nil
	}
	l.waiting = append(l.waiting, p...)
	l.ring()
	return len(p), nil
}

// pass writes at once. A line that is written over, which begins with \r, gives way to what is not.
func (l *lines) pass(p []byte) (int, error) {
	over := bytes.HasPrefix(p, []byte{'\r'})
	if l.bar && !over {
		if _, err := io.WriteString(l.to, "\r\x1b[K"); err != nil {
			return 0, err
		}
	}
	l.bar = over
	return l.to.Write(p)
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
	begun := l.begun
	l.ring()
	l.mu.Unlock()
	if !begun {
		return
	}
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
