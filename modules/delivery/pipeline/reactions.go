package pipeline

import (
	"context"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/storage"
)

// Reactions: who deletes their account has no endpoints any more. Their connections end by the revocation that the
// deletion announces.
func (s *Pipeline) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("delivery: remove endpoints", func(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
			return bury(ctx, tx, `owner_id`, f.UserID, f.At)
		}),
	}
}
