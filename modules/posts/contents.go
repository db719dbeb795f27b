package posts

import (
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// content is what does not change of a top-level post that a timeline showed: without its author's name, its counts,
// and what concerns one reader. It is kept in memory and holds in every snapshot in which posts.changed is the same.
type content struct {
	row     row
	post    Content
	changed int64
}

// contentOverhead is about what a post takes beside its text.
const contentOverhead = 900

func (c *content) size() int {
	n := contentOverhead + len(c.row.text) + 80*len(c.row.mentions)
	for _, t := range c.row.tags {
		n += 32 + len(t.Tag)
	}
	return n
}

// shown is a post as one reader's snapshot has it.
type shown struct {
	*content
	live
}

// live is what changes of a post that stands.
type live struct {
	changed         int64
	likes, comments int64
	liked           bool
}

// show gives top-level posts in the order of keys, without those that are deleted. The caller has decided who may see
// them.
func (s *Service) show(ctx context.Context, q storage.Querier, reader social.ID, keys []int64) ([]shown, error) {
	lives, err := livesOf(ctx, q, reader, keys)
	if err != nil {
		return nil, err
	}
	out := make([]shown, 0, len(keys))
	var missing []int64
	for _, key := range keys {
		l, stands := lives[key]
		if !stands {
			continue
		}
		c, ok := s.contents.Get(key)
		if !ok || c.changed != l.changed {
			c = nil
			missing = append(missing, key)
		}
		out = append(out, shown{c, l})
	}
	rows, err := rowsByKey(ctx, q, reader, missing)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].content != nil {
			continue
		}
		out[i].content = s.contentOf(rows[0], out[i].live.changed)
		if !storage.Provisional(q) {
			s.contents.Put(rows[0].key, out[i].content)
		}
		rows = rows[1:]
	}
	return out, nil
}

func (s *Service) contentOf(r row, changed int64) *content {
	post := s.content(r, &social.UserRef{})
	post.Author, post.LikeCount, post.CommentCount = nil, 0, 0
	return &content{row: r, post: post, changed: changed}
}

// livesOf reads what changes of posts that stand, and their marks.
func livesOf(ctx context.Context, q storage.Querier, reader social.ID, keys []int64) (map[int64]live, error) {
	out := make(map[int64]live, len(keys))
	for part := range slices.Chunk(keys, maxIn) {
		in, args := storage.In([]any{reader}, part)
		err := storage.Each(ctx, q, func(row storage.Row) error {
			var l live
			var key, liked int64
			err := row.Scan(&key, &l.changed, &l.likes, &l.comments, &liked)
			l.liked = liked != 0
			out[key] = l
			return err
		}, `SELECT p.key, p.changed, p.like_count, p.comment_count, CASE WHEN p.like_count > 0 AND EXISTS
			(SELECT 1 FROM post_likes l WHERE l.post_key = p.key AND l.user_id = $1) THEN 1 ELSE 0 END
			FROM posts p WHERE p.deleted_at = 0 AND p.key IN `+in, args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
