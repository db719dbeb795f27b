package notifications

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// viewer is a person who reads their notifications, with the marks and bells that decide what is listed.
type viewer struct {
	person social.ID
	marks  watermarks
	bells  []social.FollowEdge // those whose posts are derived items
}

func (s *Service) viewer(ctx context.Context, q storage.Querier, person social.ID) (*viewer, error) {
	v := &viewer{person: person}
	var err error
	if v.marks, err = watermarksOf(ctx, q, person); err != nil {
		return nil, err
	}
	edges, err := s.Ports.Follows.Following(ctx, q, person)
	if err != nil {
		return nil, fmt.Errorf("notifications: whom %s follows: %w", person, err)
	}
	v.bells = make([]social.FollowEdge, 0, len(edges))
	for _, e := range edges {
		if e.Bell {
			v.bells = append(v.bells, e)
		}
	}
	return v, nil
}

// leftPosts are derived items that were left unread by hand, as a condition on notification_posts.
const leftPosts = `left_unread = 1 AND archived_at IS NULL`

func inboxed(r *row) bool { return r.state == stateInbox }
func unseen(r *row) bool  { return inboxed(r) && r.seenAt == nil }
func unread(r *row) bool  { return inboxed(r) && r.readAt == nil }

// derivedItems reads derived items in the order of the span.
func (s *Service) derivedItems(ctx context.Context, q storage.Querier, v *viewer, state string,
	at span) (found, error) {
	switch state {
	case inArchived:
		return s.touchedPosts(ctx, q, v, `archived_at IS NOT NULL`, at)
	case inUnseen:
		at.low = max(at.low, v.marks.seenKey)
		return s.recentPosts(ctx, q, v, at, unseen)
	case inUnread:
		left, above := at, at
		left.high, above.low = min(left.high, v.marks.readKey+1), max(above.low, v.marks.readKey)
		below, err := s.touchedPosts(ctx, q, v, leftPosts, left.half())
		if err != nil {
			return found{}, err
		}
		fresh, err := s.recentPosts(ctx, q, v, above.less(below), unread)
		return at.merge(below, fresh), err
	}
	return s.recentPosts(ctx, q, v, at, inboxed)
}

// derive makes derived items of the posts that search finds, until the span is full or at its end. search gives a row
// for each place it looks at, also where there is none for this person.
func derive(at span, keep func(*row) bool, search func(span) ([]row, error)) (found, error) {
	if at.low+1 >= at.high {
		return found{}, nil
	}
	return social.Walk(at.window(), rowKey, func(r row) (bool, error) { return !r.gone && keep(&r), nil },
		func(w social.Window) ([]row, error) { return search(at.at(w)) })
}

// recentPosts reads derived items out of the posts.
func (s *Service) recentPosts(ctx context.Context, q storage.Querier, v *viewer, at span,
	keep func(*row) bool) (found, error) {
	return derive(at, keep, func(at span) ([]row, error) {
		w := social.Window{Key: at.high, Bound: at.high < math.MaxInt64, Rising: at.rising, Limit: at.limit}
		if at.rising {
			w.Key, w.Bound = at.low, true
		}
		posts, err := s.Ports.Posts.RecentBy(ctx, q, v.person, v.bells, w)
		if err != nil {
			return nil, fmt.Errorf("notifications: recent posts: %w", err)
		}
		outside := func(p event.PostInfo) bool { return p.Key <= at.low || p.Key >= at.high }
		if end := slices.IndexFunc(posts, outside); end >= 0 {
			posts = posts[:end]
		}
		return asDerived(ctx, q, v, posts)
	})
}

// touchedPosts reads derived items out of their stored states. where is a constant text.
func (s *Service) touchedPosts(ctx context.Context, q storage.Querier, v *viewer, where string,
	at span) (found, error) {
	return derive(at, func(*row) bool { return true }, func(at span) ([]row, error) {
		places, err := storage.All(ctx, q, func(from storage.Row) (r row, err error) {
			r.gone = true
			return r, from.Scan(&r.key, &r.id)
		}, `SELECT key, post_id FROM notification_posts WHERE receiver_id = $1 AND key > $2 AND key < $3 AND deleted = 0
			AND `+where+` ORDER BY key `+at.order()+` LIMIT $4`, v.person, at.low, at.high, at.limit)
		if err != nil {
			return nil, fmt.Errorf("state of posts: %w", err)
		}
		ids := make([]social.ID, len(places))
		for i := range places {
			ids[i] = places[i].id
		}
		posts, err := s.derivable(ctx, q, v, ids)
		if err != nil {
			return nil, err
		}
		rows, err := asDerived(ctx, q, v, posts)
		for _, r := range rows {
			places[slices.Index(ids, r.id)] = r
		}
		return places, err
	})
}

// derivable gives those of the posts that are derived items of this person now, in the order asked.
func (s *Service) derivable(ctx context.Context, q storage.Querier, v *viewer,
	ids []social.ID) ([]event.PostInfo, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	infos, err := s.Ports.Posts.Info(ctx, q, ids)
	if err != nil {
		return nil, fmt.Errorf("notifications: posts: %w", err)
	}
	since := make(map[social.ID]int64, len(v.bells))
	for _, e := range v.bells {
		since[e.User] = e.SinceKey
	}
	var out []event.PostInfo
	for _, id := range ids {
		p, there := infos[id]
		from, follows := since[p.Author.ID]
		if there && follows && isDerivable(p) && p.Key > from {
			out = append(out, p)
		}
	}
	return out, nil
}

// isDerivable reports whether a post can be an item of its author's followers.
func isDerivable(p event.PostInfo) bool { return p.ReplyTo.IsZero() && p.Visibility != event.Mentioned }

// derivedByID gives one derived item of a person; nil = it is not one.
func (s *Service) derivedByID(ctx context.Context, q storage.Querier, v *viewer, id social.ID) (*row, error) {
	posts, err := s.derivable(ctx, q, v, []social.ID{id})
	if err != nil {
		return nil, err
	}
	rows, err := asDerived(ctx, q, v, posts)
	if err != nil || len(rows) == 0 || rows[0].gone || rows[0].state == stateDeleted {
		return nil, err
	}
	return &rows[0], nil
}

// chunk bounds the lists of one question to the store.
const chunk = 256

// asDerived makes items of posts, in their order and with their stored states. Those of posts the person has a row
// about are gone.
func asDerived(ctx context.Context, q storage.Querier, v *viewer, posts []event.PostInfo) ([]row, error) {
	about, err := rowsAbout(ctx, q, v.person, posts)
	if err != nil {
		return nil, err
	}
	out := make([]row, len(posts))
	for i := range posts {
		out[i] = derivedRow(v.person, &posts[i])
		out[i].gone = slices.Contains(about, posts[i].ID)
	}
	return out, addPostState(ctx, q, v.person, out)
}

// rowsAbout tells which of the posts, all of others, a person has a row about, in any state. Only those that name the
// person can have one: of all else that people are told, the object is a post of their own, a comment or no post.
func rowsAbout(ctx context.Context, q storage.Querier, person social.ID,
	posts []event.PostInfo) (about []social.ID, err error) {
	var ids []social.ID
	for i := range posts {
		if slices.Contains(posts[i].Mentions, person) {
			ids = append(ids, posts[i].ID)
		}
	}
	for part := range slices.Chunk(ids, chunk) {
		list, args := storage.In([]any{person}, part)
		more, err := storage.All(ctx, q, storage.One[social.ID],
			`SELECT object_id FROM notifications WHERE receiver_id = $1 AND object_id IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("rows about posts: %w", err)
		}
		about = append(about, more...)
	}
	return about, nil
}

// addPostState reads the stored states of derived items, which are in order.
func addPostState(ctx context.Context, q storage.Querier, person social.ID, items []row) error {
	if len(items) == 0 {
		return nil
	}
	byKey := make(map[int64]*row, len(items))
	for i := range items {
		byKey[items[i].key] = &items[i]
	}
	a, b := items[0].key, items[len(items)-1].key
	err := storage.Each(ctx, q, func(from storage.Row) error {
		var key int64
		var state row
		var deleted bool
		err := from.Scan(&key, &state.seenAt, &state.readAt, &state.left, &state.archived, &deleted)
		r, ok := byKey[key]
		if err != nil || !ok {
			return err
		}
		r.seenAt, r.readAt, r.left, r.archived = state.seenAt, state.readAt, state.left, state.archived
		switch {
		case deleted:
			r.state = stateDeleted
		case r.archived != nil:
			r.state = stateArchived
		}
		return nil
	}, `SELECT key, seen_at, read_at, left_unread, archived_at, deleted FROM notification_posts
		WHERE receiver_id = $1 AND key BETWEEN $2 AND $3`, person, min(a, b), max(a, b))
	return social.Wrap(err, "state of posts")
}
