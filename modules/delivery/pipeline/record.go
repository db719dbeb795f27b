package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// record writes what came of a claim and gives the endpoint back, in one transaction; a nil write only gives it back.
// Stop does not cut it off. What cannot be written is done again when the hold ends: at least once. It reports whether
// write did what it was for, and was kept.
func (s *sender) record(ctx context.Context, c claim, d delivery,
	write func(context.Context, storage.Tx, delivery, social.Time) (bool, error)) (done bool) {
	ctx = context.WithoutCancel(ctx)
	now := s.p.clock.Now()
	err := s.p.db.InTx(ctx, func(tx storage.Tx) error {
		if done = false; write != nil {
			var err error
			if done, err = write(ctx, tx, d, now); err != nil {
				return err
			}
		}
		// Not if another hold has begun since.
		n, err := tx.Exec(ctx, `UPDATE endpoints SET busy_until = 0,
			due_at = (SELECT CASE WHEN at IS NULL OR at > `+rested+` THEN at ELSE `+rested+` END
				FROM (SELECT `+nextDue+` AS at) AS first)
			WHERE id = $1 AND busy_until = $3 AND disabled = '' AND deleted_at IS NULL`, c.id, longestRest, int64(c.until))
		if err != nil || n == 0 {
			return err
		}
		return queue(ctx, tx, c.id, now)
	})
	if err != nil {
		s.c.Log.Error("attempt cannot be recorded: the endpoint is held until its time is up",
			zap.Stringer("delivery", d.ID), zap.Stringer("endpoint", c.id), zap.Error(err))
	}
	return done && err == nil
}

// Quick attempts that an endpoint owes before it is quick itself.
const (
	slowAtFirst = 1 // a new one, or one with a new address
	slowForSo   = 5 // one that was slow
)

// putOff has a delivery wait for a place at the address that its endpoint's name leads to: no attempt was made.
func (s *sender) putOff(ctx context.Context, tx storage.Tx, d delivery, now social.Time) (bool, error) {
	wait := time.Duration(float64(busyPause) * (1 + s.random()))
	n, err := tx.Exec(ctx, `UPDATE deliveries SET next_attempt_at = $2 WHERE id = $1 AND state = 'pending'`, d.ID,
		int64(now.Add(wait)))
	return n > 0, err
}

// busyPause is the least that such a delivery waits; luck makes it up to twice as long.
const busyPause = 5 * time.Second

// rested is when an endpoint that fails may be attempted again: after a tenth of the time for which it has failed,
// at most $2. So one that is dead costs next to nothing, however much is due, and one that failed for a moment waits
// for a moment. It is 0 for one that does not fail.
const rested = `(CASE WHEN failing_since IS NULL THEN 0
	WHEN (last_failure_at - failing_since) / 10 > $2 THEN last_failure_at + $2
	ELSE last_failure_at + (last_failure_at - failing_since) / 10 END)`

const longestRest = int64(5 * time.Minute / time.Millisecond)

// nextDue is when the endpoint $1 has something due.
const nextDue = `(SELECT MIN(next_attempt_at) FROM deliveries WHERE endpoint_id = $1 AND state = 'pending')`

// cancelDelivery ends a delivery whose cause is gone; false = it had ended.
func cancelDelivery(ctx context.Context, tx storage.Tx, d delivery, now social.Time) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'cancelled', next_attempt_at = NULL, finished_at = $2
		WHERE id = $1 AND state = 'pending'`, d.ID, int64(now))
	return n > 0, err
}

// recordAttempt writes an attempt and what it means. A delivery that ended meanwhile stays as it is, done = false.
// settled is how many others died because the endpoint was switched off.
func (p *Pipeline) recordAttempt(ctx context.Context, tx storage.Tx, e endpoint, d delivery, v verdict,
	now social.Time) (done bool, settled int64, err error) {
	var next, finished *social.Time
	if v.state == statePending {
		at := now.Add(v.wait)
		next = &at
	} else {
		finished = &now
	}
	a := v.attempt
	n, err := tx.Exec(ctx, `UPDATE deliveries SET state = $2, tries = tries + 1, attempts = $3, next_attempt_at = $4,
		finished_at = $5 WHERE id = $1 AND state = 'pending'`, d.ID, v.state, a.Number, next, finished)
	if err != nil || n == 0 {
		return false, 0, err
	}
	status := 0
	if a.HTTPStatus != nil {
		status = *a.HTTPStatus
	}
	_, err = tx.Exec(ctx, `INSERT INTO attempts (delivery_id, number, at, outcome, http_status, duration_ms, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		d.ID, a.Number, int64(a.At), a.Outcome, status, a.DurationMS, a.Detail)
	if err != nil {
		return false, 0, err
	}
	ends := `failing_since = COALESCE(failing_since, $2), last_failure_at = $2`
	if v.state == stateSucceeded {
		ends = `failing_since = NULL, last_success_at = $2`
	}
	if p.cfg.slow(a) {
		ends += `, slow = ` + strconv.Itoa(slowForSo)
	} else {
		ends += `, slow = CASE WHEN slow > 0 THEN slow - 1 ELSE 0 END`
	}
	_, err = tx.Exec(ctx, `UPDATE endpoints SET `+ends+` WHERE id = $1`, e.ID, int64(now))
	if err != nil || v.disable == "" {
		return err == nil, 0, err
	}
	if settled, err = disable(ctx, tx, e.ID, v.disable, now); err != nil {
		return false, 0, err
	}
	err = p.notifyDisabled(ctx, tx, e, v)
	return err == nil, settled, err
}

// notifyDisabled makes a notification for the owner of an endpoint that was switched off.
func (p *Pipeline) notifyDisabled(ctx context.Context, tx storage.Tx, e endpoint, v verdict) error {
	data, err := json.Marshal(map[string]string{"endpoint_id": e.ID.String(), "reason": v.disable})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Your endpoint %q was switched off: %s.", e.Name, v.why)
	return p.Ports.Notifications.System(ctx, tx, e.owner, text, p.site.PublicURL+"/", data)
}
