package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
)

// wipePatience is how long a wipe waits for readers, with the writer in hand.
const wipePatience = 50 * time.Millisecond

// Wipe moves the whole write-ahead log into the file and cuts it to nothing, so that neither holds what was deleted
// before: SQLite overwrites what it deletes (secure_delete), but keeps old forms of a page in the log until other
// commits need the room. A job calls it now and then; a store without traffic would keep them for ever.
// storage.ErrBusy: a reader still needs the log, and the next call may do it.
func (d *DB) Wipe(ctx context.Context) error {
	c := &call{done: make(chan struct{})}
	select {
	case d.writer.wipes <- c:
		<-c.done
		return c.err
	case <-d.writer.stopped:
		return storage.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wipe is Wipe on the writer's goroutine, between two transactions.
func (w *writer) wipe(patience time.Duration) error {
	return w.step(PointCheckpoint, func() error {
		pages, _, err := w.conn.db.WALCheckpoint("", sqlite3.CHECKPOINT_NOOP)
		if err != nil || pages == 0 {
			return mapped(err)
		}
		err = w.conn.db.BusyTimeout(wipePatience)
		if err == nil {
			err = w.move(sqlite3.CHECKPOINT_TRUNCATE)
		}
		return mapped(errors.Join(err, w.conn.db.BusyTimeout(patience)))
	})
}

// maxWiped is how many pages a database may have to be wiped: in a larger one the first byte of a page that continues
// a value, which is the number of the next page, could be that of a tree.
const maxWiped = 1 << 25

// wiped gives a page of the file without what SQLite has left in its gap, the room between the list of cells and the
// cells: when it divides a page it leaves copies of cells there, which it never overwrites when the cell is deleted. A
// page of another kind is given as it is. page is not changed; buf is room for the answer.
// The form is that of https://www.sqlite.org/fileformat2.html, 1.6.
func wiped(page []byte, number int64, buf *[]byte) []byte {
	head := page
	if number == 0 {
		head = page[min(100, len(page)):] // behind the header of the file
	}
	if len(head) < 12 || number >= maxWiped {
		return page
	}
	list := len(page) - len(head) + 8
	switch head[0] {
	case 0x02, 0x05: // inner pages of an index and of a table
		list += 4
	case 0x0a, 0x0d: // leaves
	default:
		return page
	}
	from := list + 2*int(binary.BigEndian.Uint16(head[3:]))
	to := int(binary.BigEndian.Uint16(head[5:]))
	if to == 0 {
		to = 1 << 16
	}
	if from >= to || to > len(page) || isZero(page[from:to]) {
		return page
	}
	*buf = append((*buf)[:0], page...)
	clear((*buf)[from:to])
	return *buf
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
