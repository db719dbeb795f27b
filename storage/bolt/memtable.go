package bolt

import (
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// memtable holds, by stream, the postings of all records above the flushed mark. Open fills it from the records.
//
// Postings are inserted after the commit of their records and before the head that shows them is published. A flush
// freezes all there is, writes it, and drops it. A reader takes postings from here first and begins its transaction
// second: what a flush writes in between is in both then, and never in neither.
type memtable struct {
	mu      sync.RWMutex
	flushed social.Position
	active  map[social.Stream][]posting // rising; only appended to, so that a reader may keep what it took
	frozen  map[social.Stream][]posting // never changed; nil = no flush is at work
	count   int                         // of the postings in active
}

func newMemtable(flushed social.Position) *memtable {
	return &memtable{flushed: flushed, active: map[social.Stream][]posting{}}
}

// indexed is a posting and the stream it belongs to.
type indexed struct {
	stream social.Stream
	at     posting
}

func (m *memtable) insert(list ...indexed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range list {
		m.active[x.stream] = append(m.active[x.stream], x.at)
	}
	m.count += len(list)
}

// freeze sets everything active apart. The caller holds the write lock, as for drop.
func (m *memtable) freeze() map[social.Stream][]posting {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen, m.active, m.count = m.active, map[social.Stream][]posting{}, 0
	return m.frozen
}

// drop releases what is frozen: all up to flushed is in the buckets.
func (m *memtable) drop(flushed social.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frozen, m.flushed = nil, flushed
}

// full reports whether so many postings are active.
func (m *memtable) full(limit int) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.count >= limit
}

// runs prepares the reading of sources above a reader's position, with what is here. Those that need the file as well
// have bucket set.
func (m *memtable) runs(sources []social.Source, after social.Position, gone erasures) []run {
	m.mu.RLock()
	defer m.mu.RUnlock()
	runs := make([]run, len(sources))
	for i, s := range sources {
		from := max(after, s.Since, gone[s.Stream.User]) + 1
		runs[i] = run{stream: s.Stream, from: from, bucket: from <= m.flushed}
		runs[i].memory = [2][]posting{above(m.frozen[s.Stream], from), above(m.active[s.Stream], from)}
	}
	return runs
}

// above cuts postings that rise to those from a position on.
func above(list []posting, from social.Position) []posting {
	i, _ := slices.BinarySearch(list, postingOf(from, 0))
	return list[i:]
}
