package timeline

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Keys holds, of authors that are read, the order keys of their newest posts for everybody or for followers.
//
// It is a projection of the store up to a mark. Every post carries, in posts.changed, the order key of the moment in
// which it came into the lists or left them, so a snapshot shows what changed behind the mark, whichever process wrote
// it. A reader gets what its own snapshot holds, also when that is older than the mark. Safe for concurrent use.
type Keys struct {
	mu   sync.RWMutex
	mark int64 // everything that changed up to it is in kept; -1 before the first reader
	kept *storage.Cache[social.ID, *tail]
}

// tail is the newest keys of one author, falling. It is immutable.
type tail struct {
	keys     []int64
	complete bool  // there are no older keys
	since    int64 // the tail holds in snapshots from this mark on, up to the mark of Keys
}

const (
	firstChunk = 128 // keys loaded of an author at first; doubled when more is needed
	maxChanges = 512 // more changes than this since the mark, and it is cheaper to begin anew
)

// New makes an empty projection of at most limit keys; 0 keeps none.
func New(limit int) *Keys {
	return &Keys{mark: -1, kept: storage.NewCache[social.ID](limit, func(l *tail) int { return len(l.keys) + 1 })}
}

// Sources are the authors of a timeline.
type Sources struct {
	Own       social.ID // whose posts all count; zero = nobody
	Edges     []social.FollowEdge
	FromSince bool // of the edges' people only what is behind SinceKey counts
}

func (s Sources) len() int {
	if s.Own.IsZero() {
		return len(s.Edges)
	}
	return len(s.Edges) + 1
}

// at gives a source and the key behind which its posts count.
func (s Sources) at(i int) (author social.ID, after int64) {
	switch {
	case i == len(s.Edges):
		return s.Own, 0
	case s.FromSince:
		return s.Edges[i].User, s.Edges[i].SinceKey
	}
	return s.Edges[i].User, 0
}

// Of gives the timeline of sources in the snapshot of q, for as long as that is open, and brings the projection up to
// the snapshot. What an open transaction sees stays in its own timeline.
func (k *Keys) Of(ctx context.Context, q storage.Querier, sources Sources) (*Timeline, error) {
	t := &Timeline{keys: k, q: q, sources: sources}
	k.mu.RLock()
	t.mark = k.mark
	t.tails = k.kept.GetAll(sources.len(), func(i int) social.ID {
		author, _ := sources.at(i)
		return author
	})
	k.mu.RUnlock()
	changes, err := t.catchUp(ctx)
	if err != nil {
		return nil, err
	}
	for i, l := range t.tails {
		if l == nil || l.since > t.mark {
			if err := t.load(ctx, i, nil); err != nil {
				return nil, err
			}
			continue
		}
		for _, c := range changes {
			if author, _ := sources.at(i); c.author == author {
				t.tails[i] = t.tails[i].with(c)
			}
		}
	}
	return t, nil
}

// catchUp moves the mark of t from that of the projection to that of the snapshot, and the projection's with it. The
// changes between the two, which the tails lack, are returned.
func (t *Timeline) catchUp(ctx context.Context) ([]change, error) {
	from := t.mark
	changes, known, err := changesSince(ctx, t.q, from)
	switch {
	case err != nil:
		return nil, err
	case len(changes) > 0:
		t.mark = changes[len(changes)-1].at
	case known:
		return nil, nil
	default:
		err := t.q.QueryRow(ctx, `SELECT COALESCE(MAX(changed), 0) FROM posts WHERE reply_to IS NULL`).Scan(&t.mark)
		if err != nil {
			return nil, err
		}
		if t.mark > from { // too much has changed
			clear(t.tails)
		}
	}
	if t.mark > from && !storage.Provisional(t.q) {
		t.keys.advance(t.mark, changes)
	}
	return changes, nil
}

// advance brings the projection up to a mark. changes hold everything since the present mark or an earlier one; nil =
// unknown, and everything kept is dropped.
func (k *Keys) advance(mark int64, changes []change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if mark <= k.mark {
		return // another reader was quicker
	}
	if changes == nil {
		k.kept.Clear()
	}
	for _, c := range changes {
		if c.at > k.mark {
			k.kept.Update(c.author, func(l *tail, ok bool) (*tail, bool) {
				if !ok {
					return nil, false
				}
				return l.with(c), true
			})
		}
	}
	k.mark = mark
}

// with is the tail after a change. Of a post that came and went between two marks only the end is seen, so every change
// of the author ends what the tail says of older snapshots.
func (l *tail) with(c change) *tail {
	next := &tail{keys: l.keys, complete: l.complete, since: c.at}
	i, found := slices.BinarySearchFunc(l.keys, c.key, falling)
	switch {
	case c.gone && found:
		next.keys = slices.Concat(l.keys[:i], l.keys[i+1:])
	case !c.gone && !found && (i < len(l.keys) || l.complete):
		next.keys = slices.Concat(l.keys[:i], []int64{c.key}, l.keys[i:])
	}
	return next
}

func falling(a, b int64) int { return cmp.Compare(b, a) }

// change is a post that came into the lists, left them, or was never in them.
type change struct {
	at, key int64
	author  social.ID
	gone    bool
}

// changesSince gives the changes behind a mark, nil and false if there are too many or the snapshot does not reach it.
// Rows are never taken away, so the post that changed at the mark is there, at the mark or later, unless
// the snapshot is older.
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
		FROM posts p WHERE p.reply_to IS NULL AND p.changed >= $1 ORDER BY p.changed LIMIT $2`, mark, maxChanges+2)
	if err != nil || !known || len(list) > maxChanges {
		return nil, false, err
	}
	return list, true, nil
}

// keysBy gives the newest keys of an author below a key, for everybody or for followers.
func keysBy(ctx context.Context, q storage.Querier, author social.ID, below int64, limit int) ([]int64, error) {
	const span = `SELECT p.key AS key FROM posts p WHERE p.author_id = $1 AND p.key < $2 AND p.deleted_at = 0
		AND p.reply_to IS NULL AND p.visibility = `
	return storage.All(ctx, q, storage.One[int64], span+`0 UNION ALL `+span+`1 ORDER BY key DESC LIMIT $3`, author, below,
		limit)
}
