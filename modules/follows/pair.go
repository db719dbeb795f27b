package follows

import (
	"context"
	"encoding/json"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// pair is how two people stand to each other, read once in a transaction and kept true by it.
type pair struct {
	one, other social.ID
	forth      *edge // the follow of one; nil = there is none
	back       *edge // that of other
}

func pairOf(ctx context.Context, q storage.Querier, one, other social.ID) (pair, error) {
	p := pair{one: one, other: other}
	e, found, err := getEdge(ctx, q, one, other)
	if err != nil {
		return p, err
	}
	if found {
		p.forth = &e
	}
	b, found, err := getEdge(ctx, q, other, one)
	if found {
		p.back = &b
	}
	return p, err
}

// reversed is the pair as the other sees it.
func (p pair) reversed() pair { return pair{one: p.other, other: p.one, forth: p.back, back: p.forth} }

func (p pair) relation() social.Relationship {
	r := social.Relationship{UserID: p.other, Follow: social.FollowNone, FollowedBy: p.back != nil}
	if p.forth != nil {
		p.forth.into(&r)
	}
	return r
}

// into writes what a follow says of the follower's relation.
func (e edge) into(r *social.Relationship) {
	r.Follow, r.Notify, r.Reposts, r.FollowedAt = social.FollowFollowing, e.bell, e.reposts, &e.createdAt
}

// announcement tells one how they stand to other now. actor is who of the two changed it.
func (p pair) announcement(actor social.ID, now social.Time) (outbox.Announcement, error) {
	data, err := json.Marshal(p.relation())
	about := []social.ID{p.one, p.other}
	if actor == p.other {
		about = []social.ID{p.other, p.one}
	}
	return outbox.Announcement{Stream: social.Stream{Kind: social.To, User: p.one}, Type: social.EventFollowChanged,
		Actor: actor, About: about, Time: now, Data: data}, err
}

func (p pair) announce(ctx context.Context, tx storage.Tx, actor social.ID, now social.Time) error {
	a, err := p.announcement(actor, now)
	if err != nil {
		return err
	}
	return outbox.Announce(ctx, tx, a)
}
