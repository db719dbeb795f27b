package bolt

import (
	"context"
	"iter"
	"slices"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Tail walks the journal. It takes what is published first and reads second; what is published carries the channel
// that its successor closes, so no wake-up is missed.
func (l *Log) Tail(ctx context.Context, after social.Cursor) iter.Seq2[[]social.Event, error] {
	return func(yield func([]social.Event, error) bool) {
		for {
			p := l.now.Load()
			events, through, err := l.page(ctx, p, after)
			if len(events) > 0 && !yield(events, nil) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			after = through
			if after.Seq < p.Head {
				continue
			}
			select {
			case <-p.next:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case <-l.closed:
				yield(nil, storage.ErrClosed)
				return
			}
		}
	}
}

// lastPage is the page that was read last near the head. Followers of the tail stand at the same place nearly
// always and wake at the same moment: the first reads, the others take what it has read.
type lastPage struct {
	mu             sync.Mutex // held while the page is read
	of             *published
	after, through social.Cursor
	events         []social.Event
}

// lastPageBytes is how much data is kept for others at most.
const lastPageBytes = 256 << 10

// page is scan, or what it gave another reader at the same place, while nothing was taken back since. A reader
// far behind reads alone, so that no other waits for it.
func (l *Log) page(ctx context.Context, p *published, after social.Cursor) ([]social.Event, social.Cursor, error) {
	if after.Seq >= p.Head || p.Head-after.Seq > pageEvents {
		return l.scan(ctx, p, after)
	}
	last := &l.last
	last.mu.Lock()
	defer last.mu.Unlock()
	if last.of != nil && last.of.takenBack == p.takenBack && last.after == after {
		return last.events, last.through, ctx.Err()
	}
	events, through, err := l.scan(ctx, p, after)
	bytes := 0
	for i := range events {
		bytes += len(events[i].Data)
	}
	last.of, last.after, last.through, last.events = p, after, through, slices.Clip(events)
	if err != nil || bytes > lastPageBytes {
		last.of, last.events = nil, nil
	}
	return events, through, err
}

// scan reads one page of the journal: the events up to through, or up to what err speaks of.
func (l *Log) scan(ctx context.Context, p *published,
	after social.Cursor) (events []social.Event, through social.Cursor, err error) {
	if err := p.gap(after); err != nil {
		return nil, after, err
	}
	err = l.view(ctx, func(tx *bbolt.Tx) error {
		seen, err := l.within(tx, p, after)
		if err != nil {
			return err
		}
		through = seen.Cursor(seen.Head)
		c := recordsIn(tx).cursor()
		scanned, mem := 0, copies{}
		for k, v := c.seek(keyOf(after.Seq + 1)); k != nil; k, v = c.next() {
			at := positionOf(k)
			if at > seen.Head {
				return nil
			}
			if len(events) == pageEvents || scanned == pageScan {
				through = seen.Cursor(at - 1)
				return nil
			}
			scanned++
			r, err := decode(k, v)
			if err != nil {
				through = seen.Cursor(at - 1)
				return damaged(through, seen.Cursor(at))
			}
			if r.flags&flagEmpty == 0 && !seen.erased.hides(at, &r) {
				events = append(events, r.event(seen.Cursor(at), &mem))
			}
		}
		return nil
	})
	return events, through, err
}

func (l *Log) At(ctx context.Context, at social.Position) (e social.Event, ok bool, err error) {
	p := l.now.Load()
	if at <= p.Floor || at > p.Head {
		return e, false, ctx.Err()
	}
	err = l.view(ctx, func(tx *bbolt.Tx) error {
		key := keyOf(at)
		v := recordsIn(tx).get(key)
		if v == nil {
			return nil
		}
		r, err := decode(key, v)
		if err != nil {
			return damaged(p.Cursor(at-1), p.Cursor(at))
		}
		if p.erased.hides(at, &r) {
			r.clear()
		}
		e, ok = r.event(p.Cursor(at), &copies{}), true
		return nil
	})
	return e, ok, err
}
