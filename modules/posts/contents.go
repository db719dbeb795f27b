package posts

import (
	"context"
	"slices"
	"sync"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// contents keeps what does not change of top-level posts that timelines showed. An entry is good as long as its
// mark is posts.changed in the reader's own snapshot. Counts are read there, or are those of an earlier reader if
// changes knows that they are true still. Safe for concurrent use; entries are immutable.
type contents struct {
	limit int // bytes, about
	form  func(row, *social.UserRef) Content

	mu   sync.RWMutex
	size int
	list map[int64]counted
}

// counted is a post with the counts it had at a turn of changes; 0 = at none that is known.
type counted struct {
	*content
	likes, comments int64
	turn            uint64
}

// content is a post without its author's name, its counts, and what concerns one reader.
type content struct {
	row     row
	post    Content
	changed int64
}

// shown is a post as one reader's snapshot has it.
type shown struct {
	*content
	likes, comments int64
	liked           bool
}

// contentOverhead is about what a post takes beside its text.
const contentOverhead = 900

func newContents(limit int, form func(row, *social.UserRef) Content) *contents {
	return &contents{limit: limit, form: form, list: map[int64]counted{}}
}

// of makes an entry of a row.
func (c *contents) of(r row, changed int64) *content {
	post := c.form(r, &social.UserRef{})
	post.Author, post.LikeCount, post.CommentCount = nil, 0, 0
	return &content{row: r, post: post, changed: changed}
}

func (c *content) size() int {
	n := contentOverhead + len(c.row.text) + 80*len(c.row.mentions)
	for _, t := range c.row.tags {
		n += 32 + len(t.Tag)
	}
	return n
}

func (c *contents) put(one counted) {
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

// still gives top-level posts as they stood at a turn and stand now, in the order of keys; false if one of them is not
// known so. What the reader likes is not in it.
func (c *contents) still(changes *changes, turn uint64, keys []int64) ([]shown, bool) {
	out, since := make([]shown, len(keys)), turn
	things := make([]thing, len(keys))
	c.mu.RLock()
	for i, key := range keys {
		have := c.list[key]
		out[i] = shown{content: have.content, likes: have.likes, comments: have.comments}
		things[i], since = postThing(key), min(since, have.turn)
	}
	c.mu.RUnlock()
	return out, since != 0 && changes.still(since, things...)
}

// show gives top-level posts in the order of keys, which rise or fall, without those that are deleted or not in the
// snapshot. The caller has decided who may see them. turn is one of changes from before the snapshot; 0 = not known.
func (c *contents) show(ctx context.Context, q storage.Querier, reader social.ID, keys []int64, turn uint64) ([]shown, error) {
	out := make([]shown, len(keys))
	var missing []int64
	for part := range slices.Chunk(keys, maxIn) {
		list, err := livePart(ctx, q, reader, part)
		if err != nil {
			return nil, err
		}
		missing = append(missing, c.match(keys, list, out, turn)...)
	}
	if len(missing) > 0 {
		if err := c.read(ctx, q, reader, keys, missing, out, turn); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(out, func(s shown) bool { return s.content == nil }), nil
}

// match puts what was read of posts to what is in memory of them, keeps their counts, and gives the keys of the others.
func (c *contents) match(keys []int64, list []live, out []shown, turn uint64) (missing []int64) {
	learned := false
	c.mu.RLock()
	for _, l := range list {
		have := c.list[l.key]
		one := have.content
		if one == nil || one.changed != l.changed {
			one = &content{row: row{key: l.key}, changed: l.changed} // a place for what is read below
			missing = append(missing, l.key)
		} else if have.turn < turn {
			learned = true
		}
		out[placeOf(keys, l.key)] = shown{one, l.likes, l.comments, l.liked}
	}
	c.mu.RUnlock()
	if !learned {
		return missing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range list {
		if have := c.list[l.key]; have.content != nil && have.changed == l.changed && have.turn < turn {
			c.list[l.key] = counted{have.content, l.likes, l.comments, turn}
		}
	}
	return missing
}

// read fills the places of what was not in memory.
func (c *contents) read(ctx context.Context, q storage.Querier, reader social.ID, keys, missing []int64, out []shown, turn uint64) error {
	list, err := rowsByKey(ctx, q, reader, missing)
	if err != nil {
		return err
	}
	_, provisional := q.(storage.Tx)
	for _, r := range list {
		place := &out[placeOf(keys, r.key)]
		place.content = c.of(r, place.changed)
		if !provisional {
			c.put(counted{place.content, place.likes, place.comments, turn})
		}
	}
	return nil
}

// placeOf finds a key in a list that holds it, rising or falling.
func placeOf(keys []int64, key int64) int {
	falling := keys[0] > keys[len(keys)-1]
	at, _ := slices.BinarySearchFunc(keys, key, func(k, target int64) int {
		switch {
		case k == target:
			return 0
		case (k < target) != falling:
			return -1
		}
		return 1
	})
	return at
}

// live is what changes of a post that stands.
type live struct {
	key, changed    int64
	likes, comments int64
	liked           bool
}

// livePart reads what changes of posts that stand, and their marks.
func livePart(ctx context.Context, q storage.Querier, reader social.ID, keys []int64) ([]live, error) {
	in, args := storage.In([]any{reader}, keys)
	rows, err := q.Query(ctx, `SELECT p.key, p.changed, p.like_count, p.comment_count,
		CASE WHEN p.like_count > 0 AND EXISTS (SELECT 1 FROM post_likes l WHERE l.post_key = p.key AND l.user_id = $1) THEN 1 ELSE 0 END
		FROM posts p WHERE p.deleted_at = 0 AND p.key IN `+in, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]live, 0, len(keys))
	for rows.Next() {
		var l live
		var liked int64
		if err := rows.Scan(&l.key, &l.changed, &l.likes, &l.comments, &liked); err != nil {
			return nil, err
		}
		l.liked = liked != 0
		out = append(out, l)
	}
	return out, rows.Err()
}
