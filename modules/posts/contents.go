package posts

import (
	"context"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/storage"
)

// contents keeps what does not change of top-level posts that timelines showed. An entry is good as long as its
// mark is posts.changed in the reader's own snapshot; counts are always read there. Safe for concurrent use.
type contents struct {
	limit int // bytes, about

	mu   sync.RWMutex
	size int
	list map[int64]content
}

type content struct {
	row     row
	changed int64
}

// contentOverhead is about what a row takes beside its text.
const contentOverhead = 512

func newContents(limit int) *contents { return &contents{limit: limit, list: map[int64]content{}} }

func (c content) size() int {
	n := contentOverhead + len(c.row.text) + 80*len(c.row.mentions)
	for _, t := range c.row.tags {
		n += 32 + len(t.Tag)
	}
	return n
}

func (c *contents) put(one content) {
	size := one.size()
	if size > c.limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(one.row.key)
	for key := range c.list {
		if c.size+size <= c.limit {
			break
		}
		c.drop(key) // any one: the order of a map is random
	}
	c.list[one.row.key] = one
	c.size += size
}

func (c *contents) drop(key int64) {
	if old, ok := c.list[key]; ok {
		c.size -= old.size()
		delete(c.list, key)
	}
}

// rows gives top-level posts in the order of keys, without those that are deleted or not in the snapshot. The
// caller has decided who may see them.
func (c *contents) rows(ctx context.Context, q storage.Querier, reader modules.ID, keys []int64) ([]row, error) {
	found := make(map[int64]row, len(keys))
	var missing []int64
	changed := map[int64]int64{}
	for part := range slices.Chunk(keys, maxIn) {
		list, err := livePart(ctx, q, reader, part)
		if err != nil {
			return nil, err
		}
		c.mu.RLock()
		for _, l := range list {
			if have, ok := c.list[l.row.key]; ok && have.changed == l.changed {
				r := have.row
				r.likes, r.comments, r.liked = l.row.likes, l.row.comments, l.row.liked
				found[r.key] = r
			} else {
				missing = append(missing, l.row.key)
				changed[l.row.key] = l.changed
			}
		}
		c.mu.RUnlock()
	}
	if len(missing) > 0 {
		list, err := rowsByKey(ctx, q, reader, missing)
		if err != nil {
			return nil, err
		}
		_, provisional := q.(storage.Tx)
		for _, r := range list {
			found[r.key] = r
			if !provisional {
				c.put(content{r, changed[r.key]})
			}
		}
	}
	out := make([]row, 0, len(keys))
	for _, k := range keys {
		if r, ok := found[k]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// livePart reads what changes of posts that stand, and their marks.
func livePart(ctx context.Context, q storage.Querier, reader modules.ID, keys []int64) ([]content, error) {
	in, args := storage.In([]any{reader}, keys)
	rows, err := q.Query(ctx, `SELECT p.key, p.changed, p.like_count, p.comment_count,
		CASE WHEN EXISTS (SELECT 1 FROM post_likes l WHERE l.post_key = p.key AND l.user_id = $1) THEN 1 ELSE 0 END
		FROM posts p WHERE p.deleted_at = 0 AND p.key IN `+in, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]content, 0, len(keys))
	for rows.Next() {
		var c content
		var liked int64
		if err := rows.Scan(&c.row.key, &c.changed, &c.row.likes, &c.row.comments, &liked); err != nil {
			return nil, err
		}
		c.row.liked = liked != 0
		out = append(out, c)
	}
	return out, rows.Err()
}
