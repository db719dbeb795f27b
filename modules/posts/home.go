package posts

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/storage"
)

// Home is the home timeline of a person: their own top-level posts and those of whom they follow now, as far as
// they may see them, newest first. The cursor is the head of the log before the store was read: whoever streams
// from there misses nothing; zero when it is not known.
func (s *Service) Home(ctx context.Context, reader modules.ID, p modules.PageQuery) (modules.List[Post], modules.Cursor, error) {
	head := s.Ports.History.Head()
	var out modules.List[Post]
	err := s.db.Read(ctx, func(q storage.Querier) error {
		edges, err := s.Ports.Follows.Following(ctx, q, reader)
		if err != nil {
			return err
		}
		v, err := s.tails.see(ctx, q)
		if err != nil {
			return err
		}
		sources := make([]source, 0, len(edges)+1)
		sources = append(sources, source{author: reader})
		for _, e := range edges {
			sources = append(sources, source{author: e.User})
		}
		lists, err := v.of(ctx, sources)
		if err != nil {
			return err
		}
		list, err := modules.PageOf(s.pages, modules.PageScope{List: "home", Person: reader}, p, false, func(k int64) int64 { return k },
			func(w modules.Window) ([]int64, error) {
				keys, err := v.merge(ctx, sources, lists, w)
				if err != nil {
					return nil, err
				}
				addressed, err := addressedTo(ctx, q, reader, sources, w, keys)
				return weave(keys, addressed, w.Rising, w.Limit), err
			})
		if err != nil {
			return err
		}
		items, err := s.timeline(ctx, q, reader, list.Items)
		out = modules.List[Post]{Items: items, Next: list.Next, Prev: list.Prev}
		return err
	})
	return out, head, failed(err, "home of", reader)
}

// timeline makes posts of keys, in order, without those that do not stand.
func (s *Service) timeline(ctx context.Context, q storage.Querier, reader modules.ID, keys []int64) ([]Post, error) {
	list, err := s.contents.show(ctx, q, reader, keys)
	if err != nil || len(list) == 0 {
		return []Post{}, err
	}
	ids := make([]modules.ID, 0, len(list))
	for _, one := range list {
		if !slices.Contains(ids, one.row.author) {
			ids = append(ids, one.row.author)
		}
	}
	refs, err := s.Ports.Users.Refs(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	out, authors, viewers := make([]Post, 0, len(list)), make([]modules.UserRef, len(list)), make([]Viewer, len(list))
	for i, one := range list {
		author, there := refs[one.row.author]
		if !there || one.post.Deleted {
			continue
		}
		authors[i], viewers[i].Liked = author, one.liked
		out = append(out, Post{Content: one.post, Viewer: &viewers[i]})
		post := &out[len(out)-1]
		post.Author, post.LikeCount, post.CommentCount = &authors[i], one.likes, one.comments
	}
	return out, nil
}

// RecentBy gives top-level posts of the edges' people, each from its edge's SinceKey on, for everybody or for
// followers, that stand, in the order of the window. It is for derived notifications of reader; liked and the like
// are not in it.
func (s *Service) RecentBy(ctx context.Context, q storage.Querier, reader modules.ID, edges []modules.FollowEdge, w modules.Window) ([]event.PostInfo, error) {
	v, err := s.tails.see(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("posts: recent for %s: %w", reader, err)
	}
	sources := make([]source, len(edges))
	for i, e := range edges {
		sources[i] = source{author: e.User, floor: e.SinceKey}
	}
	lists, err := v.of(ctx, sources)
	if err != nil {
		return nil, fmt.Errorf("posts: recent for %s: %w", reader, err)
	}
	keys, err := v.merge(ctx, sources, lists, w)
	if err != nil {
		return nil, fmt.Errorf("posts: recent for %s: %w", reader, err)
	}
	list, err := s.contents.show(ctx, q, modules.ID{}, keys)
	if err != nil {
		return nil, fmt.Errorf("posts: recent for %s: %w", reader, err)
	}
	rows := make([]row, len(list))
	for i, one := range list {
		rows[i] = one.row
		rows[i].likes, rows[i].comments = one.likes, one.comments
	}
	return s.infos(ctx, q, rows)
}

// addressedTo gives the keys of top-level posts for named people only that the reader wrote or is named in, of the
// authors among sources, as far as they have a place in the window beside the keys that are there already. Strangers
// may have addressed any number of posts to the reader: a full window ends the search among them.
func addressedTo(ctx context.Context, q storage.Querier, reader modules.ID, sources []source, w modules.Window, there []int64) ([]int64, error) {
	const all = `SELECT m.post_key, p.author_id FROM post_mentions m JOIN posts p ON p.key = m.post_key
		WHERE m.user_id = $1 AND m.addressed = 1 AND p.deleted_at = 0`
	query := all + ` AND m.post_key < $2 ORDER BY m.post_key DESC LIMIT $3 + 0`
	if w.Rising {
		query = all + ` AND m.post_key > $2 ORDER BY m.post_key LIMIT $3 + 0`
	}
	var authors map[modules.ID]bool
	var out []int64
	for bound := bounds(w); ; {
		list, err := keysAndAuthors(ctx, q, query, reader, bound, w.Limit)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && authors == nil {
			authors = make(map[modules.ID]bool, len(sources))
			for _, s := range sources {
				authors[s.author] = true
			}
		}
		for _, c := range list {
			bound = c.key
			if len(there) == w.Limit && (c.key > there[w.Limit-1]) == w.Rising {
				return out, nil
			}
			if !authors[c.author] {
				continue
			}
			if out = append(out, c.key); len(out) == w.Limit {
				return out, nil
			}
		}
		if len(list) < w.Limit {
			return out, nil
		}
	}
}

func keysAndAuthors(ctx context.Context, q storage.Querier, query string, args ...any) ([]change, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []change
	for rows.Next() {
		var c change
		if err := rows.Scan(&c.key, &c.author); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}
