package posts

import (
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Home is the home timeline of a person: their own top-level posts and those of whom they follow now, as far as
// they may see them, newest first. The cursor is the head of the log before the store was read: whoever streams
// from there misses nothing; zero when it is not known.
func (s *Service) Home(ctx context.Context, reader social.ID, p social.PageQuery) (social.List[Post], social.Cursor, error) {
	head := s.Ports.Log.Head()
	var out social.List[Post]
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		out, err = s.homeIn(ctx, q, reader, p)
		return err
	})
	return out, head, failed(err, "home of", reader)
}

func (s *Service) homeIn(ctx context.Context, q storage.Querier, reader social.ID, p social.PageQuery) (social.List[Post], error) {
	edges, err := s.Ports.Follows.Following(ctx, q, reader)
	if err != nil {
		return social.List[Post]{}, err
	}
	sources := sourcesOf(reader, edges)
	v, err := s.tails.see(ctx, q, sources)
	if err != nil {
		return social.List[Post]{}, err
	}
	scope := social.PageScope{List: "home", Person: reader}
	list, err := social.PageOf(s.pages, scope, p, false, self, func(w social.Window) ([]int64, error) {
		keys, err := v.window(ctx, w)
		if err != nil {
			return nil, err
		}
		addressed, err := addressedTo(ctx, q, reader, sources, w, keys)
		return social.Merge(w, keys, addressed, self), err
	})
	if err != nil {
		return social.List[Post]{}, err
	}
	shown, err := s.show(ctx, q, reader, list.Items)
	if err != nil {
		return social.List[Post]{}, err
	}
	refs, err := s.Ports.Users.Refs(ctx, q, authorsOf(shown))
	return social.List[Post]{Items: timeline(shown, refs), Next: list.Next, Prev: list.Prev}, err
}

// self: the items of a list of keys are their own order keys.
func self(key int64) int64 { return key }

// sourcesOf are the reader and whom they follow.
func sourcesOf(reader social.ID, edges []social.FollowEdge) []source {
	sources := make([]source, 0, len(edges)+1)
	sources = append(sources, source{author: reader})
	for _, e := range edges {
		sources = append(sources, source{author: e.User})
	}
	return sources
}

// authorsOf gives the authors of posts once each.
func authorsOf(list []shown) []social.ID {
	ids := make([]social.ID, 0, len(list))
	for _, one := range list {
		if !slices.Contains(ids, one.row.author) {
			ids = append(ids, one.row.author)
		}
	}
	return ids
}

// timeline makes posts of what is shown, in order, without those that do not stand.
func timeline(list []shown, refs map[social.ID]social.UserRef) []Post {
	out, authors, viewers := make([]Post, 0, len(list)), make([]social.UserRef, len(list)), make([]Viewer, len(list))
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
	return out
}

// RecentBy gives top-level posts of the edges' people, each from its edge's SinceKey on, for everybody or for
// followers, that stand, in the order of the window. It is for derived notifications of reader; liked and the like
// are not in it.
func (s *Service) RecentBy(ctx context.Context, q storage.Querier, reader social.ID, edges []social.FollowEdge, w social.Window) ([]event.PostInfo, error) {
	sources := make([]source, len(edges))
	for i, e := range edges {
		sources[i] = source{author: e.User, floor: e.SinceKey}
	}
	v, err := s.tails.see(ctx, q, sources)
	if err != nil {
		return nil, failed(err, "recent for", reader)
	}
	keys, err := v.window(ctx, w)
	if err != nil {
		return nil, failed(err, "recent for", reader)
	}
	list, err := s.show(ctx, q, social.ID{}, keys)
	if err != nil {
		return nil, failed(err, "recent for", reader)
	}
	rows := make([]row, len(list))
	for i, one := range list {
		rows[i] = one.row
		rows[i].likes, rows[i].comments = one.likes, one.comments
	}
	return s.infos(ctx, q, rows)
}

const (
	addressedAll = `SELECT m.post_key, p.author_id FROM post_mentions m JOIN posts p ON p.key = m.post_key
		WHERE m.user_id = $1 AND m.addressed = 1 AND p.deleted_at = 0`
	addressedBelow = addressedAll + ` AND m.post_key < $2 ORDER BY m.post_key DESC LIMIT $3 + 0`
)

// addressedTo gives the keys of top-level posts for named people only that the reader wrote or is named in, of the
// authors among sources, as far as they have a place in the window beside the keys that are there already. Strangers
// may have addressed any number of posts to the reader: a full window ends the search among them.
func addressedTo(ctx context.Context, q storage.Querier, reader social.ID, sources []source, w social.Window, there []int64) ([]int64, error) {
	query := addressedBelow
	if w.Rising {
		query = addressedAll + ` AND m.post_key > $2 ORDER BY m.post_key LIMIT $3 + 0`
	}
	var authors map[social.ID]bool
	var out []int64
	for bound := bounds(w); ; {
		list, err := storage.All(ctx, q, scanAddressed, query, reader, bound, w.Limit)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && authors == nil {
			authors = make(map[social.ID]bool, len(sources))
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

// addressed is a post for named people only.
type addressed struct {
	key    int64
	author social.ID
}

func scanAddressed(row storage.Row) (a addressed, err error) {
	err = row.Scan(&a.key, &a.author)
	return a, err
}
