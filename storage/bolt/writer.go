package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// writer is one write transaction and what will be published when it is durable.
type writer struct {
	state
	records  records
	tx       *bbolt.Tx
	target   *bbolt.Bucket // of new records
	postings []indexed     // of new records
	epochs   social.Epochs
	people   erasures // nil = as before
	before   erasures
	dirty    bool
	redacted bool
}

// streams is the bucket of the buckets of the streams. Most transactions do not touch it.
func (w *writer) streams() *bbolt.Bucket { return w.tx.Bucket(bucketStreams) }

// lock takes the write lock; unlock gives it back.
func (l *Log) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return storage.ErrClosed
	}
}

func (l *Log) unlock() { <-l.writing }

// locked writes under the write lock.
func (l *Log) locked(ctx context.Context, fn func(*writer) error) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return l.write(fn)
}

// write runs fn in a transaction, makes its work durable and publishes it; nothing is written when fn changes
// nothing. The caller holds the write lock. An error of fn undoes its work and is returned; an error of the engine is
// ErrFull or ErrReadOnly, which heals, or ErrFailed, which does not.
func (l *Log) write(fn func(*writer) error) error {
	if failed := l.failed.Load(); failed != nil {
		return *failed
	}
	var w *writer
	durable, err := false, error(nil)
	broken := func() (broken error) {
		defer catch(&broken)()
		w, durable, err = l.transact(fn)
		return nil
	}()
	switch {
	case broken != nil:
		return l.fail(broken)
	case err != nil:
		return err
	case durable:
		l.publish(w)
	}
	return nil
}

// transact is the transaction itself. durable is false when fn changed nothing.
func (l *Log) transact(fn func(*writer) error) (w *writer, durable bool, err error) {
	tx, err := l.db.Begin(true)
	if err != nil {
		return nil, false, l.outcome(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	now := l.now.Load()
	w = &writer{tx: tx, records: recordsIn(tx), epochs: now.Epochs, before: now.erased}
	if w.state, err = stateIn(tx); err != nil {
		return nil, false, l.fail(err)
	}
	if err = fn(w); err != nil || !w.dirty {
		return w, false, err
	}
	if err = tx.Bucket(bucketMeta).Put(keyState, w.encode()); err != nil {
		return nil, false, l.fail(err)
	}
	if err = l.failpoint(BeforeCommit); err == nil {
		l.newest.Load().note(w.postings) // before anybody can see the head it belongs to
		err = tx.Commit()
	}
	if err == nil {
		if err = l.failpoint(BeforeSync); err != nil {
			return nil, false, l.fail(err)
		}
		err = l.failpoint(AfterCommit)
	}
	if err != nil {
		return nil, false, l.outcome(err)
	}
	return w, true, nil
}

// publish shows readers what has become durable and wakes the tails.
func (l *Log) publish(w *writer) {
	l.measure()
	before := l.now.Load()
	if len(w.epochs) == len(before.Epochs) && w.mark == before.Head && w.floor == before.Floor && w.people == nil {
		return // postings were flushed, or records emptied: no reader waits for that
	}
	l.full.Store(nil)
	p := &published{
		Kept:   social.Kept{Floor: w.floor, Head: w.mark, Epochs: w.epochs},
		erased: before.erased, next: make(chan struct{}), takenBack: before.takenBack,
	}
	if w.people != nil {
		p.erased = w.people
	}
	if w.redacted || w.people != nil || w.floor != before.Floor {
		p.takenBack++
	}
	l.table.Load().insert(w.postings...)
	l.now.Store(p)
	close(before.next)
}

func (l *Log) failpoint(p Failpoint) error {
	if l.cfg.Failpoint == nil {
		return nil
	}
	return l.cfg.Failpoint(p)
}

// outcome sorts an error of the engine. No space for a page is survivable, since nothing that counts was written;
// a failed sync never is, because what the disk holds is not known.
func (l *Log) outcome(err error) error {
	lack := lackOf(err)
	if lack == nil {
		return l.fail(err)
	}
	lack = fmt.Errorf("log: %w: %w", lack, err)
	l.full.Store(&lack)
	return lack
}

// lackOf tells what a write has lacked; nil = it has failed otherwise, or not at all.
func lackOf(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrMaxSizeReached):
		return storage.ErrFull
	case !errors.As(err, &path) || path.Op == "sync":
		return nil
	case errors.Is(path, syscall.ENOSPC), errors.Is(path, syscall.EDQUOT):
		return storage.ErrFull
	case errors.Is(path, syscall.EROFS):
		return storage.ErrReadOnly
	}
	return nil
}

func (w *writer) applyAll(batch []*call) (err error) {
	bytes := 0
	for _, c := range batch {
		for i := range c.entries {
			bytes += costOf(&c.entries[i])
		}
	}
	if w.target, err = w.records.target(bytes); err != nil {
		return err
	}
	for _, c := range batch {
		for i := range c.entries {
			if err := w.apply(&c.entries[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) apply(e *storage.Entry) error {
	if e.Position <= w.mark {
		return nil
	}
	if len(w.epochs) == 0 {
		return errors.New("log: it has no epoch yet")
	}
	if err := w.setEpochs(w.epochs.With(e.Epoch)); err != nil {
		return err
	}
	w.mark, w.dirty = e.Position, true
	switch e.Op {
	case storage.OpRedact:
		w.redacted = true
		for _, p := range e.Targets {
			if err := w.empty(p); err != nil {
				return err
			}
		}
		return nil
	case storage.OpErase:
		return w.erase(e.Person, e.Position)
	default:
		return w.append(e)
	}
}

// setEpochs replaces the table of epochs by one with other rows; of the same length it is the same.
func (w *writer) setEpochs(t social.Epochs) error {
	if len(t) == len(w.epochs) {
		return nil
	}
	w.epochs = t
	return w.tx.Bucket(bucketEpochs).Put(keyEpochs, encodeEpochs(t))
}

func (w *writer) append(e *storage.Entry) error {
	key, r := keyOf(e.Position), recordOf(e)
	w.postings = append(w.postings, indexed{stream: e.Stream, at: postingOf(e.Position, r.flags)})
	w.count++
	return w.target.Put(key, r.appendTo(make([]byte, 0, costOf(e)), key))
}

// empty takes the payload of a record away and keeps its place. A damaged record stays damaged, without content.
func (w *writer) empty(p social.Position) error {
	key := keyOf(p)
	holder := w.records.holder(key)
	before := holder.Get(key)
	if before == nil {
		return nil
	}
	w.dirty = true
	after := []byte{0}
	if r, err := decode(key, before); err == nil {
		r.clear()
		after = r.appendTo(nil, key)
	}
	return holder.Put(key, after)
}

// erase marks a person. The records are emptied later, by Sweep.
func (w *writer) erase(person social.ID, at social.Position) error {
	if w.people == nil {
		w.people = maps.Clone(w.before)
	}
	w.people[person] = at
	w.swept, w.gone = 0, uint32(len(w.people))
	return w.tx.Bucket(bucketErased).Put(person[:], encodeErasure(person, at))
}

// forget drops the marks of people of whom nothing can be left above the floor.
func (w *writer) forget() error {
	for person, at := range w.before {
		if at > w.floor {
			continue
		}
		if w.people == nil {
			w.people = maps.Clone(w.before)
		}
		delete(w.people, person)
		w.gone = uint32(len(w.people))
		if err := w.tx.Bucket(bucketErased).Delete(person[:]); err != nil {
			return err
		}
	}
	return nil
}
