package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

const (
	idleWait   = time.Second // the longest sleep while nothing wakes
	retryWait  = time.Second // between two tries while a store cannot work
	poisonWait = 100 * time.Millisecond
	poisonTry  = 10
)

// Relay copies announcements from the store into the log, in the order in which they committed. It keeps no place
// of its own: it copies what stands above the log's applied mark. A commit wakes it, and so does each second.
//
// An entry that cannot be decoded is tried ten times within a second, then set aside (outbox.set_aside_at), counted and
// logged. A full disk sets nothing aside: the relay tries again. A store that has failed ends it; Done and Err tell.
type Relay struct {
	db    storage.DB
	log   storage.LogAppender
	clock social.Clock
	zap   *zap.Logger

	mu    sync.Mutex // held by whoever copies
	stuck bool       // the waiting has been logged

	applied     atomic.Int64
	quarantined atomic.Int64
	waiting     atomic.Int64 // time of the oldest row known to wait; 0 = none

	start  sync.Once
	stop   sync.Once
	flush  chan context.Context
	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done
}

// Stats are the relay's counters. They are answered from memory.
type Stats struct {
	Applied     int64         // entries copied since the start
	Quarantined int64         // entries set aside, those of earlier runs included
	Lag         time.Duration // age of the oldest entry that is not in the log yet; 0 = caught up
}

// NewRelay makes a relay; it does nothing before CatchUp or Start.
func NewRelay(db storage.DB, log storage.LogAppender, clock social.Clock, logger *zap.Logger) *Relay {
	return &Relay{db: db, log: log, clock: clock, zap: logger, flush: make(chan context.Context, 1),
		done: make(chan struct{})}
}

// CatchUp copies everything that is in the outbox when it is called, and returns when it is in the log (I26). The
// host calls it after Reconcile and before the first reader is served. While the log is full it waits.
func (r *Relay) CatchUp(ctx context.Context) error {
	var head, aside int64
	err := r.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0),
			(SELECT COUNT(*) FROM outbox WHERE set_aside_at IS NOT NULL) FROM outbox`).Scan(&head, &aside)
	})
	if err != nil {
		return fmt.Errorf("outbox: catch up: %w", err)
	}
	r.quarantined.Store(aside)
	for r.log.Head().Seq < social.Position(head) {
		more, err := r.step(ctx)
		if err != nil {
			return err
		}
		if !more {
			return nil // what is left below head is set aside
		}
	}
	return nil
}

// Start begins to copy on a goroutine of its own. It is called once.
func (r *Relay) Start() {
	r.start.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		r.cancel = cancel
		go r.run(ctx)
	})
}

// Stop copies what has been committed by now, unless ctx ends first, and returns when the goroutine has ended. It is
// safe without Start and more than once.
func (r *Relay) Stop(ctx context.Context) error {
	r.start.Do(func() { close(r.done) }) // never started, and never will be
	r.stop.Do(func() { r.flush <- ctx })
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.cancel != nil {
			r.cancel()
		}
		<-r.done
	}
	return r.Err()
}

// Done is closed when the relay has ended: stopped, or because a store has failed.
func (r *Relay) Done() <-chan struct{} { return r.done }

// Err tells, after Done, why the relay ended; nil when it was stopped.
func (r *Relay) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}

func (r *Relay) Stats() Stats {
	s := Stats{Applied: r.applied.Load(), Quarantined: r.quarantined.Load()}
	if oldest := social.Time(r.waiting.Load()); oldest != 0 {
		s.Lag = max(0, r.clock.Now().Sub(oldest))
	}
	return s
}

func (r *Relay) run(ctx context.Context) {
	defer close(r.done)
	defer r.cancel()
	timer := time.NewTimer(idleWait)
	defer timer.Stop()
	for {
		more, err := r.step(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.err = err
				r.zap.Error("relay has ended", zap.Error(err))
			}
			return
		}
		if more {
			timer.Reset(0)
		} else {
			timer.Reset(idleWait)
		}
		select {
		case <-r.db.Committed():
		case <-timer.C:
		case last := <-r.flush: // the last round; the bound keeps a writer that does not stop from keeping the relay
			if err := r.CatchUp(last); err != nil && last.Err() == nil {
				r.err = err
			}
			return
		case <-ctx.Done():
			return
		}
	}
}

// step copies one batch and handles what goes wrong; more = there may be something left to copy. It returns an error
// only when ctx has ended or a store has failed for good.
func (r *Relay) step(ctx context.Context) (more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var bad, last *poison
	for try := 0; ; {
		c, err := copyBatch(ctx, r.db, r.log)
		r.count(c, err)
		wait := retryWait
		switch {
		case err == nil:
			return c.more, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case isFinal(err):
			return false, err
		case errors.As(err, &bad):
			if last == nil || last.id != bad.id {
				try = 0
			}
			last, wait = bad, poisonWait
			if try++; try < poisonTry {
				break
			}
			if err := r.setAside(ctx, bad); err == nil || isFinal(err) {
				return true, err
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

// count keeps the counters, and says once when a store cannot work and when it can again.
func (r *Relay) count(c copied, err error) {
	r.applied.Add(int64(c.entries))
	if err == nil && !c.more {
		c.oldest = 0
	}
	r.waiting.Store(int64(c.oldest))
	var bad *poison
	switch stuck := err != nil && !errors.As(err, &bad) && !errors.Is(err, context.Canceled); {
	case stuck && !r.stuck:
		r.zap.Warn("relay is waiting", zap.Error(err))
		r.stuck = true
	case err == nil && r.stuck:
		r.zap.Info("relay goes on")
		r.stuck = false
	}
}

// setAside takes a poison entry out of the way.
func (r *Relay) setAside(ctx context.Context, bad *poison) error {
	now := r.clock.Now()
	err := r.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE outbox SET set_aside_at = $1, tries = $2 WHERE id = $3`, int64(now), poisonTry, bad.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("outbox: set aside %d: %w", bad.id, err)
	}
	r.quarantined.Add(1)
	r.zap.Error("announcement set aside", zap.Int64("outbox_id", bad.id), zap.Int("tries", poisonTry), zap.Error(bad.err))
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
