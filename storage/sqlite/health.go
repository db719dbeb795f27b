package sqlite

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
)

// note remembers what an answer of the engine says about the store, and returns it.
func (w *writer) note(err error) error {
	switch {
	case err == nil:
	case errors.Is(err, storage.ErrFailed):
		if w.cause.CompareAndSwap(nil, &err) {
			close(w.failed)
		}
	case errors.Is(err, storage.ErrFull), errors.Is(err, storage.ErrReadOnly):
		w.trouble.Store(&err)
	}
	return err
}

// failure is why nothing may be written any more. After a failed fsync the kernel may call the same pages
// clean: the next fsync would succeed without having written them. So it is never tried again.
func (w *writer) failure() error {
	select {
	case <-w.failed: // nobody is refused before Failed tells
		return fmt.Errorf("sqlite: nothing is written any more: %w", *w.cause.Load())
	default:
		return nil
	}
}

// tryDisk finds out whether a full or read-only disk takes writes again.
func (w *writer) tryDisk() {
	if w.begin() != nil {
		return
	}
	if w.commit() != nil {
		w.rollback()
	}
}

// checkpoint moves the write-ahead log into the file when it has grown. The engine would do it by itself, but
// drops the errors of it, and a failed fsync of a checkpoint loses what was answered.
func (w *writer) checkpoint() {
	if w.commits < checkpointLook {
		return
	}
	w.commits = 0
	_ = w.step(PointCheckpoint, func() error { // the transaction before it stands; what it says is remembered
		pages, done, err := w.conn.db.WALCheckpoint("", sqlite3.CHECKPOINT_NOOP)
		if err == nil && pages-done >= checkpointPages {
			err = w.move(sqlite3.CHECKPOINT_PASSIVE)
		}
		return mapped(err)
	})
}

// move moves the write-ahead log into the file, under a new mark. Without room for one it goes on: that gives room.
func (w *writer) move(mode sqlite3.CheckpointMode) error {
	if err := w.mark(); err != nil && !errors.Is(err, storage.ErrFull) {
		return err
	}
	pages, done, err := w.conn.db.WALCheckpoint("", mode)
	// A reader that keeps TRUNCATE from its end does not keep the next commit from beginning the log anew.
	moved := err == nil || errors.Is(mapped(err), storage.ErrBusy)
	w.marks.begin = moved && pages >= 0 && pages == done
	return err
}

// lastMark comes before the checkpoint of Close, which is the library's. A disk that is full is no reason not to close.
func (w *writer) lastMark() {
	if !w.marks.begin {
		_ = w.step(PointCheckpoint, w.mark)
	}
}

func (w *writer) mark() error {
	_, err := w.conn.exec("BEGIN IMMEDIATE")
	if err != nil {
		return err
	}
	keep, err := w.marks.next(w.conn)
	if err == nil {
		_, err = w.conn.exec("COMMIT")
	}
	if err != nil {
		w.rollback()
		return err
	}
	keep()
	return nil
}

// Healthy is storage.DB's. While the disk is full or read-only it is tried once a second.
func (d *DB) Healthy() error {
	if err := d.writer.failure(); err != nil {
		return err
	}
	if p := d.writer.trouble.Load(); p != nil {
		return *p
	}
	if p := d.corrupt.Load(); p != nil {
		return *p
	}
	return nil
}

// Failed is closed when a write or fsync has failed: nothing is written from then on, and the process has to end.
func (d *DB) Failed() <-chan struct{} { return d.writer.failed }
