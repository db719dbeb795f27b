package users

import (
	"cmp"
	"context"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/social"
)

// Bounds of a password: the lower in characters, the upper in bytes, looked at before any hash.
const (
	minPassword = 8
	maxPassword = 256
)

// noAccountHash is verified when a name is unknown, so that it takes as long as a wrong password. The password
// behind it was random and is not kept; a match would mean nothing, since the caller knows there is no account.
const noAccountHash = "$argon2id$v=19$m=19456,t=2,p=1$" +
	"zxFvGcFnRbNvVbHAHmnYTg$L/vuwl2dfj6Wb+i6MYZGX4zvfQtY0Q3jIpPHGqnJd9Y"

// hashParams are 19 MiB, two passes, one lane: the OWASP password storage minimum for argon2id.
func hashParams() *argon2id.Params {
	return &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

// hasher hashes passwords, at most as many at once as there are cores or fewer, so that a flood of logins takes bounded
// memory and leaves other requests their time.
type hasher struct {
	slots *slots
	wait  time.Duration
}

// newHasher makes a hasher with so many slots; 0 = one a core, which is the most.
func newHasher(slots int, wait time.Duration) *hasher {
	cores := runtime.GOMAXPROCS(0)
	return &hasher{slots: newSlots(min(cores, cmp.Or(slots, cores))), wait: wait}
}

// hash gives what is kept of a password.
func (h *hasher) hash(ctx context.Context, who turn, password string) (string, error) {
	var out string
	err := h.run(ctx, who, func() (err error) {
		out, err = argon2id.CreateHash(norm.NFC.String(password), hashParams())
		return err
	})
	return out, err
}

// verify reports whether the password is the one behind the hash; with "" it takes the same time and is false.
func (h *hasher) verify(ctx context.Context, who turn, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = noAccountHash
	}
	var match bool
	err := h.run(ctx, who, func() (err error) {
		match, err = argon2id.ComparePasswordAndHash(norm.NFC.String(password), hash)
		return err
	})
	return match && known, err
}

// run hashes in a slot of its own, or gives the fault "overloaded" after the wait.
func (h *hasher) run(ctx context.Context, who turn, fn func() error) error {
	if err := h.slots.take(ctx, who, h.wait); err != nil {
		return err
	}
	defer h.slots.give()
	return social.Wrap(fn(), "hash password")
}

// checkNewPassword looks at a new password. pointer names the field.
func checkNewPassword(pointer, password, username string) []social.Field {
	switch {
	case len(password) > maxPassword:
		return []social.Field{social.BodyField(pointer, social.FieldTooLong, "At most 256 bytes.")}
	case utf8.RuneCountInString(password) < minPassword:
		return []social.Field{social.BodyField(pointer, social.FieldTooShort, "At least 8 characters.")}
	case isCommon(password, username):
		return []social.Field{social.BodyField(pointer, social.FieldNotAllowed, "This password is too easy to guess.")}
	}
	return nil
}

// checkGivenPassword looks at a password that is only compared: it bounds the work, nothing else.
func checkGivenPassword(pointer, password string) []social.Field {
	switch {
	case password == "":
		return []social.Field{social.BodyField(pointer, social.FieldTooShort, "At least 1 character.")}
	case len(password) > maxPassword:
		return []social.Field{social.BodyField(pointer, social.FieldTooLong, "At most 256 bytes.")}
	}
	return nil
}
