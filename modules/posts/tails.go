package posts

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// tails keeps, of authors that are read, the order keys of their newest posts for everybody or for followers.
//
// It is a projection of the store up to a mark: every post carries, in posts.changed, the order key of the moment
// it came into or left the lists, and a reader first brings the projection up to its own snapshot with what changed
// since. So a reader never misses what its snapshot holds, whoever wrote it and on whatever node, and nobody has to
// tell the projection of a commit. A reader whose snapshot is older than the mark may meet newer keys; their posts
// are not in its snapshot and fall away.
//
// Safe for concurrent use. Tails are immutable once shared.
type tails struct {
	limit int // keys in all tails

	mu     sync.RWMutex
	ready  bool
	mark   int64
	turn   uint64 // of changes: everything that had ended by then is at or below the mark
	size   int
	shared map[social.ID]*tail
}

// tail is the newest keys of one author, falling. complete = there are no older ones.
type tail struct {
	keys     []int64
	complete bool
}

const (
	firstChunk = 128 // keys loaded of an author at first; doubled when more is needed
	maxChanges = 512 // more changes than this since the mark, and it is cheaper to begin anew
)

// errNotInMemory ends a look at memory alone.
var errNotInMemory = errors.New("not in memory")

func newTails(limit int) *tails { return &tails{limit: limit, shared: map[social.ID]*tail{}} }

// view is tails as of one snapshot, for one request.
type view struct {
	t     *tails
	q     storage.Querier
	at    int64               // the snapshot's mark; -1 = it is older than shared memory
	local map[social.ID]*tail // what could not be shared
	fresh []change            // what a transaction has not committed, or shared memory does not hold
	alone bool                // shared memory says nothing of this snapshot
}

type change struct {
	at, key int64
	author  social.ID
	gone    bool
}

// still gives a view of the sources' tails as they were at a turn of changes and are now, with which nothing can be
// loaded; false if one of them is not known so.
func (t *tails) still(changes *changes, turn uint64, sources []source) (*view, []*tail, bool) {
	lists, things := make([]*tail, len(sources)), make([]thing, len(sources))
	t.mu.RLock()
	turn = min(turn, t.turn)
	for i := range sources {
		if lists[i] = t.shared[sources[i].author]; lists[i] == nil {
			t.mu.RUnlock()
			return nil, nil, false
		}
		things[i] = personThing(sources[i].author)
	}
	t.mu.RUnlock()
	return &view{t: t}, lists, turn != 0 && changes.still(turn, things...)
}

// see brings the projection up to the snapshot of q. What an open transaction sees stays in its own view. turn is one
// of changes from before the snapshot; 0 = not known.
func (t *tails) see(ctx context.Context, q storage.Querier, turn uint64) (*view, error) {
	t.mu.RLock()
	mark, ready, known := t.mark, t.ready, t.turn
	t.mu.RUnlock()
	v := &view{t: t, q: q}
	_, provisional := q.(storage.Tx)
	reset := !ready
	if ready {
		var err error
		if v.fresh, v.at, err = changesSince(ctx, q, mark, maxChanges+1); err != nil {
			return nil, err
		}
		reset = len(v.fresh) > maxChanges
	}
	if reset {
		v.fresh, v.alone = nil, provisional
		if err := q.QueryRow(ctx, `SELECT COALESCE(MAX(changed), 0) FROM posts WHERE reply_to IS NULL`).Scan(&v.at); err != nil {
			return nil, err
		}
	}
	if !provisional && (reset || len(v.fresh) > 0 || turn > known) {
		t.advance(v.at, v.fresh, reset, turn)
		v.fresh = nil
	}
	return v, nil
}

// advance applies what is behind the mark. changes hold everything from before the mark up to at, unless reset.
func (t *tails) advance(at int64, changes []change, reset bool, turn uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn = max(t.turn, turn) // what had ended by then is in the snapshot, and with a mark behind it all the more
	if t.ready && at <= t.mark {
		return
	}
	if reset {
		t.shared, t.size = map[social.ID]*tail{}, 0
	}
	for _, c := range changes {
		if old, ok := t.shared[c.author]; ok && c.at > t.mark {
			next := old.with(c)
			t.shared[c.author] = next
			t.size += len(next.keys) - len(old.keys)
		}
	}
	t.mark, t.ready = at, true
}

// with is the tail after a change.
func (l *tail) with(c change) *tail {
	i, found := slices.BinarySearchFunc(l.keys, c.key, func(k, target int64) int {
		switch {
		case k > target:
			return -1
		case k < target:
			return 1
		}
		return 0
	})
	switch {
	case c.gone && found:
		return &tail{keys: slices.Concat(l.keys[:i], l.keys[i+1:]), complete: l.complete}
	case !c.gone && !found && (i < len(l.keys) || l.complete):
		return &tail{keys: slices.Concat(l.keys[:i], []int64{c.key}, l.keys[i:]), complete: l.complete}
	}
	return l
}

// of gives the tails of the sources' authors, in order.
func (v *view) of(ctx context.Context, sources []source) ([]*tail, error) {
	out := make([]*tail, len(sources))
	if !v.alone {
		v.t.mu.RLock()
		for i := range sources {
			out[i] = v.t.shared[sources[i].author]
		}
		v.t.mu.RUnlock()
	}
	for i := range sources {
		a := sources[i].author
		if l := v.local[a]; l != nil {
			out[i] = l
			continue
		}
		if out[i] == nil {
			l, err := v.load(ctx, a, nil)
			if err != nil {
				return nil, err
			}
			out[i] = l
			continue
		}
		for _, c := range v.fresh {
			if c.author == a {
				out[i] = out[i].with(c)
			}
		}
	}
	return out, nil
}

// load reads more of an author, and shares it if shared memory stands exactly at this snapshot: an older one, and
// a transaction with changes of its own, do not.
func (v *view) load(ctx context.Context, author social.ID, have *tail) (*tail, error) {
	if v.q == nil {
		return nil, errNotInMemory
	}
	chunk, below := firstChunk, int64(1<<63-1)
	var keys []int64
	if have != nil && len(have.keys) > 0 {
		keys, chunk, below = have.keys, max(firstChunk, len(have.keys)), have.keys[len(have.keys)-1]
	}
	more, err := keysBy(ctx, v.q, author, below, chunk)
	if err != nil {
		return nil, err
	}
	l := &tail{keys: slices.Concat(keys, more), complete: len(more) < chunk}
	if v.t.share(author, l, v.at) {
		return l, nil
	}
	if v.local == nil {
		v.local = map[social.ID]*tail{}
	}
	v.local[author] = l
	return l, nil
}

func (t *tails) share(author social.ID, l *tail, at int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready || at != t.mark || len(l.keys)+1 > t.limit {
		return false
	}
	if old, ok := t.shared[author]; ok {
		t.size -= len(old.keys) + 1
		delete(t.shared, author)
	}
	for a, old := range maps.All(t.shared) {
		if t.size+len(l.keys)+1 <= t.limit {
			break
		}
		t.size -= len(old.keys) + 1 // any one: the order of a map is random
		delete(t.shared, a)
	}
	t.shared[author] = l
	t.size += len(l.keys) + 1
	return true
}

// changesSince gives up to limit changes after the mark, and the snapshot's own mark, -1 if it is before this one.
// Rows are never taken away, so the post that changed at the mark is there, at the mark or later, unless the
// snapshot is older.
func changesSince(ctx context.Context, q storage.Querier, mark int64, limit int) ([]change, int64, error) {
	rows, err := q.Query(ctx, `SELECT p.changed, p.key, p.author_id, CASE WHEN p.deleted_at <> 0 OR p.visibility = 2 THEN 1 ELSE 0 END
		FROM posts p WHERE p.reply_to IS NULL AND p.changed >= $1 ORDER BY p.changed LIMIT $2`, mark, limit+1)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	at := int64(-1)
	if mark == 0 {
		at = 0 // no post at all
	}
	var list []change
	for rows.Next() {
		var c change
		var gone int64
		if err := rows.Scan(&c.at, &c.key, &c.author, &gone); err != nil {
			return nil, 0, err
		}
		if at = c.at; c.at == mark {
			continue
		}
		c.gone = gone != 0
		list = append(list, c)
	}
	return list, at, rows.Err()
}

func keysBy(ctx context.Context, q storage.Querier, author social.ID, below int64, limit int) ([]int64, error) {
	rows, err := q.Query(ctx, `SELECT p.key FROM posts p WHERE p.author_id = $1 AND p.key < $2 AND p.deleted_at = 0 AND p.reply_to IS NULL
		AND p.visibility <> 2 ORDER BY p.key DESC LIMIT $3`, author, below, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var k int64
		if err := rows.Scan(&k); err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, rows.Err()
}
