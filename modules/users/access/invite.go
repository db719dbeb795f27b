package access

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// CreateInvite makes an invite for that many registrations within ttl and returns its secret, which is not kept.
// Registration needs one when registration.mode is invite.
func (s *Service) CreateInvite(ctx context.Context, uses int, ttl time.Duration) (string, error) {
	if uses < 1 || ttl <= 0 {
		return "", social.Invalid(social.BodyField("/uses", social.FieldTooSmall, "At least 1 use and a positive duration."))
	}
	secret, hash := newSecret(invitePrefix)
	now := s.clock.Now()
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO invites (hash, uses_left, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
			hash[:], uses, int64(now), int64(now.Add(ttl)))
		return err
	})
	if err != nil {
		return "", social.Wrap(err, "users: create invite")
	}
	return secret, nil
}

// CheckInvite reports whether an invite holds, before any work is done.
func (s *Service) CheckInvite(ctx context.Context, invite string) (bool, error) {
	hash, ok := hashOf(invite, invitePrefix)
	if !ok {
		return false, nil
	}
	err := s.db.Read(ctx, func(q storage.Querier) error {
		var uses int64
		return q.QueryRow(ctx, `SELECT uses_left FROM invites WHERE hash = $1 AND uses_left > 0 AND expires_at > $2`,
			hash[:], int64(s.clock.Now())).Scan(&uses)
	})
	found, err := storage.Found(err)
	return found, social.Wrap(err, "users: check invite")
}

// UseInvite takes one use in tx; false = another registration took the last one meanwhile.
func (s *Service) UseInvite(ctx context.Context, tx storage.Tx, invite string) (bool, error) {
	hash, _ := hashOf(invite, invitePrefix)
	n, err := tx.Exec(ctx, `UPDATE invites SET uses_left = uses_left - 1 WHERE hash = $1 AND uses_left > 0
		AND expires_at > $2`, hash[:], int64(s.clock.Now()))
	return n == 1, err
}
