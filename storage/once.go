package storage

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// OnceTTL is how long the answer of a repeatable request is kept.
const OnceTTL = 24 * time.Hour

// Once makes one POST repeatable by its Idempotency-Key. The handler makes it and hands it to the service,
// which calls Begin first and Save last inside the transaction of the act itself. A nil *Once stands for "no
// key" and does nothing, so services need no branches. It is for one request and one goroutine.
type Once struct {
	actor    string
	person   social.ID
	route    string
	key      string
	hash     [sha256.Size]byte
	now      social.Time
	replayed bool
}

// NewOnce returns nil when key is empty or nobody is signed in. route is method and path, body the raw request
// body.
func NewOnce(a social.Actor, now social.Time, route, key string, body []byte) *Once {
	if key == "" || a.IsAnonymous() {
		return nil
	}
	actor := "user:" + a.UserID.String()
	if !a.ServiceID.IsZero() {
		actor = "service:" + a.ServiceID.String()
	}
	return &Once{actor: actor, person: a.UserID, route: route, key: key, hash: sha256.Sum256(body), now: now}
}

// About says whose account the answer belongs to, where that is not the actor's: the receiver of what a service
// pushed. Call it before Save.
func (o *Once) About(person social.ID) {
	if o != nil {
		o.person = person
	}
}

// Begin looks the key up. If the act was done before, its answer is decoded into answer and true is returned:
// the service does nothing more. Another body under the same key gives the fault idempotency_mismatch. Where the act
// is costly, it may be called before the transaction, too.
func (o *Once) Begin(ctx context.Context, q Querier, answer any) (bool, error) {
	if o == nil {
		return false, nil
	}
	o.replayed = false
	var hash, body []byte
	err := q.QueryRow(ctx, `SELECT hash, answer FROM idempotency_keys
		WHERE actor = $1 AND route = $2 AND key = $3 AND expires_at > $4`, o.actor, o.route, o.key, int64(o.now)).
		Scan(&hash, &body)
	if found, err := Found(err); !found {
		return false, social.Wrap(err, "idempotency key")
	}
	if string(hash) != string(o.hash[:]) {
		return false, social.NewFault(social.CodeIdempotencyMismatch, "This Idempotency-Key was used with another body.")
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return false, fmt.Errorf("idempotency answer: %w", err)
	}
	o.replayed = true
	return true, nil
}

// Again says that the answer which Begin has found came to nothing: the act is done anew, and Save keeps its answer.
func (o *Once) Again() {
	if o != nil {
		o.replayed = false
	}
}

// Save keeps the answer for OnceTTL. Secrets must have been taken out of it.
func (o *Once) Save(ctx context.Context, tx Tx, answer any) error {
	if o == nil {
		return nil
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("idempotency answer: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO idempotency_keys (actor, route, key, hash, answer, person, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (actor, route, key) DO UPDATE SET hash = excluded.hash, answer = excluded.answer,
			person = excluded.person, expires_at = excluded.expires_at`,
		o.actor, o.route, o.key, o.hash[:], body, o.person, int64(o.now.Add(OnceTTL)))
	return social.Wrap(err, "idempotency key")
}

// Replayed reports whether the last Begin found a kept answer.
func (o *Once) Replayed() bool { return o != nil && o.replayed }

// Header is the value of Idempotency-Replayed: "true", or "" for no header.
func (o *Once) Header() string {
	if o.Replayed() {
		return "true"
	}
	return ""
}

// TrimOnce drops at most limit answers that are no longer kept, and tells whether there may be more. It is
// background work, in small steps.
func TrimOnce(ctx context.Context, db DB, now social.Time, limit int) (more bool, err error) {
	err = db.InTx(ctx, func(tx Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE (actor, route, key) IN
			(SELECT actor, route, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`,
			int64(now), limit)
		more = n == int64(limit)
		return err
	})
	return more, social.Wrap(err, "trim idempotency keys")
}

// EraseOnce drops every kept answer that is a person's or about them, whose account ends: they hold what was
// written by and for them. It is part of the transaction that ends the account.
func EraseOnce(ctx context.Context, tx Tx, person social.ID) error {
	_, err := tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE person = $1`, person)
	return social.Wrap(err, "erase idempotency keys of %s", person)
}
