package posts

import (
	"container/heap"
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// window gives the keys of a window over the tails of all sources: falling from the newest, or rising. Its cost is one
// binary search for each author and one step of a heap for each key, wherever the window lies.
func (v *view) window(ctx context.Context, w social.Window) ([]int64, error) {
	m := merger{rising: w.Rising, heads: make([]head, 0, len(v.sources))}
	for i := range v.sources {
		at, err := v.find(ctx, i, bounds(w), w.Rising)
		if err != nil {
			return nil, err
		}
		if key, ok := v.key(i, at); ok {
			m.heads = append(m.heads, head{key, i, at})
		}
	}
	heap.Init(&m)
	out := make([]int64, 0, w.Limit)
	for len(out) < w.Limit && len(m.heads) > 0 {
		top := &m.heads[0]
		out = append(out, top.key)
		if err := v.step(ctx, top, w.Rising); err != nil {
			return nil, err
		}
		if key, ok := v.key(top.source, top.at); ok {
			top.key = key
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
	}
	return out, nil
}

// find gives the index, in the tail of source i, of the first key beyond a bound; it may lie outside.
func (v *view) find(ctx context.Context, i int, bound int64, rising bool) (int, error) {
	if rising {
		bound = max(bound, v.sources[i].floor)
	}
	for {
		l := v.lists[i]
		if n := len(l.keys); l.complete || n > 0 && l.keys[n-1] < bound {
			break // the bound lies within what is loaded
		}
		if err := v.load(ctx, i, l); err != nil {
			return 0, err
		}
	}
	keys := v.lists[i].keys
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
func (v *view) key(i, at int) (int64, bool) {
	keys := v.lists[i].keys
	if at < 0 || at >= len(keys) || keys[at] <= v.sources[i].floor {
		return 0, false
	}
	return keys[at], true
}

// step moves a head to the next index of its source, and loads what has to be there.
func (v *view) step(ctx context.Context, h *head, rising bool) error {
	if rising {
		h.at--
		return nil
	}
	h.at++
	if l := v.lists[h.source]; h.at == len(l.keys) && !l.complete {
		return v.load(ctx, h.source, l)
	}
	return nil
}

// head is where the merge stands in one tail.
type head struct {
	key        int64
	source, at int
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
