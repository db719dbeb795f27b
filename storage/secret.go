package storage

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"

	"github.com/belfry-social/belfry/modules/social"
)

// KeyLen is the length of the server key and of keys derived from it, in bytes.
const KeyLen = 32

// ServerKey returns the store's secret, made at first use. It never leaves the process and is used only through
// DeriveKey. Who can read the store can read it.
func ServerKey(ctx context.Context, db DB) ([]byte, error) {
	fresh := make([]byte, KeyLen)
	rand.Read(fresh) // never fails (crypto/rand)
	var key []byte
	err := db.InTx(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO server_key (id, key) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, fresh)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT key FROM server_key WHERE id = 1`).Scan(&key)
	})
	return key, social.Wrap(err, "server key")
}

// DeriveKey gives the key of KeyLen bytes for one use, by HKDF-SHA256 (RFC 5869) with the label as info. Each use
// has a label of its own ("page cursors"), so that a key told for one purpose says nothing of another.
func DeriveKey(master []byte, label string) []byte {
	key, err := hkdf.Key(sha256.New, master, nil, label, KeyLen)
	if err != nil {
		panic(err) // only for lengths beyond the hash's reach: our own mistake
	}
	return key
}
