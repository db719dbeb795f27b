package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/belfry-social/belfry/modules/social"
)

// trimStep bounds the records one transaction drops, so that trimming does not hold up appends for long.
const trimStep = 1024

// Trim drops at most 1,024 records at a time, whatever limit says. It works on a full log.
func (l *Log) Trim(ctx context.Context, before social.Position, limit int) (int, error) {
	limit = min(limit, trimStep)
	if limit < 1 {
		return 0, nil
	}
	dropped := 0
	err := l.locked(ctx, func(w *writer) error {
		before := min(before, w.mark)
		if before <= w.floor {
			return nil
		}
		keys, rest := oldestKeys(w.records, before, limit)
		for _, key := range keys {
			if err := w.drop(key); err != nil {
				return err
			}
		}
		w.floor, w.dirty, dropped = before, true, len(keys)
		if rest {
			w.floor = positionOf(keys[len(keys)-1])
		}
		if err := w.setEpochs(w.epochs.Above(w.floor)); err != nil {
			return err
		}
		return w.forget()
	})
	return dropped, err
}

// oldestKeys copies up to limit keys from the front; rest tells that others stand at or below before.
func oldestKeys(r records, before social.Position, limit int) (keys [][]byte, rest bool) {
	c := r.cursor()
	for k, _ := c.seek(keyOf(0)); k != nil && positionOf(k) <= before; k, _ = c.next() {
		if len(keys) == limit {
			return keys, true
		}
		keys = append(keys, append([]byte(nil), k...))
	}
	return keys, false
}

// drop removes a record, and from its stream the blocks that end with it or before. Of a damaged
// record the stream is not known; what stays in the stream's bucket then lies below the floor, where no reader looks.
func (w *writer) drop(key []byte) error {
	holder := w.records.holder(key)
	r, broken := decode(key, holder.Get(key))
	w.count--
	if err := holder.Delete(key); err != nil || broken != nil {
		return err
	}
	stream := r.stream.Bytes()
	b := w.streams().Bucket(stream[:])
	if b == nil {
		return nil
	}
	c := b.Cursor()
	k, _ := c.First()
	for ; k != nil && positionOf(k) <= positionOf(key); k, _ = c.First() {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	if k == nil {
		return w.streams().DeleteBucket(stream[:])
	}
	return nil
}

// Sweep goes on from where the last sweep ended. When none is left it also removes a file that was set aside, since
// nothing else empties what is in there.
func (l *Log) Sweep(ctx context.Context, limit int) (int, error) {
	if limit < 1 {
		return 0, nil
	}
	for {
		emptied, left := 0, false
		err := l.locked(ctx, func(w *writer) (err error) {
			emptied, left, err = w.sweep(min(limit, trimStep))
			return err
		})
		switch {
		case err != nil:
			return 0, err
		case emptied > 0:
			return emptied, nil
		case !left:
			return 0, l.removeAside()
		}
	}
}

// sweep empties up to limit records of people who were erased; left tells that there may be others. A damaged record is
// one of them: whose it is cannot be known.
func (w *writer) sweep(limit int) (emptied int, left bool, err error) {
	end := w.before.newest()
	if w.swept >= end {
		return 0, false, nil
	}
	through, scanned := end, 0
	var found []social.Position
	c := w.records.cursor()
	for k, v := c.seek(keyOf(w.swept + 1)); k != nil && positionOf(k) <= end; k, v = c.next() {
		if len(found) == limit || scanned == pageScan {
			through, left = positionOf(k)-1, true
			break
		}
		scanned++
		r, err := decode(k, v)
		if err != nil || (r.flags&flagEmpty == 0 && w.before.hides(positionOf(k), &r)) {
			found = append(found, positionOf(k))
		}
	}
	w.swept, w.dirty = through, true
	for _, at := range found {
		if err := w.empty(at); err != nil {
			return 0, false, err
		}
	}
	return len(found), left, nil
}

// removeAside removes a file that was set aside if a person was erased.
func (l *Log) removeAside() error {
	if len(l.now.Load().erased) == 0 {
		return nil
	}
	if err := os.Remove(asideOf(l.cfg.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("log: sweep: %w", err)
	}
	return nil
}
