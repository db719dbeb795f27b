package access

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// A device is known by its address, of which a /64 of IPv6 is one, for DeviceTTL after an account was last used from
// it.
const (
	DeviceTTL  = 30 * 24 * time.Hour
	MaxDevices = 64             // of one account; beyond it the one seen longest ago is forgotten
	seenEvery  = 24 * time.Hour // so often at most it is written that a device was seen
)

// deviceHash is what is kept of an address. Without the account it says nothing, and no two accounts have one in
// common.
func deviceHash(person social.ID, address string) []byte {
	sum := sha256.Sum256(append(person[:], social.AddressKey(address)...))
	return sum[:]
}

// KnowsDevice reports whether an account was signed in or used from an address within DeviceTTL.
func (s *Service) KnowsDevice(ctx context.Context, q storage.Querier, person social.ID, address string) (bool, error) {
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM known_devices WHERE user_id = $1 AND hash = $2 AND seen_at > $3`, person,
		deviceHash(person, address), int64(s.clock.Now().Add(-DeviceTTL))).Scan(&one)
	return storage.Found(err)
}

// SeeDevice notes, in tx, that an account was used from an address at that moment; "" is none.
func (s *Service) SeeDevice(ctx context.Context, tx storage.Tx, person social.ID, address string,
	at social.Time) error {
	if address == "" {
		return nil
	}
	n, err := tx.Exec(ctx, `INSERT INTO known_devices (user_id, hash, seen_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id, hash) DO UPDATE SET seen_at = excluded.seen_at WHERE known_devices.seen_at < $4`,
		person, deviceHash(person, address), int64(at), int64(at.Add(-seenEvery)))
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM known_devices WHERE user_id = $1 AND hash IN (SELECT hash FROM known_devices
		WHERE user_id = $1 ORDER BY seen_at DESC, hash LIMIT 8 OFFSET $2)`, person, MaxDevices)
	return err
}

// ForgetDevices removes, in tx, what is known of an ended account's devices.
func (s *Service) ForgetDevices(ctx context.Context, tx storage.Tx, person social.ID) error {
	_, err := tx.Exec(ctx, `DELETE FROM known_devices WHERE user_id = $1`, person)
	return err
}
