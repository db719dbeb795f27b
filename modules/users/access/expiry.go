package access

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// dropPage is how many rows one transaction drops: a few milliseconds of the writer's time.
const dropPage = 500

// dropExpired is the job that drops what has expired: sessions, tickets and invites. Nothing expired is ever honoured,
// dropped or not. Personal tokens stay in their owner's list.
func (s *Service) dropExpired(ctx context.Context) (bool, error) {
	now := int64(s.clock.Now())
	more := false
	for _, statement := range []string{
		`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2)`,
		`DELETE FROM stream_tickets WHERE hash IN (SELECT hash FROM stream_tickets WHERE expires_at <= $1 LIMIT $2)`,
		`DELETE FROM invites WHERE hash IN (SELECT hash FROM invites WHERE expires_at <= $1 LIMIT $2)`,
	} {
		err := s.db.InTx(ctx, func(tx storage.Tx) error {
			n, err := tx.Exec(ctx, statement, now, dropPage)
			more = more || n == dropPage
			return err
		})
		if err != nil {
			return false, social.Wrap(err, "users: drop what has expired")
		}
	}
	return more, nil
}
