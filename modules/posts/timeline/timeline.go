package timeline

import (
	"container/heap"
	"context"
	"math"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Timeline is the merged keys of some sources in one snapshot. It is for one goroutine.
type Timeline struct {
	keys    *Keys
	q       storage.Querier
	mark    int64 // of the snapshot
	sources Sources
	tails   []*tail // of the sources, in order
}

// Window gives the keys of a window over the posts of all sources that are for everybody or for followers: falling from
// the newest, or rising. Its cost is one binary search for each author and one step of a heap for each key, wherever
// the window lies.
func (t *Timeline) Window(ctx context.Context, w social.Window) ([]int64, error) {
	m := merger{rising: w.Rising, heads: make([]head, 0, len(t.tails))}
	for i := range t.tails {
		at, err := t.find(ctx, i, w.From(), w.Rising)
		if err != nil {
			return nil, err
		}
		if key, ok := t.key(i, at); ok {
			m.heads = append(m.heads, head{key, int32(i), int32(at)}) //nolint:gosec // both count what is in memory
		}
	}
	heap.Init(&m)
	out := make([]int64, 0, w.Limit)
	for len(out) < w.Limit && len(m.heads) > 0 {
		top := &m.heads[0]
		out = append(out, top.key)
		if err := t.step(ctx, top, w.Rising); err != nil {
			return nil, err
		}
		if key, ok := t.key(int(top.source), int(top.at)); ok {
			top.key = key
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
	}
	return out, nil
}

// find gives the index, in the tail of source i, of the first key beyond a bound; it may lie outside.
func (t *Timeline) find(ctx context.Context, i int, bound int64, rising bool) (int, error) {
	if rising {
		_, after := t.sources.at(i)
		bound = max(bound, after)
	}
	for {
		l := t.tails[i]
		if n := len(l.keys); l.complete || n > 0 && l.keys[n-1] < bound {
			break // the bound lies within what is loaded
		}
		if err := t.load(ctx, i, l); err != nil {
			return 0, err
		}
	}
	keys := t.tails[i].keys
	if !rising && (len(keys) == 0 || keys[0] < bound) {
		return 0, nil // the usual case: the first page
	}
	at, found := slices.BinarySearchFunc(keys, bound, falling)
	switch {
	case rising:
		return at - 1, nil
	case found:
		return at + 1, nil
	}
	return at, nil
}

// key gives a key of source i; false where its tail ends.
func (t *Timeline) key(i, at int) (int64, bool) {
	keys := t.tails[i].keys
	if at < 0 || at >= len(keys) {
		return 0, false
	}
	_, after := t.sources.at(i)
	return keys[at], keys[at] > after
}

// step moves a head to the next index of its source, and loads what has to be there.
func (t *Timeline) step(ctx context.Context, h *head, rising bool) error {
	if rising {
		h.at--
		return nil
	}
	h.at++
	if l := t.tails[h.source]; int(h.at) == len(l.keys) && !l.complete {
		return t.load(ctx, int(h.source), l)
	}
	return nil
}

// load reads more of the tail of source i than is there. The projection keeps it if it stands where the snapshot does.
func (t *Timeline) load(ctx context.Context, i int, have *tail) error {
	author, _ := t.sources.at(i)
	chunk, below := firstChunk, int64(math.MaxInt64)
	l := &tail{since: t.mark}
	if have != nil && len(have.keys) > 0 {
		l.keys, chunk, below = have.keys, max(firstChunk, len(have.keys)), have.keys[len(have.keys)-1]
	}
	more, err := keysBy(ctx, t.q, author, below, chunk)
	if err != nil {
		return err
	}
	l.keys, l.complete = slices.Concat(l.keys, more), len(more) < chunk
	t.tails[i] = l
	if storage.Provisional(t.q) {
		return nil
	}
	t.keys.mu.Lock()
	defer t.keys.mu.Unlock()
	if t.mark == t.keys.mark {
		t.keys.kept.Put(author, l)
	}
	return nil
}

// head is where the merge stands in one tail.
type head struct {
	key        int64
	source, at int32
}

// merger is the heap of the heads, the next key on top.
type merger struct {
	heads  []head
	rising bool
}

func (m *merger) Len() int           { return len(m.heads) }
func (m *merger) Less(i, j int) bool { return (m.heads[i].key < m.heads[j].key) == m.rising }
func (m *merger) Swap(i, j int)      { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merger) Push(h any)         { m.heads = append(m.heads, h.(head)) }

func (m *merger) Pop() any {
	last := len(m.heads) - 1
	h := m.heads[last]
	m.heads = m.heads[:last]
	return h
}
