package posts

import (
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// source is one author to be merged, from the key behind which their posts count.
type source struct {
	author social.ID
	floor  int64
}

// head is where the merge stands in one tail.
type head struct {
	key int64
	of  int32 // index of the source
	at  int32 // index in its tail
}

// merge gives the keys of a window over the tails of many authors (see of): falling from the newest, or rising. Its
// cost is one binary search for each author and one step of a heap for each key, wherever the window lies. What more
// it has to load of a tail is in lists afterwards.
func (v *view) merge(ctx context.Context, sources []source, lists []*tail, w social.Window) ([]int64, error) {
	m := merger{v: v, sources: sources, lists: lists, rising: w.Rising, heads: make([]head, 0, len(sources))}
	for i := range sources {
		if err := m.enter(ctx, i, bounds(w)); err != nil {
			return nil, err
		}
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	out := make([]int64, 0, w.Limit)
	for len(out) < w.Limit && len(m.heads) > 0 {
		out = append(out, m.heads[0].key)
		if err := m.step(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type merger struct {
	v       *view
	sources []source
	lists   []*tail
	rising  bool
	heads   []head // a heap, the next key on top
}

// enter finds the first key of a source beyond a bound.
func (m *merger) enter(ctx context.Context, i int, bound int64) error {
	if m.rising {
		bound = max(bound, m.sources[i].floor)
	}
	for {
		keys := m.lists[i].keys
		if n := len(keys); m.lists[i].complete || (n > 0 && keys[n-1] < bound) {
			break // the bound lies within what is loaded
		}
		if err := m.more(ctx, i); err != nil {
			return err
		}
	}
	keys := m.lists[i].keys
	at := firstBelow(keys, bound)
	if m.rising { // the last key above the bound
		for at--; at >= 0 && keys[at] == bound; at-- { // the bound itself
		}
	}
	if at < 0 || at == len(keys) || keys[at] <= m.sources[i].floor {
		return nil
	}
	m.heads = append(m.heads, head{keys[at], int32(i), int32(at)})
	return nil
}

// firstBelow is the place of the first of falling keys that is below a bound; len(keys) = there is none.
func firstBelow(keys []int64, bound int64) int {
	low, high := 0, len(keys)
	if high == 0 || keys[0] < bound { // the usual case: the first page
		return 0
	}
	for low < high {
		if middle := int(uint(low+high) / 2); keys[middle] < bound {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func (m *merger) more(ctx context.Context, i int) error {
	l, err := m.v.load(ctx, m.sources[i].author, m.lists[i])
	m.lists[i] = l
	return err
}

// step replaces the top by the next key of its source.
func (m *merger) step(ctx context.Context) error {
	top := &m.heads[0]
	if m.rising {
		top.at--
	} else if top.at++; int(top.at) == len(m.lists[top.of].keys) && !m.lists[top.of].complete {
		if err := m.more(ctx, int(top.of)); err != nil {
			return err
		}
	}
	keys := m.lists[top.of].keys
	if top.at < 0 || int(top.at) == len(keys) || keys[top.at] <= m.sources[top.of].floor {
		last := len(m.heads) - 1
		m.heads[0] = m.heads[last]
		m.heads = m.heads[:last]
	} else {
		top.key = keys[top.at]
	}
	m.sink(0)
	return nil
}

func (m *merger) before(a, b head) bool { return (a.key > b.key) != m.rising }

func (m *merger) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heads) {
			return
		}
		if r := child + 1; r < len(m.heads) && m.before(m.heads[r], m.heads[child]) {
			child = r
		}
		if !m.before(m.heads[child], m.heads[i]) {
			return
		}
		m.heads[i], m.heads[child] = m.heads[child], m.heads[i]
		i = child
	}
}

// weave merges two lists of one direction into one of at most limit.
func weave(a, b []int64, rising bool, limit int) []int64 {
	if len(b) == 0 {
		return a
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	if !rising {
		slices.Reverse(out)
	}
	return out[:min(len(out), limit)]
}
