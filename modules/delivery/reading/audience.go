package reading

import (
	"context"
	"fmt"

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
}

// Audiences tells what people read, from the follows as they are now. Nobody is hidden as long as there is no
// block and no mute.
type Audiences struct {
	Follows Follows // nil = nobody follows anybody. The host sets it before anybody asks

	db storage.DB
}

func NewAudiences(db storage.DB) *Audiences { return &Audiences{db: db} }

// Audience gives the streams of a person: what is addressed to them, what they publish themselves (bell off, so
// that only posts=all shows it), and what those they follow publish, each since the follow.
func (a *Audiences) Audience(ctx context.Context, person social.ID) (social.Audience, error) {
	var edges []social.FollowEdge
	err := a.db.Read(ctx, func(q storage.Querier) (err error) {
		if a.Follows != nil {
			edges, err = a.Follows.Following(ctx, q, person)
		}
		return err
	})
	if err != nil {
		return social.Audience{}, fmt.Errorf("delivery: audience of %s: %w", person, err)
	}
	sources := append(make([]social.Source, 0, len(edges)+2),
		social.Source{Stream: social.Stream{Kind: social.To, User: person}},
		social.Source{Stream: social.Stream{Kind: social.By, User: person}})
	for _, e := range edges {
		sources = append(sources, sourceOf(e))
	}
	return social.Audience{Person: person, Sources: sources}, nil
}

// Relation reads one edge again.
func (a *Audiences) Relation(ctx context.Context,
	person, other social.ID) (source social.Source, ok, hidden bool, err error) {
	var edge social.FollowEdge
	err = a.db.Read(ctx, func(q storage.Querier) (err error) {
		if a.Follows != nil {
			edge, ok, err = a.Follows.Edge(ctx, q, person, other)
		}
		return err
	})
	if err != nil {
		return social.Source{}, false, false, fmt.Errorf("delivery: relation of %s to %s: %w", person, other, err)
	}
	if ok {
		edge.User = other
		source = sourceOf(edge)
	}
	return source, ok, false, nil
}

func sourceOf(e social.FollowEdge) social.Source {
	return social.Source{Stream: social.Stream{Kind: social.By, User: e.User}, Since: e.Since, Bell: e.Bell}
}

var _ plugins.Audiences = (*Audiences)(nil)
