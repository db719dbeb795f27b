package bolt

import (
	"runtime"

	"go.etcd.io/bbolt"
)

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

// InMemory is how many places wait to be moved, those of a round at work included.
func InMemory(l *Log) int {
	r := l.recent.Load()
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.count
	for _, list := range r.moving {
		n += len(list)
	}
	return n
}

// Used is how many bytes of the file hold pages.
func Used(l *Log) (n int64) {
	_ = l.db.View(func(tx *bbolt.Tx) error { n = tx.Size(); return nil })
	return n
}

// Reads is how many read transactions have begun.
func Reads(l *Log) int { return l.db.Stats().TxN }
