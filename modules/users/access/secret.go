package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Prefixes tell secrets apart, for people and for secret scanners. A session's has none: it is never seen.
const (
	tokenPrefix  = "bf_"  // personal and service tokens
	ticketPrefix = "bft_" // stream tickets
	invitePrefix = "bfi_"
)

// secretChars is the length of 256 bits in base64url without padding.
const secretChars = 43

// secretHash is all that is kept of a secret. 256 random bits need no salt and no slow hash.
type secretHash [sha256.Size]byte

// newSecret makes a secret and what to keep of it.
func newSecret(prefix string) (string, secretHash) {
	var raw [32]byte
	rand.Read(raw[:]) // never fails (crypto/rand)
	secret := prefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return secret, sha256.Sum256([]byte(secret))
}

// hashOf gives what is kept of a secret of this kind; false for text that cannot be one, so that it costs no query.
// Kinds have prefixes of their own, so a secret of one kind is never taken for another.
func hashOf(secret, prefix string) (secretHash, bool) {
	body, ok := strings.CutPrefix(secret, prefix)
	if !ok || len(body) != secretChars {
		return secretHash{}, false
	}
	return sha256.Sum256([]byte(secret)), true
}
