package pipeline

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// load reads a claimed endpoint and its first due delivery; sql.ErrNoRows when there is none any more.
func (p *sender) load(ctx context.Context, id social.ID) (e endpoint, d delivery, err error) {
	err = p.s.db.Read(ctx, func(q storage.Querier) error {
		e, err = scanEndpoint(q.QueryRow(ctx, `SELECT `+endpointColumns+` FROM endpoints WHERE id = $1 AND disabled = '' AND deleted_at IS NULL`, id))
		if err != nil {
			return err
		}
		d, err = scanDelivery(q.QueryRow(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE endpoint_id = $1 AND state = 'pending' AND next_attempt_at <= $2
			ORDER BY next_attempt_at, key LIMIT 1`, id, int64(p.s.clock.Now())))
		return err
	})
	return e, d, err
}

// record writes what came of a claim and gives the endpoint back, in one transaction. It is not cut off by Stop.
// What cannot be written is done again when the hold ends: at least once.
func (p *sender) record(ctx context.Context, c claim, d delivery, fn func(context.Context, storage.Tx, social.Time) error) {
	ctx = context.WithoutCancel(ctx)
	now := p.s.clock.Now()
	err := p.s.db.InTx(ctx, func(tx storage.Tx) error {
		if err := fn(ctx, tx, now); err != nil {
			return err
		}
		return release(ctx, tx, c)
	})
	if err != nil {
		p.c.Log.Error("attempt cannot be recorded: it will be made again", zap.Stringer("delivery", d.id), zap.Stringer("endpoint", c.id), zap.Error(err))
	}
}

// giveBack ends a claim without an attempt.
func (p *sender) giveBack(ctx context.Context, c claim, why error) {
	if why != nil && !errors.Is(why, sql.ErrNoRows) && ctx.Err() == nil {
		p.c.Log.Error("delivery cannot be prepared: it is tried again", zap.Stringer("endpoint", c.id), zap.Error(why))
		return // the hold is the pause before the next try
	}
	ctx = context.WithoutCancel(ctx)
	if err := p.s.db.InTx(ctx, func(tx storage.Tx) error { return release(ctx, tx, c) }); err != nil {
		p.c.Log.Error("endpoint cannot be given back: it is when its hold ends", zap.Stringer("endpoint", c.id), zap.Error(err))
	}
}

// release ends a hold, unless another one has begun since, and sets when the endpoint is due next.
func release(ctx context.Context, tx storage.Tx, c claim) error {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET busy_until = 0,
		due_at = (SELECT MIN(next_attempt_at) FROM deliveries WHERE endpoint_id = $1 AND state = 'pending')
		WHERE id = $1 AND busy_until = $2 AND disabled = '' AND deleted_at IS NULL`, c.id, int64(c.until))
	return err
}

// bodyOf gives the event as it is to be sent, read from the log anew; nil when it must not be sent any more: it
// was deleted or withdrawn, or its receiver does not follow the author with the bell on any longer. A Permanent
// error says that it is lost.
func (s *Pipeline) bodyOf(ctx context.Context, e endpoint, d delivery) (json.RawMessage, error) {
	if d.eventType == eventTest {
		return testEvent(d.created), nil
	}
	ev, ok, err := s.events.At(ctx, d.position)
	var gap *social.GapError
	if errors.As(err, &gap) {
		return nil, errDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("event at %d: %w", d.position, err)
	}
	if !ok {
		return nil, errTrimmed
	}
	if len(ev.Data) == 0 {
		return nil, nil
	}
	stands := false
	err = s.db.Read(ctx, func(q storage.Querier) error {
		if ev.Stream.Kind == social.To {
			withdrawn, err := s.Ports.Notifications.Withdrawn(ctx, q, d.notification)
			stands = !withdrawn
			return err
		}
		posts, err := s.Ports.Posts.Info(ctx, q, []social.ID{d.notification})
		if err != nil {
			return err
		}
		_, there := posts[d.notification]
		edge, follows, err := s.Ports.Follows.Edge(ctx, q, e.owner, ev.Stream.User)
		stands = there && follows && edge.Bell && edge.Since < d.position
		return err
	})
	if err != nil || !stands {
		return nil, err
	}
	return ev.AppendJSON(nil), nil
}

// cancelDelivery ends a delivery whose cause is gone.
func cancelDelivery(ctx context.Context, tx storage.Tx, id social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE deliveries SET state = 'cancelled', next_attempt_at = NULL, finished_at = $2
		WHERE id = $1 AND state = 'pending'`, id, int64(now))
	return err
}

// lostError says that an event cannot be sent any more, though nobody took it back.
type lostError struct{ why string }

func (e *lostError) Error() string                  { return e.why }
func (e *lostError) Outcome() (string, int, string) { return "permanent", 0, e.why }

var (
	errTrimmed = plugins.Permanent(&lostError{"the event is older than what is kept"})
	errDamaged = plugins.Permanent(&lostError{"the event cannot be read any more"})
)

// recordAttempt writes an attempt and what it means.
func (s *Pipeline) recordAttempt(ctx context.Context, tx storage.Tx, e endpoint, d delivery, v verdict, now social.Time) error {
	var next, finished *social.Time
	if v.state == statePending {
		at := now.Add(v.wait)
		next = &at
	} else {
		finished = &now
	}
	n, err := tx.Exec(ctx, `UPDATE deliveries SET state = $2, tries = tries + 1, attempts = $3, next_attempt_at = $4, finished_at = $5
		WHERE id = $1 AND state = 'pending'`, d.id, v.state, v.attempt.Number, next, finished)
	if err != nil || n == 0 { // cancelled meanwhile
		return err
	}
	status := 0
	if v.attempt.HTTPStatus != nil {
		status = *v.attempt.HTTPStatus
	}
	_, err = tx.Exec(ctx, `INSERT INTO attempts (delivery_id, number, at, outcome, http_status, duration_ms, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		d.id, v.attempt.Number, int64(v.attempt.At), v.attempt.Outcome, status, v.attempt.DurationMS, v.attempt.Detail)
	if err != nil {
		return err
	}
	if v.state == stateSucceeded {
		_, err = tx.Exec(ctx, `UPDATE endpoints SET failing_since = NULL, last_success_at = $2 WHERE id = $1`, e.id, int64(now))
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE endpoints SET failing_since = COALESCE(failing_since, $2), last_failure_at = $2 WHERE id = $1`, e.id, int64(now))
	if err != nil {
		return err
	}
	if v.disable == "" && s.cfg.failingTooLong(e, now) {
		v.disable = disabledFailing
	}
	if v.disable == "" {
		return nil
	}
	if err := disable(ctx, tx, e.id, v.disable, now); err != nil {
		return err
	}
	return s.tellDisabled(ctx, tx, e, v.disable)
}

// tellDisabled tells the owner in the app.
func (s *Pipeline) tellDisabled(ctx context.Context, tx storage.Tx, e endpoint, reason string) error {
	data, err := json.Marshal(map[string]string{"endpoint_id": e.id.String(), "reason": reason})
	if err != nil {
		return err
	}
	why := "it answered that it is gone"
	if reason == disabledFailing {
		why = "it has failed for days"
	}
	return s.Ports.Notifications.System(ctx, tx, e.owner, fmt.Sprintf("Your endpoint %q was switched off: %s.", e.name, why), s.site.PublicURL+"/", data)
}
