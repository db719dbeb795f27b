package access

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// dropPage is how many rows one transaction drops: a few milliseconds of the writer's time.
const dropPage = 500

// dropExpired is the job that drops what has expired: sessions, tickets, invites and devices. Nothing expired is ever
// honoured, dropped or not. Personal tokens stay in their owner's list.
func (s *Service) dropExpired(ctx context.Context) (bool, error) {
	now := s.clock.Now()
	more := false
	for _, drop := range []struct {
		statement string
		until     social.Time
	}{
		{`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2)`, now},
		{`DELETE FROM stream_tickets WHERE hash IN (SELECT hash FROM stream_tickets WHERE expires_at <= $1 LIMIT $2)`, now},
		{`DELETE FROM invites WHERE hash IN (SELECT hash FROM invites WHERE expires_at <= $1 LIMIT $2)`, now},
		{`DELETE FROM known_devices WHERE (user_id, hash) IN (SELECT user_id, hash FROM known_devices
			WHERE seen_at <= $1 LIMIT $2)`, now.Add(-DeviceTTL)},
	} {
		err := s.db.InTx(ctx, func(tx storage.Tx) error {
			n, err := tx.Exec(ctx, drop.statement, int64(drop.until), dropPage)
			more = more || n == dropPage
			return err
		})
		if err != nil {
			return false, social.Wrap(err, "users: drop what has expired")
		}
	}
	return more, nil
}
