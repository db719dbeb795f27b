package users

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// CreateInvite makes an invite for that many registrations within ttl and returns its secret, which is not kept.
// It is asked for when registration.mode is invite.
func (s *Service) CreateInvite(ctx context.Context, uses int, ttl time.Duration) (string, error) {
	if uses < 1 || ttl <= 0 {
		return "", social.Invalid(social.BodyField("/uses", social.FieldTooSmall, "At least one use, and some time for it."))
	}
	secret, hash := newSecret(invitePrefix)
	now := s.now()
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO invites (hash, uses_left, created_at, expires_at) VALUES ($1, $2, $3, $4)`,
			hash[:], uses, int64(now), int64(now.Add(ttl)))
		return err
	})
	if err != nil {
		return "", wrap(err, "users: create invite")
	}
	return secret, nil
}

// checkInvite answers by the mode of registration before any work is done. The hash is nil when none is needed.
func (s *Service) checkInvite(ctx context.Context, invite *string) (*secretHash, error) {
	closed := social.NewFault(social.CodeRegistrationClosed, "Registration is closed here.")
	switch s.cfg.Registration {
	case ModeClosed:
		return nil, closed
	case ModeInvite:
		closed.Detail = "Registration needs a valid invite."
	default:
		return nil, nil
	}
	if invite == nil {
		return nil, closed
	}
	hash, ok := hashOf(*invite, invitePrefix)
	if !ok {
		return nil, closed
	}
	err := s.db.Read(ctx, func(q storage.Querier) error {
		var uses int64
		return q.QueryRow(ctx, `SELECT uses_left FROM invites WHERE hash = $1 AND uses_left > 0 AND expires_at > $2`, hash[:], int64(s.now())).Scan(&uses)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, closed
	}
	return &hash, wrap(err, "users: check invite")
}

// useInvite takes one use, unless another registration took the last one meanwhile.
func (s *Service) useInvite(ctx context.Context, tx storage.Tx, hash *secretHash) error {
	if hash == nil {
		return nil
	}
	n, err := tx.Exec(ctx, `UPDATE invites SET uses_left = uses_left - 1 WHERE hash = $1 AND uses_left > 0 AND expires_at > $2`,
		hash[:], int64(s.now()))
	if err == nil && n == 0 {
		return social.NewFault(social.CodeRegistrationClosed, "Registration needs a valid invite.")
	}
	return err
}
