package outbox

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// batch is what one reading of the outbox gave.
type batch struct {
	entries []storage.Entry
	bad     *poison     // what stands behind the last entry and cannot be understood; nil = nothing
	last    int64       // id of the last row
	oldest  social.Time // of the rows found; 0 = there were none
	more    bool        // there may be other rows
}

// readBatch reads and decodes rows above the mark.
func readBatch(ctx context.Context, db storage.DB, mark social.Position) (b batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("outbox: read: panic: %v", p)
		}
	}()
	rows, more, err := readRows(ctx, db, mark)
	if err != nil || len(rows) == 0 {
		return b, err
	}
	b = batch{entries: make([]storage.Entry, 0, len(rows)), last: rows[len(rows)-1].id, more: more}
	if at, ok := rows[0].time.(int64); ok {
		b.oldest = social.Time(at)
	}
	for i := range rows {
		e, err := rows[i].entry()
		if err != nil {
			b.bad = &poison{id: rows[i].id, err: err}
			break
		}
		b.entries = append(b.entries, e)
	}
	return b, nil
}

// feed gives batches to whoever copies. When a batch was full it reads the next while this one is appended. It is for
// one goroutine, which ends it (stop) when it pauses: what was read ahead must not grow old, because a redaction may
// fall in between.
type feed struct {
	db   storage.DB
	next *reading
}

// reading is a batch on its way.
type reading struct {
	mark  social.Position
	done  chan struct{}
	batch batch // after done, like err
	err   error
}

// take gives the rows above the mark.
func (f *feed) take(ctx context.Context, mark social.Position) (b batch, err error) {
	n := f.stop()
	if n != nil && n.err == nil && n.mark == mark {
		b = n.batch
	} else if b, err = readBatch(ctx, f.db, mark); err != nil {
		return b, err
	}
	if b.more && b.bad == nil {
		n := &reading{mark: social.Position(b.last), done: make(chan struct{})}
		f.next = n
		go func() {
			defer close(n.done)
			n.batch, n.err = readBatch(ctx, f.db, n.mark)
		}()
	}
	return b, nil
}

// stop waits for what is being read ahead and takes it away.
func (f *feed) stop() *reading {
	n := f.next
	if f.next = nil; n != nil {
		<-n.done
	}
	return n
}
