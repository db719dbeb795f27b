package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/belfry-social/belfry/storage"
)

// call is one caller of InTx on its way through the writer.
type call struct {
	fn   func(tx storage.Tx) error
	gone atomic.Bool // set once: by the writer, which will then answer, or by the caller, which has then given up
	done chan struct{}
	err  error // the answer, when done is closed
}

var errExited = errors.New("sqlite: runtime.Goexit was called in a transaction")

// InTx is storage.DB's. Concurrent calls share one commit, at most 64 of them.
//
// A function that calls runtime.Goexit (as testing.T.FailNow does) is undone and ends its caller's goroutine. InTx
// inside fn waits for itself, and is refused with ErrBusy after Config.BusyTimeout.
func (d *DB) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.writer.failure(); err != nil {
		return err
	}
	c := &call{fn: fn, done: make(chan struct{})}
	select {
	case d.writer.queue <- c:
	default:
		return fmt.Errorf("sqlite: %d callers wait for the writer: %w", cap(d.writer.queue), storage.ErrBusy)
	}
	patience := time.NewTimer(d.cfg.BusyTimeout)
	defer patience.Stop()
	var reason error
	select {
	case <-c.done:
	case <-ctx.Done():
		reason = ctx.Err()
	case <-d.writer.stopped:
		reason = storage.ErrClosed
	case <-patience.C:
		reason = fmt.Errorf("sqlite: waited %v for the writer (is this InTx inside InTx?): %w",
			d.cfg.BusyTimeout, storage.ErrBusy)
	}
	if reason != nil && c.gone.CompareAndSwap(false, true) {
		return reason
	}
	<-c.done // when the call has begun, only its answer is the truth
	if errors.Is(c.err, errExited) {
		runtime.Goexit()
	}
	return c.err
}
