package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/storage"
)

// writer is one write transaction and what will be published when it is durable.
type writer struct {
	state
	meta, journal, streams *bbolt.Bucket
	people                 erasures // nil = as before
	before                 erasures
	noted                  map[modules.Stream]modules.Position
	dirty                  bool
}

// write runs fn in a transaction, makes its work durable and publishes it; nothing is written when fn changes
// nothing. The caller has the turn. An error of fn undoes its work and is returned; an error of the engine is
// ErrFull or ErrReadOnly, which heals, or ErrFailed, which does not.
func (l *Log) write(fn func(*writer) error) error {
	if failed := l.failed.Load(); failed != nil {
		return *failed
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.isClosed() {
		return storage.ErrClosed
	}
	var w *writer
	durable, err := false, error(nil)
	broken := func() (broken error) {
		defer l.catch(&broken)()
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
	w = &writer{
		meta: tx.Bucket(bucketMeta), journal: tx.Bucket(bucketJournal), streams: tx.Bucket(bucketStreams),
		before: l.now.Load().erased, noted: map[modules.Stream]modules.Position{},
	}
	w.journal.FillPercent = 1.0 // it only grows at its end
	if w.state, err = decodeState(w.meta.Get(keyState)); err != nil {
		return nil, false, l.fail(err)
	}
	if err = fn(w); err != nil || !w.dirty {
		return w, false, err
	}
	if err = w.meta.Put(keyState, w.encode()); err != nil {
		return nil, false, l.fail(err)
	}
	if err = l.failpoint(BeforeCommit); err == nil {
		l.newest.Load().note(w.noted) // before anybody can see the head it belongs to
		err = tx.Commit()
	}
	if err == nil {
		err = l.failpoint(AfterCommit)
	}
	if err != nil {
		return nil, false, l.outcome(err)
	}
	return w, true, nil
}

// publish shows readers what has become durable and wakes those who wait.
func (l *Log) publish(w *writer) {
	l.full.Store(nil)
	l.measure()
	before := l.now.Load()
	p := &published{epoch: w.epoch, head: w.mark, floor: w.floor, erased: before.erased, next: make(chan struct{})}
	if w.people != nil {
		p.erased = w.people
	}
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
// a failed sync never is, because nobody knows what the disk holds.
func (l *Log) outcome(err error) error {
	var full error
	var path *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrMaxSizeReached):
		full = storage.ErrFull
	case errors.As(err, &path) && (errors.Is(path, syscall.ENOSPC) || errors.Is(path, syscall.EDQUOT)):
		full = storage.ErrFull
	case errors.As(err, &path) && errors.Is(path, syscall.EROFS):
		full = storage.ErrReadOnly
	default:
		return l.fail(err)
	}
	full = fmt.Errorf("log: %w: %w", full, err)
	l.full.Store(&full)
	return full
}

// apply does one entry.
func (w *writer) apply(e *storage.Entry) error {
	if e.Position <= w.mark {
		return nil
	}
	if w.epoch == 0 {
		return errors.New("log: it has no epoch yet")
	}
	w.mark, w.dirty = e.Position, true
	switch e.Op {
	case storage.OpRedact:
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

func (w *writer) append(e *storage.Entry) error {
	key, r := keyOf(e.Position), recordOf(*e)
	if err := w.journal.Put(key, r.encode(key)); err != nil {
		return err
	}
	stream := e.Stream.Bytes()
	b := w.streams.Bucket(stream[:])
	if b == nil {
		var err error
		if b, err = w.streams.CreateBucket(stream[:]); err != nil {
			return err
		}
	}
	b.FillPercent = 1.0
	w.noted[e.Stream] = e.Position
	return b.Put(key, []byte{r.flags})
}

// empty takes the payload of a record away and keeps its place. A damaged record stays damaged, without content.
func (w *writer) empty(p modules.Position) error {
	key := keyOf(p)
	v := w.journal.Get(key)
	if v == nil {
		return nil
	}
	w.dirty = true
	r, err := decode(key, v)
	if err != nil {
		return w.journal.Put(key, []byte{0})
	}
	r.typ = append([]byte(nil), r.typ...) // the map may move under it
	r.clear()
	if err := w.journal.Put(key, r.encode(key)); err != nil {
		return err
	}
	stream := r.stream.Bytes()
	if b := w.streams.Bucket(stream[:]); b != nil {
		return b.Put(key, []byte{r.flags})
	}
	return nil
}

// erase marks a person. The records are emptied later, by Sweep.
func (w *writer) erase(person modules.ID, at modules.Position) error {
	if w.people == nil {
		w.people = maps.Clone(w.before)
	}
	w.people[person] = at
	w.swept, w.erased = 0, uint32(len(w.people))
	return w.meta.Bucket(bucketErased).Put(person[:], encodeErasure(person, at))
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
		w.erased = uint32(len(w.people))
		if err := w.meta.Bucket(bucketErased).Delete(person[:]); err != nil {
			return err
		}
	}
	return nil
}
