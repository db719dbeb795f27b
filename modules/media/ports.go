package media

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions this module asks, of no other module. New fills in the absent answer; the host sets another
// before start.
type Ports struct {
	Quota Quota
	Users Users
}

// Quota bounds how much one account has kept. Absent: nothing is counted.
type Quota interface {
	// SpendFile charges bytes of a file to who acts in ctx, or gives the fault rate_limited or storage_full and charges
	// nothing.
	SpendFile(ctx context.Context, bytes int64) error
}

// Users tells who is there. Absent: everybody is.
type Users interface {
	// Refs gives the names of people; deleted ones are absent.
	Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error)
}

type unbounded struct{}

func (unbounded) SpendFile(context.Context, int64) error { return nil }

type everybody struct{}

func (everybody) Refs(_ context.Context, _ storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	refs := make(map[social.ID]social.UserRef, len(ids))
	for _, id := range ids {
		refs[id] = social.UserRef{ID: id}
	}
	return refs, nil
}
