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

// viewer is a person who looks at their notifications, with what decides what is there.
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

// derivedItems reads derived items in the order of the span.
func (s *Service) derivedItems(ctx context.Context, q storage.Querier, v *viewer, state string, at span) ([]row, error) {
	switch state {
	case inArchived:
		return s.touchedPosts(ctx, q, v, `archived_at IS NOT NULL`, at)
	case inUnseen:
		at.low = max(at.low, v.marks.seenKey)
		return s.recentPosts(ctx, q, v, at, func(r row) bool { return r.state == stateInbox && r.seenAt == nil })
	case inUnread:
		left, above := at, at
		left.high, above.low = min(left.high, v.marks.readKey+1), max(above.low, v.marks.readKey)
		below, err := s.touchedPosts(ctx, q, v, `left_unread = 1 AND archived_at IS NULL`, left)
		if err != nil {
			return nil, err
		}
		fresh, err := s.recentPosts(ctx, q, v, above, func(r row) bool { return r.state == stateInbox && r.readAt == nil })
		if err != nil {
			return nil, err
		}
		return at.merge(below, fresh), nil
	default:
		return s.recentPosts(ctx, q, v, at, func(r row) bool { return r.state == stateInbox })
	}
}

// recentPosts reads derived items out of the posts, until the span is full or at its end.
func (s *Service) recentPosts(ctx context.Context, q storage.Querier, v *viewer, at span, keep func(row) bool) ([]row, error) {
	var out []row
	for len(out) < at.limit && at.low+1 < at.high {
		w := social.Window{Bound: true, Rising: at.rising, Limit: min(at.limit-len(out), 2*chunk)}
		if at.rising {
			w.Key = at.low
		} else {
			w.Key, w.Bound = at.high, at.high < math.MaxInt64
		}
		posts, err := s.Ports.Posts.RecentBy(ctx, q, v.person, v.bells, w)
		if err != nil {
			return nil, fmt.Errorf("notifications: recent posts: %w", err)
		}
		end := len(posts) < w.Limit
		for i, p := range posts {
			if p.Key <= at.low || p.Key >= at.high {
				posts, end = posts[:i], true
				break
			}
		}
		if len(posts) == 0 {
			break
		}
		rows, err := asDerived(ctx, q, v, posts)
		if err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { return !keep(r) })
		if out = append(out, rows...); end {
			break
		}
		if last := posts[len(posts)-1].Key; at.rising {
			at.low = last
		} else {
			at.high = last
		}
	}
	return out, nil
}

// touchedPosts reads derived items out of what the person did to single ones. where is a constant text.
func (s *Service) touchedPosts(ctx context.Context, q storage.Querier, v *viewer, where string, at span) ([]row, error) {
	var out []row
	for len(out) < at.limit && at.low+1 < at.high {
		var ids []social.ID
		var last int64
		want := at.limit - len(out)
		err := eachRow(ctx, q, func(rows storage.Rows) error {
			var id social.ID
			err := rows.Scan(&last, &id)
			ids = append(ids, id)
			return err
		}, `SELECT key, post_id FROM notification_posts WHERE receiver_id = $1 AND key > $2 AND key < $3 AND deleted = 0 AND `+where+
			` ORDER BY key `+at.order()+` LIMIT $4`, v.person, at.low, at.high, want)
		if err != nil {
			return nil, fmt.Errorf("state of posts: %w", err)
		}
		posts, err := s.derivable(ctx, q, v, ids)
		if err != nil {
			return nil, err
		}
		rows, err := asDerived(ctx, q, v, posts)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
		if len(ids) < want {
			break
		}
		if at.rising {
			at.low = last
		} else {
			at.high = last
		}
	}
	return out, nil
}

// derivable gives those of the posts that are derived items of this person now, in the order asked.
func (s *Service) derivable(ctx context.Context, q storage.Querier, v *viewer, ids []social.ID) ([]event.PostInfo, error) {
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
	if err != nil || len(rows) == 0 || rows[0].state == stateDeleted {
		return nil, err
	}
	return &rows[0], nil
}

// chunk bounds the lists of one question to the store.
const chunk = 128

// asDerived makes items of posts, leaving out those the person has a row about, with what the person did to them.
func asDerived(ctx context.Context, q storage.Querier, v *viewer, posts []event.PostInfo) ([]row, error) {
	out := make([]row, 0, len(posts))
	for len(posts) > 0 {
		part := posts[:min(chunk, len(posts))]
		posts = posts[len(part):]
		folded, err := rowsAbout(ctx, q, v.person, part)
		if err != nil {
			return nil, err
		}
		first := len(out)
		for i := range part {
			if !folded[part[i].ID] {
				out = append(out, derivedRow(v.person, &part[i]))
			}
		}
		if err := addPostState(ctx, q, v.person, out[first:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rowsAbout tells which of the posts, all of others, a person has a row about, in any state. Only those that name the
// person can have one: of all else that people are told, the object is a post of their own, a comment or no post.
func rowsAbout(ctx context.Context, q storage.Querier, person social.ID, posts []event.PostInfo) (map[social.ID]bool, error) {
	var ids []social.ID
	for i := range posts {
		if slices.Contains(posts[i].Mentions, person) {
			ids = append(ids, posts[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	list, args := storage.In([]any{person}, ids)
	out := map[social.ID]bool{}
	err := eachRow(ctx, q, func(rows storage.Rows) error {
		var id social.ID
		err := rows.Scan(&id)
		out[id] = true
		return err
	}, `SELECT object_id FROM notifications WHERE receiver_id = $1 AND object_id IN `+list, args...)
	if err != nil {
		return nil, fmt.Errorf("rows about posts: %w", err)
	}
	return out, nil
}

// addPostState reads what the person did to these derived items, which are in order.
func addPostState(ctx context.Context, q storage.Querier, person social.ID, items []row) error {
	if len(items) == 0 {
		return nil
	}
	byKey := make(map[int64]*row, len(items))
	for i := range items {
		byKey[items[i].key] = &items[i]
	}
	a, b := items[0].key, items[len(items)-1].key
	err := eachRow(ctx, q, func(rows storage.Rows) error {
		var key int64
		var state row
		var deleted bool
		if err := rows.Scan(&key, &state.seenAt, &state.readAt, &state.left, &state.archived, &deleted); err != nil {
			return err
		}
		r, ok := byKey[key]
		if !ok {
			return nil
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
	if err != nil {
		return fmt.Errorf("state of posts: %w", err)
	}
	return nil
}
