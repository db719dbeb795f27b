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

// InMemory is how many postings the memtable has, frozen ones included.
func InMemory(l *Log) int {
	m := l.table.Load()
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.count
	for _, list := range m.frozen {
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
