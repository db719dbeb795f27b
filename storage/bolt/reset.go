package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/belfry-social/belfry/modules/social"
)

// Reset renames the file to <path>.aside, unless it is empty, and begins a new one. A crash before the new state is
// durable leaves a log without an epoch, which is reset again at the next start.
func (l *Log) Reset(ctx context.Context, epoch uint32, floor social.Position) error {
	if epoch == 0 {
		return errors.New("log: reset: an epoch is never 0")
	}
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if failed := l.failed.Load(); failed != nil {
		return *failed // the file stays as it is, for the next start to judge
	}
	if before := l.now.Load(); before.epoch != 0 || before.head != 0 {
		if err := l.replace(); err != nil {
			return fmt.Errorf("log: reset: %w", err)
		}
		defer close(before.next) // tails wake when the new epoch is there
	}
	return l.write(func(w *writer) error {
		w.state, w.dirty = state{epoch: epoch, mark: floor, floor: floor}, true
		return nil
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
