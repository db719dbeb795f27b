package posts

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Home is the home timeline of a person: their own top-level posts and those of whom they follow now, as far as
// they may see them, newest first. The cursor is the head of the log before the store was read: whoever streams
// from there misses nothing; zero when it is not known.
//
// It is what people ask for most, so it is answered from memory where all of it is known to have been true at one
// moment, and from a snapshot of the store otherwise, which teaches memory.
func (s *Service) Home(ctx context.Context, reader social.ID, p social.PageQuery) (social.List[Post], social.Cursor, error) {
	head := s.Ports.History.Head()
	at := moment{own: s.changes.now(), follows: s.Ports.Follows.Turn()}
	out, err := s.homeNow(ctx, reader, p, at)
	if errors.Is(err, errNotInMemory) {
		err = s.db.Read(ctx, func(q storage.Querier) error {
			out, err = s.homeIn(ctx, q, reader, p, at)
			return err
		})
	}
	return out, head, failed(err, "home of", reader)
}

// moment is a turn of everything that timelines are made of. All turns of it are taken before anything is read.
type moment struct{ own, follows uint64 }

// homeNow is Home from memory: everything in it was so at the moment. errNotInMemory if something is not known.
func (s *Service) homeNow(ctx context.Context, reader social.ID, p social.PageQuery, at moment) (social.List[Post], error) {
	edges, ok := s.Ports.Follows.FollowingAt(reader, at.follows)
	if !ok {
		return social.List[Post]{}, errNotInMemory
	}
	sources := sourcesOf(reader, edges)
	v, lists, ok := s.tails.still(&s.changes, at.own, sources)
	if !ok {
		return social.List[Post]{}, errNotInMemory
	}
	addressed, ok := s.addressed.still(&s.changes, at.own, reader)
	if !ok {
		return social.List[Post]{}, errNotInMemory
	}
	list, err := s.homePage(reader, p, func(w social.Window) ([]int64, error) {
		keys, err := v.merge(ctx, sources, lists, w)
		return weave(keys, within(addressed, sources, w), w.Rising, w.Limit), err
	})
	if err != nil {
		return social.List[Post]{}, err
	}
	shown, ok := s.contents.still(&s.changes, at.own, list.Items)
	if !ok {
		return social.List[Post]{}, errNotInMemory
	}
	refs, ok := s.Ports.Users.KnownRefs(authorsOf(shown))
	if !ok {
		return social.List[Post]{}, errNotInMemory
	}
	if err := s.markLiked(ctx, reader, shown, at); err != nil {
		return social.List[Post]{}, err
	}
	return social.List[Post]{Items: timeline(shown, refs), Next: list.Next, Prev: list.Prev}, nil
}

// markLiked notes which posts the reader likes. They are read in a snapshot of its own, which says what was so at the
// moment as long as none of the posts that have likes has changed since.
func (s *Service) markLiked(ctx context.Context, reader social.ID, list []shown, at moment) error {
	var keys []int64
	var things []thing
	for _, one := range list {
		if one.likes > 0 {
			keys, things = append(keys, one.row.key), append(things, postThing(one.row.key))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var liked []int64
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		liked, err = likedOf(ctx, q, reader, keys)
		return err
	})
	if err != nil {
		return err
	}
	if !s.changes.still(at.own, things...) {
		return errNotInMemory
	}
	for i := range list {
		list[i].liked = slices.Contains(liked, list[i].row.key)
	}
	return nil
}

// homeIn is Home in a snapshot that began at the moment or later. Memory learns what it reads.
func (s *Service) homeIn(ctx context.Context, q storage.Querier, reader social.ID, p social.PageQuery, at moment) (social.List[Post], error) {
	edges, err := s.Ports.Follows.FollowingSince(ctx, q, reader, at.follows)
	if err != nil {
		return social.List[Post]{}, err
	}
	v, err := s.tails.see(ctx, q, at.own)
	if err != nil {
		return social.List[Post]{}, err
	}
	sources := sourcesOf(reader, edges)
	lists, err := v.of(ctx, sources)
	if err != nil {
		return social.List[Post]{}, err
	}
	if _, ok := s.addressed.still(&s.changes, at.own, reader); !ok {
		if err := s.addressed.learn(ctx, q, reader, at.own); err != nil {
			return social.List[Post]{}, err
		}
	}
	list, err := s.homePage(reader, p, func(w social.Window) ([]int64, error) {
		keys, err := v.merge(ctx, sources, lists, w)
		if err != nil {
			return nil, err
		}
		addressed, err := addressedTo(ctx, q, reader, sources, w, keys)
		return weave(keys, addressed, w.Rising, w.Limit), err
	})
	if err != nil {
		return social.List[Post]{}, err
	}
	shown, err := s.contents.show(ctx, q, reader, list.Items, at.own)
	if err != nil {
		return social.List[Post]{}, err
	}
	refs, err := s.Ports.Users.Refs(ctx, q, authorsOf(shown))
	return social.List[Post]{Items: timeline(shown, refs), Next: list.Next, Prev: list.Prev}, err
}

func (s *Service) homePage(reader social.ID, p social.PageQuery, fetch func(social.Window) ([]int64, error)) (social.List[int64], error) {
	return social.PageOf(s.pages, social.PageScope{List: "home", Person: reader}, p, false, func(k int64) int64 { return k }, fetch)
}

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
	v, err := s.tails.see(ctx, q, 0)
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
	list, err := s.contents.show(ctx, q, social.ID{}, keys, 0)
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

const (
	addressedAll = `SELECT m.post_key, p.author_id FROM post_mentions m JOIN posts p ON p.key = m.post_key
		WHERE m.user_id = $1 AND m.addressed = 1 AND p.deleted_at = 0`
	addressedBelow = addressedAll + ` AND m.post_key < $2 ORDER BY m.post_key DESC LIMIT $3`
)

// addressedTo gives the keys of top-level posts for named people only that the reader wrote or is named in, of the
// authors among sources, as far as they have a place in the window beside the keys that are there already. Strangers
// may have addressed any number of posts to the reader: a full window ends the search among them.
func addressedTo(ctx context.Context, q storage.Querier, reader social.ID, sources []source, w social.Window, there []int64) ([]int64, error) {
	query := addressedBelow
	if w.Rising {
		query = addressedAll + ` AND m.post_key > $2 ORDER BY m.post_key LIMIT $3`
	}
	var authors map[social.ID]bool
	var out []int64
	for bound := bounds(w); ; {
		list, err := keysAndAuthors(ctx, q, query, reader, bound, w.Limit)
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
