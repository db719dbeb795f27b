package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/storage"
)

// Bounds of one page, and so of one read transaction.
const (
	pageEvents = 256
	pageScan   = 4096 // entries judged: about 5 ms when all of them are filtered away
)

// Read merges the streams of the audience. A page holds at most 256 events, whatever limit says, and judges at most
// 4,096 entries; More tells that there may be others. Sources in which nothing is newer are skipped from memory:
// with nothing new at all the file is not touched.
func (l *Log) Read(ctx context.Context, a modules.Audience, after modules.Cursor, limit int) (modules.EventPage, error) {
	p := l.now.Load() // before the transaction: what it shows beyond this head may not be durable
	if err := p.gap(after); err != nil {
		return modules.EventPage{}, err
	}
	page := modules.EventPage{Through: p.cursor(p.head)}
	sources := l.newest.Load().loud(a.Sources, after.Seq)
	if after.Seq == p.head || len(sources) == 0 {
		if l.isClosed() {
			return modules.EventPage{}, storage.ErrClosed
		}
		return page, ctx.Err()
	}
	err := l.view(ctx, func(tx *bbolt.Tx) error {
		seen, err := l.within(tx, p, after)
		if err != nil {
			return err
		}
		m := &merge{log: l, now: seen, audience: a, after: after, limit: min(max(limit, 1), pageEvents)}
		m.open(tx, sources)
		return m.run(&page)
	})
	if err != nil {
		return modules.EventPage{}, err
	}
	return page, nil
}

// within judges a cursor once more by what a transaction shows: a trim may have passed since p was published, and
// what it took away must not be skipped silently.
func (l *Log) within(tx *bbolt.Tx, p *published, after modules.Cursor) (*published, error) {
	s, err := stateIn(tx)
	if err != nil {
		return nil, l.fail(err)
	}
	seen := *p
	seen.epoch, seen.floor, seen.head = s.epoch, s.floor, min(p.head, s.mark)
	return &seen, seen.gap(after)
}

// merge is one page of a read over several streams: a heap of bucket cursors by position.
type merge struct {
	log      *Log
	now      *published
	audience modules.Audience
	after    modules.Cursor
	limit    int
	journal  *bbolt.Bucket
	heap     []place
}

// place is where one stream's cursor stands.
type place struct {
	at     modules.Position
	flags  byte
	stream modules.Stream
	cursor *bbolt.Cursor
}

// open places a cursor in each source that has something above the reader's place.
func (m *merge) open(tx *bbolt.Tx, sources []modules.Source) {
	m.journal = tx.Bucket(bucketJournal)
	streams := tx.Bucket(bucketStreams)
	m.heap = make([]place, 0, len(sources))
	for _, s := range sources {
		name := s.Stream.Bytes()
		b := streams.Bucket(name[:])
		if b == nil {
			continue
		}
		from := max(m.after.Seq, s.Since, m.now.erased[s.Stream.User]) + 1
		c := b.Cursor()
		if k, v := c.Seek(keyOf(from)); k != nil {
			m.heap = append(m.heap, place{at: positionOf(k), flags: flagsOf(v), stream: s.Stream, cursor: c})
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
}

// run fills page in rising order.
func (m *merge) run(page *modules.EventPage) error {
	for scanned := 0; len(m.heap) > 0 && m.heap[0].at <= m.now.head; scanned++ {
		top := &m.heap[0]
		if len(page.Events) == m.limit || scanned == pageScan {
			page.Through, page.More = m.now.cursor(top.at-1), true
			return nil
		}
		if top.flags&(flagInternal|flagEmpty) == 0 {
			e, shown, err := m.event(top)
			switch {
			case err != nil && len(page.Events) > 0:
				page.Through, page.More = m.now.cursor(top.at-1), true
				return nil
			case err != nil:
				return damaged(m.after, m.now.cursor(top.at))
			case shown:
				page.Events = append(page.Events, e)
			}
		}
		m.next()
	}
	return nil
}

// event reads the record at a place; shown is false when this reader may not see it.
func (m *merge) event(at *place) (e modules.Event, shown bool, err error) {
	key := keyOf(at.at)
	r, err := decode(key, m.journal.Get(key))
	if err != nil || r.stream != at.stream {
		return e, false, errRecord
	}
	if r.flags&(flagInternal|flagEmpty) != 0 || m.now.erased.hides(at.at, &r) {
		return e, false, nil
	}
	hidden := len(m.audience.Hidden) > 0 && r.isAbout(func(id modules.ID) bool {
		_, ok := m.audience.Hidden[id]
		return ok
	})
	if hidden {
		return e, false, nil
	}
	return r.event(m.now.cursor(at.at), m.log.types.intern(r.typ)), true, nil
}

// next moves the first cursor on and puts the heap in order.
func (m *merge) next() {
	k, v := m.heap[0].cursor.Next()
	if k == nil {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	} else {
		m.heap[0].at, m.heap[0].flags = positionOf(k), flagsOf(v)
	}
	m.down(0)
}

// down lets the place at i sink to where it belongs.
func (m *merge) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(m.heap); c++ {
			if m.heap[c].at < m.heap[least].at {
				least = c
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func flagsOf(v []byte) byte {
	if len(v) != 1 {
		return 0 // the record decides
	}
	return v[0]
}

// damaged is the gap that a record which cannot be read leaves: reading goes on behind it.
func damaged(after, at modules.Cursor) error {
	return &modules.GapError{From: after, To: at, Reason: modules.GapDamaged}
}
