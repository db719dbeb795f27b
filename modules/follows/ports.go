package follows

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions follows asks. New fills in event.Absent; app/bindings.go sets them before start.
type Ports struct {
	Users Users
}

// Users tells who is there. Absent: nobody is, so every person asked for is not found.
type Users interface {
	// Refs gives the names of people; deleted ones are absent.
	Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error)
}
