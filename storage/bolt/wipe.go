package bolt

import (
	"context"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/storage"
)

// wiping is how far Wipe is. The write lock guards it.
type wiping struct {
	at    int // the next page to look at; 0 = no round is under way
	round int // the transaction with which the round under way, or else the last one, has begun
}

// What one call of Wipe does at most, while appends and reads wait for it: some milliseconds.
const (
	wipeLook = 4096 // pages
	wipeRun  = 64   // free pages in a row that are read and written at once
	wipeRuns = 64
)

// Wipe overwrites pages that nothing uses any more with zeros: bbolt never does, so that what was erased, redacted or
// trimmed could be read in the file for ever. It goes round the file, a stretch at a time; more is false at the end of
// a round, and while nothing was written since the last one began. A job calls it.
//
// A free page is one that bbolt itself may overwrite at any moment, so a crash in between harms nothing. The newest
// commit frees pages that only readers of the state before it see: there are none while mu is held.
func (l *Log) Wipe(ctx context.Context) (more bool, err error) {
	if err := l.lock(ctx); err != nil {
		return false, err
	}
	defer l.unlock()
	if failed := l.failed.Load(); failed != nil {
		return false, *failed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		return false, storage.ErrClosed
	}
	broken := func() (broken error) {
		defer catch(&broken)()
		more, err = l.wipe()
		return nil
	}()
	if broken != nil {
		return false, l.fail(broken)
	}
	return more, err
}

func (l *Log) wipe() (more bool, err error) {
	tx, err := l.db.Begin(true) // now all that earlier commits have freed is free
	if err != nil {
		return false, l.outcome(err)
	}
	defer func() { _ = tx.Rollback() }()
	w := &l.wiping
	if w.at == 0 {
		if w.round == tx.ID() {
			return false, nil
		}
		w.at, w.round = 2, tx.ID() // behind the meta pages
	}
	info, err := l.file.Stat()
	if err != nil {
		return false, fmt.Errorf("log: wipe: %w", err)
	}
	size := l.db.Info().PageSize
	end, buf := int(info.Size())/size, make([]byte, wipeRun*size)
	for looked, runs := 0, 0; w.at < end && looked < wipeLook && runs < wipeRuns; looked++ {
		n, err := freeRun(tx, w.at, min(wipeRun, end-w.at))
		if err == nil && n > 0 {
			runs++
			err = l.wipePages(buf[:n*size], int64(w.at)*int64(size))
		}
		if err != nil {
			return false, err
		}
		w.at += max(n, 1)
	}
	if w.at < end {
		return true, nil
	}
	w.at = 0
	if err := l.db.Sync(); err != nil {
		return false, l.fail(err)
	}
	return false, nil
}

// freeRun counts pages from one on that nothing uses, at most limit. Behind the last page that was ever used there are
// others, which a commit that failed may have written.
func freeRun(tx *bbolt.Tx, from, limit int) (n int, err error) {
	for ; n < limit; n++ {
		if info, err := tx.Page(from + n); err != nil || info != nil && info.Type != "free" {
			return n, err
		}
	}
	return n, nil
}

// wipePages overwrites what is not zero already. Parts of the file that were never written take no room, and stay so.
func (l *Log) wipePages(buf []byte, at int64) error {
	if _, err := l.file.ReadAt(buf, at); err != nil {
		return l.fail(err)
	}
	if !slices.ContainsFunc(buf, func(b byte) bool { return b != 0 }) {
		return nil
	}
	clear(buf)
	_, err := l.file.WriteAt(buf, at)
	if lack := lackOf(err); lack != nil { // where each write takes new room
		return fmt.Errorf("log: wipe: %w: %w", lack, err)
	} else if err != nil {
		return l.fail(err)
	}
	return nil
}
