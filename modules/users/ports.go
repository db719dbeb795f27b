package users

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions this module asks. New fills in the absent answers; the host sets others before start.
type Ports struct {
	Follows Follows
	Limits  social.Limits
}

// Follows tells how people stand to each other. Absent: nobody follows anybody.
type Follows interface {
	// Relations gives how viewer stands to each of ids, by id. People without an entry have no relation.
	Relations(ctx context.Context, q storage.Querier, viewer social.ID, ids []social.ID) (map[social.ID]social.Relationship, error)
}

type noFollows struct{}

func (noFollows) Relations(context.Context, storage.Querier, social.ID, []social.ID) (map[social.ID]social.Relationship, error) {
	return nil, nil
}
