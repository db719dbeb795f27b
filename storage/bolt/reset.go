package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/belfry-social/belfry/modules/social"
)

// Reset renames the file to <path>.aside, unless it is empty, and begins a new one. A crash before the new state is
// durable leaves a log without a table of epochs, which is reset again at the next start.
func (l *Log) Reset(ctx context.Context, epochs social.Epochs, floor social.Position) error {
	if len(epochs) == 0 {
		return errors.New("log: reset: no epoch is given")
	}
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if failed := l.failed.Load(); failed != nil {
		return *failed // the file stays as it is, for the next start to judge
	}
	if before := l.now.Load(); len(before.Epochs) > 0 || before.Head != 0 {
		if err := l.replace(); err != nil {
			return fmt.Errorf("log: reset: %w", err)
		}
		defer close(before.next) // tails wake when the new content is there
	}
	return l.write(func(w *writer) error {
		w.state, w.dirty = state{mark: floor, floor: floor}, true
		return w.setEpochs(epochs)
	})
}

// replace sets the file aside and opens an empty one. The caller holds the write lock.
func (l *Log) replace() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.db.Close()
	if err == nil {
		err = os.Rename(l.cfg.Path, asideOf(l.cfg.Path))
	}
	if err == nil {
		var damage error
		damage, err = l.open()
		err = errors.Join(err, damage)
	}
	if err != nil {
		return l.fail(err) // there is no file open behind this log any more
	}
	return nil
}
