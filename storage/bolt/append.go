package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// call is one Append that waits for its commit.
type call struct {
	entries []storage.Entry
	bytes   int
	done    chan struct{}
	err     error // read after done
}

// queue holds the calls that wait, in the order in which they came.
type queue struct {
	mu   sync.Mutex
	list []*call
}

func (q *queue) add(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, c)
}

// take removes what one commit carries: at least one call, then as many as fit.
func (q *queue) take(entries, bytes int) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for ; n < len(q.list); n++ {
		c := q.list[n]
		entries, bytes = entries-len(c.entries), bytes-c.bytes
		if n > 0 && (entries < 0 || bytes < 0) {
			break
		}
	}
	batch := q.list[:n:n]
	q.list = q.list[n:]
	if len(q.list) == 0 {
		q.list = nil
	}
	return batch
}

// withdraw removes c if no commit has taken it.
func (q *queue) withdraw(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.list, c)
	if i >= 0 {
		q.list = slices.Delete(q.list, i, i+1)
	}
	return i >= 0
}

// Append applies entries. Calls that come while a commit runs share the next one, in order; there is no timer. An entry
// at or below the mark is taken for a repetition: several callers may give overlapping stretches, but a stretch out of
// order is a hole. ctx counts until a commit has taken the call; its outcome is the answer then.
//
// Entries that no log could take (positions that do not rise, an unknown operation, data over storage.MaxPayload) are
// refused before anything is written.
func (l *Log) Append(ctx context.Context, entries ...storage.Entry) error {
	c := &call{entries: entries, done: make(chan struct{})}
	var last social.Position
	for i := range entries {
		if err := check(&entries[i], last); err != nil {
			return fmt.Errorf("log: append %d: %w", entries[i].Position, err)
		}
		last = entries[i].Position
		c.bytes += len(entries[i].Data) + 256 + 64*len(entries[i].Targets)
	}
	if err := ctx.Err(); err != nil || len(entries) == 0 {
		return err
	}
	l.queue.add(c)
	for {
		select {
		case <-c.done:
			return c.err
		case l.writing <- struct{}{}:
			l.commit()
			l.unlock()
		case <-ctx.Done():
			if l.queue.withdraw(c) {
				return ctx.Err()
			}
			<-c.done
			return c.err
		case <-l.closed:
			if l.queue.withdraw(c) {
				return storage.ErrClosed
			}
			<-c.done
			return c.err
		}
	}
}

func check(e *storage.Entry, last social.Position) error {
	switch {
	case e.Position <= last:
		return errors.New("positions must rise")
	case e.Position > maxPosition:
		return errors.New("position is out of bounds")
	}
	switch e.Op {
	case storage.OpRedact:
		return nil
	case storage.OpErase:
		if e.Person.IsZero() {
			return errors.New("erase without a person")
		}
		return nil
	case storage.OpAppend:
	default:
		return fmt.Errorf("unknown operation %d", e.Op)
	}
	stream := e.Stream.Bytes()
	if _, err := social.StreamOf(stream[:]); err != nil {
		return err
	}
	switch {
	case len(e.Data) > storage.MaxPayload:
		return fmt.Errorf("%d bytes: %w", len(e.Data), storage.ErrTooLarge)
	case len(e.Type) > maxType:
		return fmt.Errorf("type of %d bytes: %w", len(e.Type), storage.ErrTooLarge)
	case len(e.About) > social.MaxAbout:
		return fmt.Errorf("about %d people: %w", len(e.About), storage.ErrTooLarge)
	}
	return nil
}

// commit takes one batch of the calls that wait, makes it durable, and answers all of them. The caller holds the write
// lock.
func (l *Log) commit() {
	batch := l.queue.take(l.cfg.BatchEntries, batchBytes)
	if len(batch) == 0 {
		return
	}
	bytes, entries := 0, 0
	for _, c := range batch {
		bytes, entries = bytes+c.bytes, entries+len(c.entries)
	}
	err := l.room(bytes)
	if err == nil {
		err = l.makeRoom()
	}
	if err == nil {
		err = l.write(func(w *writer) error { return w.applyAll(batch) })
	}
	for _, c := range batch {
		c.err = err
		close(c.done)
	}
	if err == nil {
		l.advance(entries)
	}
}

// room refuses an append that would use more than MaxSize. Pages are copied before they change, hence the factor.
func (l *Log) room(bytes int) error {
	if l.cfg.MaxSize == 0 || l.size.Load()+2*int64(bytes) <= l.cfg.MaxSize {
		return nil
	}
	err := fmt.Errorf("log: %d bytes in use: %w", l.size.Load(), storage.ErrFull)
	l.full.Store(&err)
	return err
}
