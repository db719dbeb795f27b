package reading

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Follows tells whom a person follows. Absent: nobody.
type Follows interface {
	// Following gives everybody a person follows.
	Following(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error)
	// Edge gives one follow; false = there is none.
	Edge(ctx context.Context, q storage.Querier, follower, followed social.ID) (social.FollowEdge, bool, error)
}

type noFollows struct{}

func (noFollows) Following(context.Context, storage.Querier, social.ID) ([]social.FollowEdge, error) {
	return nil, nil
}

func (noFollows) Edge(context.Context, storage.Querier, social.ID, social.ID) (social.FollowEdge, bool, error) {
	return social.FollowEdge{}, false, nil
}
