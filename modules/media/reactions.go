package media

import (
	"context"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/storage"
)

// Reactions are what media does when others act: pictures go with their post, and with their owner. Nobody is shown
// them from then on; the job removes the files.
func (s *Service) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("media: pictures go with their post", func(ctx context.Context, tx storage.Tx, f event.PostRemoved) error {
			_, err := tx.Exec(ctx, `UPDATE media SET gone_at = $2 WHERE post_id = $1 AND gone_at = 0`, f.Post.ID, int64(f.At))
			return err
		}),
		event.On("media: pictures go with their owner", func(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
			_, err := tx.Exec(ctx, `INSERT INTO media_leavers (user_id, at) VALUES ($1, $2)
				ON CONFLICT (user_id) DO NOTHING`, f.UserID, int64(f.At))
			return err
		}),
	}
}
