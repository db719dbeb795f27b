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

// writer owns the writing connection and the goroutine that runs the functions of InTx.
//
// Callers that wait while a commit is under way share the next one. Most of them succeed, and most that do not have
// written nothing, so at first they run one behind the other in one transaction. When one fails that has written, all
// is undone and the batch runs again, with care: each under a savepoint, which costs a copy of every page that is
// changed. So do the next batches, for whoever fails often.
//
// Some errors (disk full, an I/O error, ON CONFLICT ROLLBACK) end the whole transaction in
// the engine, after which every further statement would commit by itself. So any error of SAVEPOINT, RELEASE,
// ROLLBACK TO or COMMIT, and any statement after which there is no transaction any more, means that the batch is
// dead: nothing more runs in it, the caller at fault is refused, and the others run again, one by one. Refusals
// too wait for the commit: one that was caused by work of the same batch would be wrong if that work is undone.
type writer struct {
	conn      *conn
	limit     int // callers in one commit
	fail      func(Point) error
	queue     chan *call
	stop      chan struct{} // closed by Close: end after the work at hand
	stopped   chan struct{} // closed when the goroutine has ended
	committed chan struct{}
	goroutine atomic.Int64 // its number

	failed   chan struct{} // closed at the first ErrFailed, after which nothing is written
	cause    atomic.Pointer[error]
	trouble  atomic.Pointer[error] // ErrFull or ErrReadOnly until a commit succeeds
	probe    *time.Ticker          // while there is trouble
	commits  int                   // since the last look at the size of the write-ahead log
	keys     orderKeys
	work     []*call // taken and not yet answered
	running  *call   // whose function runs now
	oneByOne bool    // what is left of work goes without a batch
	care     int     // batches, from the next on, that run with savepoints
}

const (
	checkpointLook  = 16   // commits between looks at the write-ahead log
	checkpointPages = 1000 // pages in it that make a checkpoint worth while; the engine's own default
	probeEvery      = time.Second
	careBatches     = 16 // with savepoints after one that had to be undone
)

func newWriter(c *conn, cfg Config) *writer {
	limit := maxBatch
	if cfg.NoGroup {
		limit = 1
	}
	return &writer{
		conn: c, limit: limit, fail: cfg.Failpoint,
		queue: make(chan *call, cfg.MaxWaiting), committed: make(chan struct{}, 1),
		stop: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan struct{}),
	}
}

// run is the goroutine. A function that calls runtime.Goexit ends it; the next one begins where it ended.
func (w *writer) run() {
	w.goroutine.Store(goroutineID())
	ended := false
	defer func() {
		if !ended {
			go w.run()
		}
	}()
	if c := w.running; c != nil {
		c.exited = true
		w.refuse(c, errExited)
	}
	for len(w.work) > 0 || w.collect() {
		if w.oneByOne || len(w.work) == 1 {
			w.alone(w.work[0])
		} else {
			w.batch()
		}
		w.checkpoint()
	}
	ended = true
	close(w.stopped)
}

// collect waits for callers and takes as many as may share a commit; false when the store is being closed.
func (w *writer) collect() bool {
	runtime.Gosched() // those just answered, and those who wait for a processor, come first: half as many commits
	w.oneByOne = false
	for len(w.work) == 0 {
		var probe <-chan time.Time
		if w.trouble.Load() != nil {
			if w.probe == nil {
				w.probe = time.NewTicker(probeEvery)
			}
			probe = w.probe.C
		} else if w.probe != nil {
			w.probe.Stop()
			w.probe = nil
		}
		select {
		case c := <-w.queue:
			w.add(c)
		case <-probe:
			w.tryDisk()
		case <-w.stop:
			return false
		}
	}
	for len(w.work) < w.limit {
		select {
		case c := <-w.queue:
			w.add(c)
		default:
			return true
		}
	}
	return true
}

func (w *writer) add(c *call) {
	if c.take() {
		w.work = append(w.work, c)
	}
}

// alone runs one caller in a transaction of its own.
func (w *writer) alone(c *call) {
	if err := w.begin(); err != nil {
		w.answer(c, err)
		return
	}
	t := &tx{querier: querier{c: w.conn}, w: w}
	err := w.invoke(c, t)
	if err == nil {
		err = t.dead
	}
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		w.rollback()
	}
	w.answer(c, err)
}

// batch runs all callers at hand in one transaction. When it returns without having answered them it is to be called
// again.
func (w *writer) batch() {
	if err := w.begin(); err != nil {
		w.answerAll(err)
		return
	}
	careful, good := w.care > 0, 0
	w.care = max(0, w.care-1)
	for _, c := range w.work {
		fault, err := w.member(c, careful)
		switch {
		case fault != nil && err != nil:
			w.refuse(c, err)
			return
		case fault != nil: // dead, and it is not said by whom
			w.again()
			return
		case err == nil:
			good++
		case !careful && w.conn.wrote:
			w.rollback()
			w.care = careBatches
			return
		}
		c.err = err
	}
	if good == 0 {
		w.rollback()
	} else if err := w.commit(); err != nil {
		w.again()
		return
	}
	for len(w.work) > 0 {
		w.answer(w.work[0], w.work[0].err)
	}
}

// member runs one caller of a batch, with care under a savepoint. fault means that the whole transaction has ended;
// err then says what c is told of it, nil = nobody knows whose fault it was.
func (w *writer) member(c *call, careful bool) (fault, err error) {
	if careful {
		if _, fault := w.conn.exec("SAVEPOINT caller"); fault != nil {
			return w.note(fault), nil
		}
	}
	w.conn.wrote = false
	t := &tx{querier: querier{c: w.conn}, w: w}
	err = w.invoke(c, t)
	if t.dead != nil {
		return t.dead, errors.Join(err, t.dead)
	}
	if !careful {
		return nil, err
	}
	if err != nil {
		if _, fault := w.conn.exec("ROLLBACK TO caller"); fault != nil {
			return fault, w.note(fault)
		}
	}
	if _, fault := w.conn.exec("RELEASE caller"); fault != nil {
		return fault, w.note(fault)
	}
	return nil, err
}

// invoke runs the function of c and makes an error of a panic.
func (w *writer) invoke(c *call, t *tx) (err error) {
	w.running = c
	returned := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sqlite: panic in a transaction: %v\n%s", r, debug.Stack())
			returned = true
		}
		if returned { // and not ended by runtime.Goexit, which run takes care of
			w.running = nil
		}
		if e := t.finish(); err == nil {
			err = e
		}
		t.over = true
	}()
	err = c.fn(t)
	returned = true
	return err
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
	err := w.step(PointCommit, func() error {
		if err := w.keys.save(w.conn); err != nil {
			return err
		}
		if w.trouble.Load() != nil { // only a commit that wrote something proves that the disk takes writes
			if _, err := w.conn.exec("PRAGMA user_version = 0"); err != nil {
				return err
			}
		}
		_, err := w.conn.exec("COMMIT")
		return err
	})
	if err != nil {
		return err
	}
	_ = w.fail(PointCommitted)
	w.keys.saved = w.keys.last
	w.trouble.Store(nil)
	select {
	case w.committed <- struct{}{}:
	default:
	}
	w.commits++
	return nil
}

// rollback ends the transaction, if the engine has not ended it before: then there is none, and the error it
// gives says only that.
func (w *writer) rollback() { _, _ = w.conn.exec("ROLLBACK") }

// refuse undoes everything at hand on account of c, and has the others run again.
func (w *writer) refuse(c *call, err error) {
	w.running = nil
	w.again()
	w.answer(c, err)
}

// again undoes everything at hand and has it run one by one.
func (w *writer) again() {
	w.rollback()
	w.oneByOne = true
}

// answer tells a caller its fate.
func (w *writer) answer(c *call, err error) {
	if i := slices.Index(w.work, c); i >= 0 {
		w.work = slices.Delete(w.work, i, i+1)
	}
	c.err = err
	close(c.done)
}

func (w *writer) answerAll(err error) {
	for len(w.work) > 0 {
		w.answer(w.work[0], err)
	}
}

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
