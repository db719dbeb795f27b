package bolt

import "runtime"

// WaitQueued returns when n calls wait for their commit.
func WaitQueued(l *Log, n int) {
	for {
		l.queue.mu.Lock()
		have := len(l.queue.list)
		l.queue.mu.Unlock()
		if have >= n {
			return
		}
		runtime.Gosched()
	}
}
