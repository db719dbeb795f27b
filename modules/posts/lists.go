package posts

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Comments lists everything below a post or a comment, flat, oldest first unless newest is asked for. A deleted
// comment that has comments stands there as a tombstone; a deleted post's comments are listed as long as there are
// any. not_found: absent, or not for this reader.
func (s *Service) Comments(ctx context.Context, reader, id social.ID, newest bool,
	p social.PageQuery) (social.List[Post], error) {
	var out social.List[Post]
	err := s.db.Read(ctx, func(q storage.Querier) error {
		top, err := s.findDeletedToo(ctx, q, reader, id)
		if err != nil {
			return err
		}
		if top.deleted && top.comments == 0 {
			return social.NotFound()
		}
		scope := social.PageScope{List: "comments", Filter: id.String() + " oldest", Person: reader}
		if newest {
			scope.Filter = id.String() + " newest"
		}
		out, err = s.page(ctx, q, reader, scope, p, !newest, func(w social.Window) ([]row, error) {
			return commentsOf(ctx, q, reader, top, w)
		})
		return err
	})
	return out, social.Wrap(err, "posts: comments of %s", id)
}

// ByAuthor lists the posts of a person, newest first, as reader may see them: top-level ones, and with comments
// also comments. media lists only those with media, of which there are none. not_found: no such person.
func (s *Service) ByAuthor(ctx context.Context, reader, author social.ID, media, comments bool,
	p social.PageQuery) (social.List[Post], error) {
	var out social.List[Post]
	err := s.db.Read(ctx, func(q storage.Querier) error {
		there, err := s.Ports.Users.Refs(ctx, q, []social.ID{author})
		if err != nil {
			return err
		}
		if _, ok := there[author]; !ok {
			return social.NotFound()
		}
		judge := &judge{s: s, q: q, reader: reader, known: map[social.ID]bool{}}
		if _, err := judge.follows(ctx, author); err != nil {
			return err
		}
		filter := author.String() + string(" m"[storage.Bit(media)]) + string(" c"[storage.Bit(comments)])
		scope := social.PageScope{List: "posts", Filter: filter, Person: reader}
		out, err = s.page(ctx, q, reader, scope, p, false, func(w social.Window) ([]row, error) {
			if media {
				return nil, nil
			}
			return judge.fill(ctx, w, func(w social.Window) ([]row, error) {
				return rowsBy(ctx, q, reader, author, judge.refused, comments, w)
			})
		})
		return err
	})
	return out, social.Wrap(err, "posts: posts of %s", author)
}

func rowKey(r row) int64 { return r.key }

func (s *Service) page(ctx context.Context, q storage.Querier, reader social.ID, scope social.PageScope,
	p social.PageQuery, rising bool, fetch func(social.Window) ([]row, error)) (social.List[Post], error) {
	list, err := social.PageOf(s.pages, scope, p, rising, rowKey, fetch)
	if err != nil {
		return social.List[Post]{}, err
	}
	items, err := s.render(ctx, q, reader, list.Items)
	return social.List[Post]{Items: items, Next: list.Next, Prev: list.Prev}, err
}

// judge decides, for one reader and one snapshot, what visible leaves open.
type judge struct {
	s       *Service
	q       storage.Querier
	reader  social.ID
	known   map[social.ID]bool
	refused []social.ID // whom the reader does not follow, as far as asked; at most maxIn of them
}

func (j *judge) follows(ctx context.Context, author social.ID) (bool, error) {
	if yes, ok := j.known[author]; ok {
		return yes, nil
	}
	yes, err := j.s.Ports.Follows.IsFollowing(ctx, j.q, j.reader, author)
	j.known[author] = yes
	if !yes && len(j.refused) < maxIn {
		j.refused = append(j.refused, author)
	}
	return yes, err
}

// fill reads on until a window is full of rows the reader may see, or there are no more.
func (j *judge) fill(ctx context.Context, w social.Window, fetch func(social.Window) ([]row, error)) ([]row, error) {
	var out []row
	for {
		list, err := fetch(w)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if r.needsFollow(j.reader) {
				if yes, err := j.follows(ctx, r.rootAuthor); err != nil || !yes {
					if err != nil {
						return nil, err
					}
					continue
				}
			}
			if out = append(out, r); len(out) == w.Limit {
				return out, nil
			}
		}
		if len(list) < w.Limit {
			return out, nil
		}
		w.Key, w.Bound = list[len(list)-1].key, true
	}
}

// commentStanding: a comment that is there, or the place of one. The first half is the condition of its index, so that
// comments that are gone are not even looked at.
const commentStanding = `(p.deleted_at = 0 OR p.comment_count > 0)
	AND (p.author_id NOT IN (SELECT user_id FROM post_leavers) OR p.comment_count > 0)`

// commentsOf gives what stands below a place the reader may see.
func commentsOf(ctx context.Context, q storage.Querier, reader social.ID, top row, w social.Window) ([]row, error) {
	const below = `SELECT ` + columns + ` FROM posts p WHERE p.root_key = $2 AND p.reply_to IS NOT NULL AND ` +
		commentStanding
	const belowComment = `SELECT ` + columns +
		` FROM post_ancestors a JOIN posts p ON p.key = a.post_key WHERE a.ancestor_key = $2 AND ` + commentStanding
	query := below + w.Clause("p.key", 3)
	if top.key != top.rootKey {
		query = belowComment + w.Clause("a.post_key", 3)
	}
	return queryRows(ctx, q, false, query, reader, top.key, w.From(), w.Limit)
}

// rowsBy gives what author wrote, as far as the reader may see it, given that the caller decides needsFollow. What is
// for the followers of those already refused is not read: there may be any number of it.
func rowsBy(ctx context.Context, q storage.Querier, reader, author social.ID, refused []social.ID, comments bool,
	w social.Window) ([]row, error) {
	query := `SELECT ` + columns + namedColumn + ` FROM posts p WHERE p.author_id = $2 AND ` + standing + ` AND ` + visible
	args := []any{reader, author, w.From(), w.Limit}
	if len(refused) > 0 {
		var list string
		list, args = storage.In(args, refused)
		query += ` AND (p.visibility <> 1 OR p.root_author_id = $1 OR ` + isNamed +
			` OR p.root_author_id NOT IN ` + list + `)`
	}
	order := w.Clause("p.key", 3)
	list, err := queryRows(ctx, q, true, query+` AND `+topLevel+order, args...)
	if err != nil || !comments {
		return list, err
	}
	more, err := queryRows(ctx, q, true, query+` AND `+comment+order, args...)
	return social.Merge(w, list, more, rowKey), err
}
