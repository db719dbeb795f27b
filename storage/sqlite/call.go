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

// call is one caller of InTx on its way through the writer. Its owner waits for done, or takes it back while it
// still waits.
type call struct {
	fn    func(tx storage.Tx) error
	state atomic.Int32
	done  chan struct{} // closed when err and exited are set for good

	err    error
	exited bool // fn called runtime.Goexit
}

const (
	waiting   int32 = iota
	taken           // by the writer, which will answer
	withdrawn       // by its owner: never run
)

func (c *call) take() bool     { return c.state.CompareAndSwap(waiting, taken) }
func (c *call) withdraw() bool { return c.state.CompareAndSwap(waiting, withdrawn) }

var (
	errNested = errors.New("sqlite: InTx was called inside the function of another InTx")
	errExited = errors.New("sqlite: runtime.Goexit was called in a transaction")
)

// InTx is storage.DB's. Concurrent calls share one commit, at most 64 of them.
//
// A function that calls runtime.Goexit (as testing.T.FailNow does) is undone and ends its caller's goroutine.
// InTx inside fn is noticed after a moment and refused. After ErrFailed it is not known whether the work is on
// disk: it may be found there by the next process.
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
	if err := d.await(ctx, c); err != nil {
		return err
	}
	if c.exited {
		runtime.Goexit()
	}
	return c.err
}

// await waits for the answer of c. An error means that c was taken back and did not run.
func (d *DB) await(ctx context.Context, c *call) error {
	patience := time.NewTimer(min(nestedAfter, d.cfg.BusyTimeout))
	defer patience.Stop()
	for waited := false; ; waited = true {
		var reason error
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			reason = ctx.Err()
		case <-d.writer.stopped:
			reason = storage.ErrClosed
		case <-patience.C:
			switch {
			case goroutineID() == d.writer.goroutine.Load():
				reason = errNested
			case !waited && d.cfg.BusyTimeout > nestedAfter:
				patience.Reset(d.cfg.BusyTimeout - nestedAfter)
				continue
			default:
				reason = fmt.Errorf("sqlite: waited %v for the writer: %w", d.cfg.BusyTimeout, storage.ErrBusy)
			}
		}
		if c.withdraw() {
			return reason
		}
		<-c.done // it runs: the answer will be the truth
		return nil
	}
}

// nestedAfter is how long a call waits before it asks whether it keeps the writer waiting itself.
const nestedAfter = 50 * time.Millisecond

// goroutineID is the number in the first line of a stack trace ("goroutine 17 [running]:"). It costs a
// microsecond, and serves only to tell a mistake of ours from a busy writer.
func goroutineID() (id int64) {
	var b [64]byte
	for _, c := range b[len("goroutine "):runtime.Stack(b[:], false)] {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + int64(c-'0')
	}
	return id
}
