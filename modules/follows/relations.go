package follows

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Relations tells how viewer stands to each of ids, also to those that nothing is known of. An anonymous viewer
// stands to nobody: the answer is empty then.
func (s *Service) Relations(ctx context.Context, q storage.Querier, viewer social.ID,
	ids []social.ID) (map[social.ID]social.Relationship, error) {
	out := make(map[social.ID]social.Relationship, len(ids))
	if viewer.IsZero() {
		return out, nil
	}
	for part := range slices.Chunk(ids, maxIn) {
		for _, id := range part {
			out[id] = social.Relationship{UserID: id, Follow: social.FollowNone}
		}
		in, args := storage.In([]any{viewer}, part)
		mine, err := queryEdges(ctx, q,
			`SELECT `+columns+` FROM follows f WHERE f.follower_id = $1 AND f.followed_id IN `+in+standing, args...)
		if err != nil {
			return nil, fmt.Errorf("follows: relations of %s: %w", viewer, err)
		}
		for _, e := range mine {
			r := out[e.followed]
			e.into(&r)
			out[e.followed] = r
		}
		theirs, err := queryEdges(ctx, q,
			`SELECT `+columns+` FROM follows f WHERE f.followed_id = $1 AND f.follower_id IN `+in+standing, args...)
		if err != nil {
			return nil, fmt.Errorf("follows: relations of %s: %w", viewer, err)
		}
		for _, e := range theirs {
			r := out[e.follower]
			r.FollowedBy = true
			out[e.follower] = r
		}
	}
	return out, nil
}

func (s *Service) IsFollowing(ctx context.Context, q storage.Querier, follower, followed social.ID) (bool, error) {
	if follower.IsZero() || followed.IsZero() {
		return false, nil
	}
	_, found, err := s.Edge(ctx, q, follower, followed)
	return found, err
}

// Edge gives one follow; false = there is none.
func (s *Service) Edge(ctx context.Context, q storage.Querier,
	follower, followed social.ID) (social.FollowEdge, bool, error) {
	e, found, err := getEdge(ctx, q, follower, followed)
	if err != nil {
		return social.FollowEdge{}, false, fmt.Errorf("follows: edge of %s to %s: %w", follower, followed, err)
	}
	return e.public(), found, nil
}

// Following gives everybody follower follows, oldest follow first; at most Config.MaxFollowing. Every timeline and
// every connect asks it, so the answer is kept in memory and shared: callers must not change it.
//
// A kept list holds in every snapshot that shows its mark, whichever process wrote. Memory is not used in an open
// transaction, which may be undone, and while follows of ended accounts are left, of which marks do not tell.
func (s *Service) Following(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error) {
	if follower.IsZero() {
		return nil, nil
	}
	changed, deletedUsers, err := getMark(ctx, q, follower)
	if err != nil {
		return nil, social.Wrap(err, "follows: following of %s", follower)
	}
	shared := !deletedUsers && !storage.Provisional(q)
	if kept, ok := s.following.Get(follower); shared && ok && kept.changed == changed {
		return kept.edges, nil
	}
	edges, err := followedBy(ctx, q, follower, deletedUsers)
	if err != nil {
		return nil, social.Wrap(err, "follows: following of %s", follower)
	}
	if shared {
		s.following.Update(follower, func(old keptEdges, ok bool) (keptEdges, bool) {
			return keptEdges{changed, edges}, !ok || old.changed < changed // an older snapshot takes nothing away
		})
	}
	return edges, nil
}

// Ended gives the follows of a person that have ended because the account of who was followed has, in no order. Since
// is just below the account's user.deleted, for nothing else is to be shown. Each is given until that is trimmed.
func (s *Service) Ended(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error) {
	list, err := endedBy(ctx, q, follower)
	return list, social.Wrap(err, "follows: ended follows of %s", follower)
}

// keptEdges are the follows of one person, and the mark with which they were loaded.
type keptEdges struct {
	changed int64
	edges   []social.FollowEdge
}

func (k keptEdges) weight() int { return len(k.edges) + 1 }

// BellFollowers tells which of these people follow author with the bell on. The edge's User is author.
func (s *Service) BellFollowers(ctx context.Context, q storage.Querier, author social.ID,
	among []social.ID) (map[social.ID]social.FollowEdge, error) {
	out := make(map[social.ID]social.FollowEdge, len(among))
	for part := range slices.Chunk(among, maxIn) {
		in, args := storage.In([]any{author}, part)
		list, err := queryEdges(ctx, q,
			`SELECT `+columns+` FROM follows f WHERE f.followed_id = $1 AND f.bell = 1 AND f.follower_id IN `+in+standing,
			args...)
		if err != nil {
			return nil, fmt.Errorf("follows: bell followers of %s: %w", author, err)
		}
		for _, e := range list {
			out[e.follower] = e.public()
		}
	}
	return out, nil
}

// Page gives one page of whom a person follows, or of who follows them, newest follow first. The viewer's page cursors
// are good for nobody else.
func (s *Service) Page(ctx context.Context, q storage.Querier, viewer, person social.ID, following bool,
	p social.PageQuery) (social.List[social.ID], error) {
	scope := social.PageScope{List: "followers", Filter: person.String(), Person: viewer}
	if following {
		scope.List = "following"
	}
	list, err := social.WalkedPage(s.pages, scope, p, false, edgeKey,
		func(w social.Window) (social.Found[edge], error) { return page(ctx, q, person, following, w) })
	if err != nil {
		return social.List[social.ID]{}, social.Wrap(err, "follows: list of %s", person)
	}
	ids := make([]social.ID, len(list.Items))
	for i, e := range list.Items {
		ids[i] = e.follower
		if following {
			ids[i] = e.followed
		}
	}
	return social.List[social.ID]{Items: ids, Next: list.Next, Prev: list.Prev}, nil
}

func (e edge) public() social.FollowEdge {
	return social.FollowEdge{User: e.followed, Since: e.since, SinceKey: e.key, Bell: e.bell}
}
