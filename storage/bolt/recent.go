package bolt

import (
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// recent holds, by stream, the places of all records above base: what has not been moved into the buckets of the
// streams. It is made again at open, from the journal.
//
// Places are added after the commit of their records and before the head that shows them is published. A round sets
// all there is apart, moves it, and lets go of it. A reader takes places from here first and begins its transaction
// second: what a round moves in between is in both then, and never in neither.
type recent struct {
	mu     sync.RWMutex
	base   social.Position
	fresh  map[social.Stream][]place // rising; only appended to, so that a reader may keep what it took
	moving map[social.Stream][]place // never changed; nil = no round is on
	count  int                       // of the places in fresh
}

func newRecent(base social.Position) *recent {
	return &recent{base: base, fresh: map[social.Stream][]place{}}
}

// noted is a place on its way into memory.
type noted struct {
	stream social.Stream
	place  place
}

// add takes the places of one commit.
func (r *recent) add(list []noted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range list {
		r.fresh[n.stream] = append(r.fresh[n.stream], n.place)
	}
	r.count += len(list)
}

// begin sets everything apart that is there. The caller has the turn, as for finish.
func (r *recent) begin() map[social.Stream][]place {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moving, r.fresh, r.count = r.fresh, map[social.Stream][]place{}, 0
	return r.moving
}

// finish lets go of what was set apart: all up to base is in the buckets.
func (r *recent) finish(base social.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moving, r.base = nil, base
}

// full reports whether so many fresh places are here.
func (r *recent) full(limit int) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.count >= limit
}

// knows reports whether a place is here.
func (r *recent) knows(n noted) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, known := slices.BinarySearch(r.fresh[n.stream], n.place)
	if !known {
		_, known = slices.BinarySearch(r.moving[n.stream], n.place)
	}
	return known
}

// runs prepares the reading of sources above a reader's place, with what is known here. Those who need the file as
// well have bucket set.
func (r *recent) runs(sources []social.Source, after social.Position, gone erasures) []run {
	r.mu.RLock()
	defer r.mu.RUnlock()
	runs := make([]run, len(sources))
	for i, s := range sources {
		from := max(after, s.Since, gone[s.Stream.User]) + 1
		runs[i] = run{stream: s.Stream, from: from, bucket: from <= r.base}
		runs[i].recent = [2][]place{above(r.moving[s.Stream], from), above(r.fresh[s.Stream], from)}
	}
	return runs
}

// above cuts places that rise to those from a position on.
func above(list []place, from social.Position) []place {
	i, _ := slices.BinarySearch(list, placeOf(from, 0))
	return list[i:]
}
