package sqlite

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
)

// writer owns the writing connection, and the goroutine that gathers callers and runs their functions.
//
// Callers that wait while a commit is under way share the next one, with fates of their own (I29). A savepoint for each
// would cost a copy of every page that changes, and most callers succeed, or fail before they write. So a batch begins
// without; when a caller fails that has written, all is undone and the batch runs again, each under a savepoint, and so
// do the next batches. Some errors (disk full, an I/O error, ON CONFLICT ROLLBACK) end the whole transaction in SQLite,
// after which every further statement would commit by itself. So any error of SAVEPOINT, RELEASE, ROLLBACK TO or
// COMMIT, and any statement after which there is no transaction, means that the batch is dead: nothing runs in it, the
// caller at fault is refused, and the others run again, one by one. Refusals too wait for the commit: one that
// was caused by work of the same batch would be wrong if that work is undone.
type writer struct {
	conn      *conn
	limit     int // callers in one commit
	fail      func(Point) error
	patience  time.Duration // how long SQLite waits for a lock
	queue     chan *call
	wipes     chan *call    // callers of Wipe; taken between two batches
	stop      chan struct{} // closed by Close: end after the work at hand
	stopped   chan struct{} // closed when the goroutine has ended
	committed chan struct{}
	left      []*call // callers to run one by one, before others are gathered
	marks     marks

	failed  chan struct{} // closed at the first ErrFailed, after which nothing is written
	cause   atomic.Pointer[error]
	trouble atomic.Pointer[error] // ErrFull or ErrReadOnly until a commit succeeds
	commits int                   // since the last look at the size of the write-ahead log
	keys    orderKeys
	epoch   epoch

	savepoints int // batches to come that have savepoints from the start
}

// savepointBatches is how many batches have savepoints after a failure, so that a caller who fails all the time does
// not have everybody run twice all the time.
const savepointBatches = 16

const (
	checkpointLook  = 16   // commits between looks at the write-ahead log
	checkpointPages = 4000 // pages in it that make a checkpoint worth while: 8 MB
	probeEvery      = time.Second
)

func newWriter(c *conn, cfg Config) *writer {
	limit := maxBatch
	if cfg.NoGroup {
		limit = 1
	}
	return &writer{
		conn: c, limit: limit, fail: cfg.Failpoint, keys: orderKeys{block: int64(cfg.KeyBlock)},
		queue: make(chan *call, cfg.MaxWaiting), wipes: make(chan *call), patience: cfg.BusyTimeout,
		committed: make(chan struct{}, 1),
		stop:      make(chan struct{}), stopped: make(chan struct{}), failed: make(chan struct{}),
	}
}

// run is the goroutine. The function of a caller may end it (runtime.Goexit); then another takes its place.
func (w *writer) run() {
	closed := false
	defer func() {
		if closed {
			close(w.stopped)
		} else {
			go w.run()
		}
	}()
	for {
		for len(w.left) > 0 {
			c := w.left[0]
			w.left = w.left[1:]
			w.alone(c)
		}
		w.checkpoint()
		w.left = w.collect()
		if len(w.left) == 0 {
			closed = true
			return
		}
		if len(w.left) > 1 {
			w.left = w.share(w.left)
		}
	}
}

// collect waits for callers and takes as many as may share a commit; none when the store is being closed.
func (w *writer) collect() (batch []*call) {
	runtime.Gosched() // those just answered, and those who wait for a processor, come first: half as many commits
	for len(batch) == 0 {
		var probe <-chan time.Time
		if w.trouble.Load() != nil {
			probe = time.After(probeEvery)
		}
		select {
		case c := <-w.queue:
			batch = take(batch, c)
		case c := <-w.wipes:
			c.answer(w.wipe(w.patience))
		case <-probe:
			w.tryDisk()
		case <-w.stop:
			return nil
		}
	}
	for len(batch) < w.limit {
		select {
		case c := <-w.queue:
			batch = take(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// take adds a caller that has not given up.
func take(batch []*call, c *call) []*call {
	if c.gone.CompareAndSwap(false, true) {
		batch = append(batch, c)
	}
	return batch
}

// alone runs one caller in a transaction of its own.
func (w *writer) alone(c *call) {
	err := w.begin()
	if err == nil {
		if err, _ = w.invoke(c); err == nil {
			err = w.commit()
		}
		if err != nil {
			w.rollback()
		}
	}
	c.answer(err)
}

// share runs a batch in one transaction and answers it. When that transaction is lost it is undone, and those who
// are to run again are returned.
func (w *writer) share(batch []*call) (again []*call) {
	savepoints, good := w.savepoints > 0, 0
	w.savepoints = max(0, w.savepoints-1)
	err := w.begin()
	for i, c := range batch {
		if err != nil {
			c.err = err
			continue
		}
		own, lost := w.member(c, savepoints)
		if lost != nil {
			w.rollback()
			if errors.Is(lost, errWrote) {
				w.savepoints = savepointBatches
				return w.share(batch)
			}
			if own != nil {
				c.answer(own)
				batch = slices.Delete(batch, i, i+1)
			}
			return batch
		}
		if c.err = own; own == nil {
			good++
		}
	}
	switch {
	case err != nil:
	case good == 0:
		w.rollback()
	case w.commit() != nil:
		w.rollback()
		return batch
	}
	for _, c := range batch {
		c.answer(c.err)
	}
	return nil
}

// errWrote: a caller without a savepoint has failed after it wrote.
var errWrote = errors.New("sqlite: work of one caller has to be undone")

// member runs one caller of a batch. lost means that the whole transaction has ended, or has to (errWrote); err then
// says what c is told of it, nil = it is not the fault of c.
func (w *writer) member(c *call, savepoint bool) (err, lost error) {
	if !savepoint {
		w.conn.wrote = false
		if err, lost = w.invoke(c); err != nil && lost == nil && w.conn.wrote {
			lost = errWrote
		}
		return err, lost
	}
	if _, lost = w.conn.exec("SAVEPOINT caller"); lost != nil {
		return nil, w.note(lost)
	}
	if err, lost = w.invoke(c); lost != nil {
		return err, lost
	}
	if err != nil {
		_, lost = w.conn.exec("ROLLBACK TO caller")
	}
	if lost == nil {
		_, lost = w.conn.exec("RELEASE caller")
	}
	if lost != nil {
		return lost, w.note(lost)
	}
	return err, nil
}

// invoke runs the function of c and makes an error of a panic. lost means that the transaction has ended; it is
// part of err.
func (w *writer) invoke(c *call) (err, lost error) {
	t := newTx(w)
	err = w.call(c, t)
	if e := t.usable(); err == nil {
		err = e
	}
	t.over = true
	if t.dead != nil {
		return errors.Join(err, t.dead), t.dead
	}
	return err, nil
}

// call runs the function of c. If that ends the goroutine, the transaction is undone, and the others in it run again.
func (w *writer) call(c *call, t *tx) (err error) {
	returned := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sqlite: panic in a transaction: %v\n%s", r, debug.Stack())
		} else if !returned {
			t.over = true
			w.rollback()
			w.left = slices.DeleteFunc(w.left, func(other *call) bool { return other == c })
			c.answer(errExited)
		}
	}()
	err = c.fn(t)
	returned = true
	return err
}

func (c *call) answer(err error) {
	c.err = err
	close(c.done)
}

func (w *writer) begin() error {
	err := w.step(PointBegin, func() error {
		_, err := w.conn.exec("BEGIN IMMEDIATE")
		return err
	})
	if err != nil {
		w.rollback()
	}
	return err
}

// commit makes the transaction durable. On an error the caller rolls back.
func (w *writer) commit() error {
	marked := func() {}
	err := w.step(PointCommit, func() error {
		if err := errors.Join(w.keys.save(w.conn), w.epoch.save(w.conn)); err != nil {
			return err
		}
		if w.marks.begin || w.trouble.Load() != nil { // only a commit that wrote proves that the disk takes writes
			var err error
			if marked, err = w.marks.next(w.conn); err != nil {
				return err
			}
		}
		_, err := w.conn.exec("COMMIT")
		return err
	})
	if err != nil {
		return err
	}
	marked()
	_ = w.fail(PointCommitted)
	w.keys.kept()
	w.epoch.kept()
	w.trouble.Store(nil)
	select {
	case w.committed <- struct{}{}:
	default:
	}
	w.commits++
	return nil
}

// rollback ends the transaction, if SQLite has not ended it before: then there is none, and the error it
// gives says only that.
func (w *writer) rollback() { _, _ = w.conn.exec("ROLLBACK") }

// step does one thing that touches the disk, unless a test has another answer for it or the store has failed.
func (w *writer) step(p Point, do func() error) error {
	if err := w.failure(); err != nil {
		return err
	}
	if err := w.fail(p); err != nil {
		return w.note(err)
	}
	return w.note(do())
}
