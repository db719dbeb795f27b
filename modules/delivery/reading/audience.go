package reading

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Follows tells whom a person follows.
type Follows interface {
	// Following gives everybody a person follows.
	Following(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error)
	// Edge gives one follow; false = there is none.
	Edge(ctx context.Context, q storage.Querier, follower, followed social.ID) (social.FollowEdge, bool, error)
	// Ended gives the follows of a person that ended because the account of who was followed has.
	Ended(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error)
}

// Audiences tells what people read, from the follows as they are now. Nobody is hidden as long as there is no
// block and no mute.
type Audiences struct {
	Follows Follows // nil = nobody follows anybody. The host sets it before anybody asks

	db storage.DB
}

func NewAudiences(db storage.DB) *Audiences { return &Audiences{db: db} }

// Audience gives the streams of a person: what is addressed to them, what they publish themselves (bell off, so
// that only posts=all shows it), what those they follow publish, each since the follow, and that the accounts of some
// whom they followed have ended.
func (a *Audiences) Audience(ctx context.Context, person social.ID) (social.Audience, error) {
	var edges, ended []social.FollowEdge
	err := a.db.Read(ctx, func(q storage.Querier) (err error) {
		if a.Follows == nil {
			return nil
		}
		if edges, err = a.Follows.Following(ctx, q, person); err == nil {
			ended, err = a.Follows.Ended(ctx, q, person)
		}
		return err
	})
	if err != nil {
		return social.Audience{}, fmt.Errorf("delivery: audience of %s: %w", person, err)
	}
	sources := append(make([]social.Source, 0, len(edges)+len(ended)+2),
		social.Source{Stream: social.Stream{Kind: social.To, User: person}},
		social.Source{Stream: social.Stream{Kind: social.By, User: person}})
	for _, e := range edges {
		sources = append(sources, sourceOf(e, false))
	}
	for _, e := range ended {
		sources = append(sources, sourceOf(e, true))
	}
	return social.Audience{Person: person, Sources: sources}, nil
}

// Relation reads one edge again.
func (a *Audiences) Relation(ctx context.Context,
	person, other social.ID) (source social.Source, ok, hidden bool, err error) {
	err = a.db.Read(ctx, func(q storage.Querier) (err error) {
		if a.Follows != nil {
			source, ok, err = a.relation(ctx, q, person, other)
		}
		return err
	})
	if err != nil {
		return social.Source{}, false, false, fmt.Errorf("delivery: relation of %s to %s: %w", person, other, err)
	}
	return source, ok, false, nil
}

func (a *Audiences) relation(ctx context.Context, q storage.Querier,
	person, other social.ID) (social.Source, bool, error) {
	edge, ok, err := a.Follows.Edge(ctx, q, person, other)
	if ok || err != nil {
		edge.User = other
		return sourceOf(edge, false), ok, err
	}
	ended, err := a.Follows.Ended(ctx, q, person)
	if i := slices.IndexFunc(ended, func(e social.FollowEdge) bool { return e.User == other }); i >= 0 {
		return sourceOf(ended[i], true), true, err
	}
	return social.Source{}, false, err
}

func sourceOf(e social.FollowEdge, ended bool) social.Source {
	return social.Source{Stream: social.Stream{Kind: social.By, User: e.User}, Since: e.Since, Bell: e.Bell, Ended: ended}
}

var _ plugins.Audiences = (*Audiences)(nil)
