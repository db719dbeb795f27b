package sse

import "sync/atomic"

// trouble is a failure that anyone may read while the hub goes on.
type trouble struct{ err atomic.Pointer[error] }

func (t *trouble) set(err error) { t.err.Store(&err) }

func (t *trouble) clear() {
	if t.err.Load() != nil {
		t.err.Store(nil)
	}
}

func (t *trouble) get() error {
	if err := t.err.Load(); err != nil {
		return *err
	}
	return nil
}
