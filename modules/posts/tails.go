package posts

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// tails keeps, of authors that are read, the order keys of their newest posts for everybody or for followers.
//
// It is a projection of the store up to a mark. Every post carries, in posts.changed, the order key of the moment in
// which it came into the lists or left them, so a snapshot tells what changed behind the mark, whichever process
// wrote it, and nobody tells the projection of a commit. A reader gets what its own snapshot holds, also when that is
// older than the mark.
//
// Safe for concurrent use.
type tails struct {
	mu   sync.RWMutex
	mark int64 // everything that changed up to it is in kept; -1 before the first reader
	kept *storage.Cache[social.ID, *tail]
}

// tail is the newest keys of one author, falling. It is immutable.
type tail struct {
	keys     []int64
	complete bool  // there are no older keys
	since    int64 // the tail holds in snapshots from this mark on, up to the mark of tails
}

const (
	firstChunk = 128 // keys loaded of an author at first; doubled when more is needed
	maxChanges = 512 // more changes than this since the mark, and it is cheaper to begin anew
)

// newTails bounds the keys in all tails; 0 keeps none.
func newTails(limit int) *tails {
	return &tails{mark: -1, kept: storage.NewCache[social.ID](limit, func(l *tail) int { return len(l.keys) + 1 })}
}

// source is one author to be merged, from the key behind which their posts count.
type source struct {
	author social.ID
	floor  int64
}

// view is the tails of sources in one snapshot, for one request.
type view struct {
	t       *tails
	q       storage.Querier
	mark    int64 // of the snapshot
	sources []source
	lists   []*tail // of the sources, in order
}

// see gives the tails of sources as the snapshot of q holds them, and brings the projection up to that snapshot. What
// an open transaction sees stays in its own view.
func (t *tails) see(ctx context.Context, q storage.Querier, sources []source) (*view, error) {
	v := &view{t: t, q: q, sources: sources, lists: make([]*tail, len(sources))}
	t.mu.RLock()
	mark := t.mark
	for i := range sources {
		v.lists[i], _ = t.kept.Get(sources[i].author)
	}
	t.mu.RUnlock()
	changes, known, err := changesSince(ctx, q, mark)
	if err != nil {
		return nil, err
	}
	v.mark = mark
	if n := len(changes); n > 0 {
		v.mark = changes[n-1].at
	}
	if !known {
		err := q.QueryRow(ctx, `SELECT COALESCE(MAX(changed), 0) FROM posts WHERE reply_to IS NULL`).Scan(&v.mark)
		if err != nil {
			return nil, err
		}
		if v.mark > mark {
			clear(v.lists)
		}
	}
	if v.mark > mark && !storage.Provisional(q) {
		t.advance(v.mark, changes)
	}
	for i, l := range v.lists {
		if l == nil || l.since > v.mark {
			if err := v.load(ctx, i, nil); err != nil {
				return nil, err
			}
			continue
		}
		for _, c := range changes {
			if c.author == sources[i].author {
				v.lists[i] = v.lists[i].with(c)
			}
		}
	}
	return v, nil
}

// advance brings the projection up to a mark. changes hold everything from the mark that was, or an earlier one; nil =
// that is not known, and nothing is kept.
func (t *tails) advance(mark int64, changes []change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mark <= t.mark {
		return // another reader was quicker
	}
	if changes == nil {
		t.kept.Clear()
	}
	for _, c := range changes {
		if c.at > t.mark {
			t.kept.Update(c.author, func(l *tail, ok bool) (*tail, bool) {
				if !ok {
					return nil, false
				}
				return l.with(c), true
			})
		}
	}
	t.mark = mark
}

// with is the tail after a change.
func (l *tail) with(c change) *tail {
	i, found := slices.BinarySearchFunc(l.keys, c.key, falling)
	switch {
	case c.gone && found:
		return &tail{keys: slices.Concat(l.keys[:i], l.keys[i+1:]), complete: l.complete, since: c.at}
	case !c.gone && !found && (i < len(l.keys) || l.complete):
		return &tail{keys: slices.Concat(l.keys[:i], []int64{c.key}, l.keys[i:]), complete: l.complete, since: c.at}
	}
	return l
}

// falling is the order of a tail.
func falling(a, b int64) int { return cmp.Compare(b, a) }

// load reads more of the tail of source i than is there. The projection keeps it if it stands where the snapshot does.
func (v *view) load(ctx context.Context, i int, have *tail) error {
	author, chunk, below := v.sources[i].author, firstChunk, int64(1<<63-1)
	l := &tail{since: v.mark}
	if have != nil && len(have.keys) > 0 {
		l.keys, chunk, below = have.keys, max(firstChunk, len(have.keys)), have.keys[len(have.keys)-1]
	}
	more, err := keysBy(ctx, v.q, author, below, chunk)
	if err != nil {
		return err
	}
	l.keys, l.complete = slices.Concat(l.keys, more), len(more) < chunk
	v.lists[i] = l
	if storage.Provisional(v.q) {
		return nil
	}
	v.t.mu.Lock()
	defer v.t.mu.Unlock()
	if v.mark == v.t.mark {
		v.t.kept.Put(author, l)
	}
	return nil
}

// change is a post that came into the lists, left them, or was never in them.
type change struct {
	at, key int64
	author  social.ID
	gone    bool
}

// changesSince gives the changes behind a mark, nil and false if there are too many or the snapshot does not reach it.
// Rows are never taken away, so the post that changed at the mark is there, at the mark or later, unless the
// snapshot is older.
func changesSince(ctx context.Context, q storage.Querier, mark int64) (list []change, known bool, err error) {
	if mark < 0 {
		return nil, false, nil
	}
	known = mark == 0 // no post at all
	err = storage.Each(ctx, q, func(row storage.Row) error {
		var c change
		var gone int64
		if err := row.Scan(&c.at, &c.key, &c.author, &gone); err != nil {
			return err
		}
		if known = true; c.at != mark {
			c.gone = gone != 0
			list = append(list, c)
		}
		return nil
	}, `SELECT p.changed, p.key, p.author_id, CASE WHEN p.deleted_at <> 0 OR p.visibility = 2 THEN 1 ELSE 0 END
		FROM posts p WHERE p.reply_to IS NULL AND p.changed >= $1 ORDER BY p.changed LIMIT $2 + 0`, mark, maxChanges+2)
	if err != nil || !known || len(list) > maxChanges {
		return nil, false, err
	}
	return list, true, nil
}

func keysBy(ctx context.Context, q storage.Querier, author social.ID, below int64, limit int) ([]int64, error) {
	return storage.All(ctx, q, storage.One[int64], `SELECT p.key FROM posts p WHERE p.author_id = $1 AND p.key < $2
		AND p.deleted_at = 0 AND p.reply_to IS NULL AND p.visibility <> 2 ORDER BY p.key DESC LIMIT $3 + 0`, author, below, limit)
}
