package reading

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Audiences tells what people read, from the follows as they are now. Nobody is hidden as long as there is no
// block and no mute.
type Audiences struct {
	Follows Follows // absent until the host sets it, before anybody asks

	db storage.DB
}

// NewAudiences makes it without side effects.
func NewAudiences(db storage.DB) *Audiences { return &Audiences{Follows: noFollows{}, db: db} }

// Audience gives the streams of a person: what is addressed to them, what they publish themselves (bell off, so
// that only posts=all shows it), and what those they follow publish, each since the follow.
func (a *Audiences) Audience(ctx context.Context, person social.ID) (social.Audience, error) {
	out := social.Audience{Person: person}
	err := a.db.Read(ctx, func(q storage.Querier) error {
		edges, err := a.Follows.Following(ctx, q, person)
		if err != nil {
			return err
		}
		out.Sources = make([]social.Source, 0, len(edges)+2)
		out.Sources = append(out.Sources,
			social.Source{Stream: social.Stream{Kind: social.To, User: person}},
			social.Source{Stream: social.Stream{Kind: social.By, User: person}})
		for _, e := range edges {
			out.Sources = append(out.Sources, sourceOf(e))
		}
		return nil
	})
	if err != nil {
		return social.Audience{}, fmt.Errorf("delivery: audience of %s: %w", person, err)
	}
	return out, nil
}

// Relation reads one edge again.
func (a *Audiences) Relation(ctx context.Context, person, other social.ID) (source social.Source, ok, hidden bool, err error) {
	err = a.db.Read(ctx, func(q storage.Querier) error {
		edge, follows, err := a.Follows.Edge(ctx, q, person, other)
		source, ok = social.Source{}, follows
		if follows {
			edge.User = other
			source = sourceOf(edge)
		}
		return err
	})
	if err != nil {
		return social.Source{}, false, false, fmt.Errorf("delivery: relation of %s to %s: %w", person, other, err)
	}
	return source, ok, false, nil
}

func sourceOf(e social.FollowEdge) social.Source {
	return social.Source{Stream: social.Stream{Kind: social.By, User: e.User}, Since: e.Since, Bell: e.Bell}
}

var _ plugins.Audiences = (*Audiences)(nil)
