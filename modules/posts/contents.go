package posts

import (
	"cmp"
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
	for _, m := range c.row.media { // in the row and in the post, with addresses of each
		n += 1000 + 2*len(m.Alt)
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

// show gives top-level posts in the order of keys, which rise or fall, without those that are deleted. The caller has
// decided who may see them.
func (s *Service) show(ctx context.Context, q storage.Querier, reader social.ID, keys []int64) ([]shown, error) {
	out := make([]shown, len(keys))
	if err := fillLive(ctx, q, reader, keys, out); err != nil {
		return nil, err
	}
	var missing []int64
	kept := s.contents.GetAll(len(keys), func(i int) int64 { return keys[i] })
	for i, c := range kept {
		if c != nil && c.changed == out[i].live.changed {
			out[i].content = c
		} else if out[i].live.changed != 0 {
			missing = append(missing, keys[i])
		}
	}
	rows, err := rowsByKey(ctx, q, reader, missing)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		one := &out[indexOf(keys, r.key)]
		one.content = s.contentOf(r, one.live.changed)
		if !storage.Provisional(q) {
			s.contents.Put(r.key, one.content)
		}
	}
	return slices.DeleteFunc(out, func(one shown) bool { return one.content == nil }), nil
}

func (s *Service) contentOf(r row, changed int64) *content {
	post := s.content(r, &social.UserRef{})
	post.Author, post.LikeCount, post.CommentCount = nil, 0, 0
	return &content{row: r, post: post, changed: changed}
}

// fillLive reads what changes of posts that stand into their places of out; the others stay zero.
func fillLive(ctx context.Context, q storage.Querier, reader social.ID, keys []int64, out []shown) error {
	var key, liked int64
	var l live
	dest := []any{&key, &l.changed, &l.likes, &l.comments, &liked}
	for part := range slices.Chunk(keys, maxIn) {
		wanted, args := storage.Values([]any{reader}, part)
		err := storage.Each(ctx, q, func(row storage.Row) error {
			err := row.Scan(dest...)
			l.liked = liked != 0
			out[indexOf(keys, key)].live = l
			return err
		}, `SELECT p.key, p.changed, p.like_count, p.comment_count, CASE WHEN p.like_count > 0 AND EXISTS
			(SELECT 1 FROM post_likes l WHERE l.post_key = p.key AND l.user_id = $1) THEN 1 ELSE 0 END
			FROM `+wanted+` AS wanted CROSS JOIN posts p WHERE p.key = wanted.column1 AND p.deleted_at = 0`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// indexOf finds a key in a list that holds it, rising or falling.
func indexOf(keys []int64, key int64) int {
	order := cmp.Compare[int64]
	if keys[0] > keys[len(keys)-1] {
		order = func(a, b int64) int { return cmp.Compare(b, a) }
	}
	i, _ := slices.BinarySearchFunc(keys, key, order)
	return i
}
