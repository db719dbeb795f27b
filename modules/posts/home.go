package posts

import (
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/posts/timeline"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Home is the home timeline of a person: their own top-level posts and those of whom they follow now, as far as
// they may see them, newest first. The cursor is the head of the log before the store was read: whoever streams
// from there misses nothing; zero when it is not known.
func (s *Service) Home(ctx context.Context, reader social.ID,
	p social.PageQuery) (list social.List[Post], head social.Cursor, err error) {
	head = s.Ports.Log.Head()
	err = s.db.Read(ctx, func(q storage.Querier) (err error) {
		list, err = s.homeIn(ctx, q, reader, p)
		return err
	})
	return list, head, social.Wrap(err, "posts: home of %s", reader)
}

func (s *Service) homeIn(ctx context.Context, q storage.Querier, reader social.ID,
	p social.PageQuery) (social.List[Post], error) {
	edges, err := s.Ports.Follows.Following(ctx, q, reader)
	if err != nil {
		return social.List[Post]{}, err
	}
	t, err := s.keys.Of(ctx, q, timeline.Sources{Own: reader, Edges: edges})
	if err != nil {
		return social.List[Post]{}, err
	}
	scope := social.PageScope{List: "home", Person: reader}
	list, err := social.PageOf(s.pages, scope, p, false, func(key int64) int64 { return key },
		func(w social.Window) ([]int64, error) { return t.WindowFor(ctx, reader, w) })
	if err != nil {
		return social.List[Post]{}, err
	}
	shown, err := s.show(ctx, q, reader, list.Items)
	if err != nil {
		return social.List[Post]{}, err
	}
	refs, err := s.Ports.Users.Refs(ctx, q, authorsOf(shown))
	return social.List[Post]{Items: present(shown, refs, reader), Next: list.Next, Prev: list.Prev}, err
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

// present makes posts of what is shown to a reader, in order, without those that do not stand.
func present(list []shown, refs map[social.ID]social.UserRef, reader social.ID) []Post {
	out, authors, viewers := make([]Post, 0, len(list)), make([]social.UserRef, len(list)), make([]Viewer, len(list))
	for i, one := range list {
		author, there := refs[one.row.author]
		if !there || one.post.Deleted {
			continue
		}
		authors[i], viewers[i].Liked = author, one.liked
		out = append(out, Post{Content: one.post})
		post := &out[len(out)-1]
		if !reader.IsZero() {
			post.Viewer = &viewers[i]
		}
		post.Author, post.LikeCount, post.CommentCount = &authors[i], one.likes, one.comments
	}
	return out
}

// RecentBy gives top-level posts of the edges' people, each from its edge's SinceKey on, for everybody or for
// followers, that stand, in the order of the window. It is for derived notifications of reader; liked and the like
// are not in it.
func (s *Service) RecentBy(ctx context.Context, q storage.Querier, reader social.ID, edges []social.FollowEdge,
	w social.Window) ([]event.PostInfo, error) {
	t, err := s.keys.Of(ctx, q, timeline.Sources{Edges: edges, FromSince: true})
	if err != nil {
		return nil, social.Wrap(err, "posts: recent for %s", reader)
	}
	keys, err := t.Window(ctx, w)
	if err != nil {
		return nil, social.Wrap(err, "posts: recent for %s", reader)
	}
	list, err := s.show(ctx, q, social.ID{}, keys)
	if err != nil {
		return nil, social.Wrap(err, "posts: recent for %s", reader)
	}
	rows := make([]row, len(list))
	for i, one := range list {
		rows[i] = one.row
		rows[i].likes, rows[i].comments = one.likes, one.comments
	}
	return s.infos(ctx, q, rows)
}
