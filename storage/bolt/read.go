package bolt

import (
	"container/heap"
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
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
func (l *Log) Read(ctx context.Context, a social.Audience, after social.Cursor, limit int) (social.EventPage, error) {
	p := l.now.Load() // before the transaction: what it shows beyond this head may not be durable
	if err := p.gap(after); err != nil {
		return social.EventPage{}, err
	}
	page := social.EventPage{Through: p.Cursor(p.Head)}
	sources := l.newest.Load().loud(a.Sources, after.Seq)
	if after.Seq == p.Head || len(sources) == 0 {
		if l.isClosed() {
			return social.EventPage{}, storage.ErrClosed
		}
		return page, ctx.Err()
	}
	runs := l.table.Load().runs(sources, after.Seq, p.erased) // before the transaction too: see memtable
	err := l.view(ctx, func(tx *bbolt.Tx) error {
		seen, err := l.within(tx, p, after)
		if err != nil {
			return err
		}
		m := &merge{log: l, now: seen, audience: a, after: after, limit: min(max(limit, 1), pageEvents)}
		m.open(tx, runs)
		return m.run(&page)
	})
	return page, err
}

// within judges a cursor once more by what a transaction shows: a trim may have passed since p was published, and
// what it took away must not be skipped silently.
func (l *Log) within(tx *bbolt.Tx, p *published, after social.Cursor) (*published, error) {
	s, err := stateIn(tx)
	if err != nil {
		return nil, l.fail(err)
	}
	seen := *p
	seen.Floor, seen.Head = s.floor, min(p.Head, s.mark)
	return &seen, seen.gap(after)
}

// merge is one page of a read over several streams.
type merge struct {
	log      *Log
	now      *published
	audience social.Audience
	after    social.Cursor
	limit    int
	runs     byPosition
	known    int // postings in sight at the beginning: there may be others
	copies   copies

	records    cursor
	key, value []byte // where it stands
	wanted     [keyLen]byte
}

// byPosition is a heap of runs.
type byPosition []*run

func (h byPosition) Len() int           { return len(h) }
func (h byPosition) Less(i, j int) bool { return h[i].at < h[j].at }
func (h byPosition) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byPosition) Push(x any)        { *h = append(*h, x.(*run)) }
func (h *byPosition) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (m *merge) open(tx *bbolt.Tx, runs []run) {
	m.records = recordsIn(tx).cursor()
	streams := tx.Bucket(bucketStreams)
	m.runs = make(byPosition, 0, len(runs))
	for i := range runs {
		r := &runs[i]
		if r.bucket {
			r.seek(streams)
		}
		if r.next() {
			m.runs = append(m.runs, r)
			m.known += 1 + len(r.block) + len(r.memory[0]) + len(r.memory[1])
		}
	}
	heap.Init(&m.runs)
}

func (m *merge) run(page *social.EventPage) error {
	for scanned := 0; len(m.runs) > 0 && m.runs[0].at.position() <= m.now.Head; scanned++ {
		top := m.runs[0]
		if len(page.Events) == m.limit || scanned == pageScan {
			page.Through, page.More = m.now.Cursor(top.at.position()-1), true
			return nil
		}
		if !top.at.internal() {
			e, shown, err := m.event(top)
			switch {
			case err != nil && len(page.Events) > 0:
				page.Through, page.More = m.now.Cursor(top.at.position()-1), true
				return nil
			case err != nil:
				return damaged(m.after, m.now.Cursor(top.at.position()))
			case shown:
				if page.Events == nil {
					page.Events = make([]social.Event, 0, min(m.limit, m.known))
				}
				page.Events = append(page.Events, e)
			}
		}
		if top.next() {
			heap.Fix(&m.runs, 0)
		} else {
			heap.Pop(&m.runs)
		}
	}
	return nil
}

// event reads the record of a posting; shown is false when this reader may not see it.
func (m *merge) event(from *run) (e social.Event, shown bool, err error) {
	p := from.at.position()
	if from.broken || !m.seek(p) {
		return e, false, errRecord
	}
	r, err := decode(m.key, m.value)
	if err != nil || r.stream != from.stream {
		return e, false, errRecord
	}
	if r.flags&(flagInternal|flagEmpty) != 0 || m.now.erased.hides(p, &r) {
		return e, false, nil
	}
	hidden := len(m.audience.Hidden) > 0 && r.isAbout(func(id social.ID) bool {
		_, ok := m.audience.Hidden[id]
		return ok
	})
	if hidden {
		return e, false, nil
	}
	return r.event(m.now.Cursor(p), &m.copies), true, nil
}

// near is how many steps from record to record cost less than a search from the top.
const near = 8

// seek finds the record at a position; positions rise from call to call.
func (m *merge) seek(p social.Position) bool {
	if m.key != nil && p-positionOf(m.key) <= near {
		for m.key != nil && positionOf(m.key) < p {
			m.key, m.value = m.records.next()
		}
	} else {
		binary.BigEndian.PutUint64(m.wanted[:], uint64(p))
		m.key, m.value = m.records.seek(m.wanted[:])
	}
	return m.key != nil && positionOf(m.key) == p
}

// damaged is the gap that a record which cannot be read leaves: reading goes on behind it.
func damaged(after, at social.Cursor) error {
	return &social.GapError{From: after, To: at, Reason: social.GapDamaged}
}
