package delivery

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

const endpointColumns = `id, key, owner_id, channel, name, settings, types, secret, old_secret, old_secret_until, since, disabled,
	failing_since, last_success_at, last_failure_at, created_at, updated_at`

func scanEndpoint(row storage.Row) (endpoint, error) {
	var e endpoint
	var settings string
	err := row.Scan(&e.id, &e.key, &e.owner, &e.channel, &e.name, &settings, &e.types, &e.secret, &e.old, &e.oldUntil, &e.since,
		&e.disabled, &e.failingSince, &e.lastSuccessAt, &e.lastFailureAt, &e.created, &e.updated)
	e.settings = []byte(settings)
	return e, err
}

const deliveryColumns = `id, key, endpoint_id, position, event_type, notification_id, state, tries, attempts, next_attempt_at, created_at, finished_at`

func scanDelivery(row storage.Row) (delivery, error) {
	var d delivery
	var position *int64
	err := row.Scan(&d.id, &d.key, &d.endpoint, &position, &d.eventType, &d.notification, &d.state, &d.tries, &d.attempts, &d.next,
		&d.created, &d.finished)
	if position != nil {
		d.position = social.Position(*position)
	}
	return d, err
}

// list runs a query and scans every row.
func list[T any](ctx context.Context, q storage.Querier, scan func(storage.Row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// ownEndpoint is one endpoint of a person, the fault NotFound when it is not theirs or not there.
func ownEndpoint(ctx context.Context, q storage.Querier, owner, id social.ID) (endpoint, error) {
	e, err := scanEndpoint(q.QueryRow(ctx, `SELECT `+endpointColumns+` FROM endpoints WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL`, id, owner))
	if errors.Is(err, sql.ErrNoRows) {
		return endpoint{}, social.NotFound()
	}
	return e, err
}

// ownDelivery is one delivery of one endpoint of a person.
func ownDelivery(ctx context.Context, q storage.Querier, owner, endpoint, id social.ID) (delivery, error) {
	if _, err := ownEndpoint(ctx, q, owner, endpoint); err != nil {
		return delivery{}, err
	}
	d, err := scanDelivery(q.QueryRow(ctx, `SELECT `+deliveryColumns+` FROM deliveries WHERE id = $1 AND endpoint_id = $2`, id, endpoint))
	if errors.Is(err, sql.ErrNoRows) {
		return delivery{}, social.NotFound()
	}
	return d, err
}

// windowOf gives the condition and order of one page of a list by key. Its text is one of four.
func windowOf(w social.Window, args []any) (string, []any) {
	args = append(args, w.Limit)
	limit := "$" + strconv.Itoa(len(args))
	order := " ORDER BY key DESC LIMIT " + limit
	if w.Rising {
		order = " ORDER BY key LIMIT " + limit
	}
	if !w.Bound {
		return order, args
	}
	args = append(args, w.Key)
	if w.Rising {
		return " AND key > $" + strconv.Itoa(len(args)) + order, args
	}
	return " AND key < $" + strconv.Itoa(len(args)) + order, args
}

// attemptsOf gives the attempts of each delivery, in order.
func attemptsOf(ctx context.Context, q storage.Querier, deliveries []delivery) (map[social.ID][]Attempt, error) {
	ids := make([]social.ID, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.id
	}
	in, args := storage.In(nil, ids)
	rows, err := q.Query(ctx, `SELECT delivery_id, number, at, outcome, http_status, duration_ms, detail FROM attempts
		WHERE delivery_id IN `+in+` ORDER BY delivery_id, number`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[social.ID][]Attempt{}
	for rows.Next() {
		var id social.ID
		var a Attempt
		var status int
		if err := rows.Scan(&id, &a.Number, &a.At, &a.Outcome, &status, &a.DurationMS, &a.Detail); err != nil {
			return nil, err
		}
		if status != 0 {
			a.HTTPStatus = &status
		}
		out[id] = append(out[id], a)
	}
	return out, rows.Err()
}

// addDelivery makes one delivery, due now, unless the endpoint has ended meanwhile or has it already.
func addDelivery(ctx context.Context, tx storage.Tx, d delivery, now social.Time) error {
	var there int
	err := tx.QueryRow(ctx, `SELECT 1 FROM endpoints WHERE id = $1 AND disabled = '' AND deleted_at IS NULL`, d.endpoint).Scan(&there)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	var position *int64
	if d.position != 0 {
		p := int64(d.position)
		position = &p
	}
	_, err = tx.Exec(ctx, `INSERT INTO deliveries (id, key, endpoint_id, position, event_type, notification_id, state, next_attempt_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $7) ON CONFLICT DO NOTHING`,
		d.id, key, d.endpoint, position, d.eventType, d.notification, int64(now))
	if err != nil {
		return err
	}
	return makeDue(ctx, tx, d.endpoint, now)
}

// makeDue has an endpoint looked at now. While an attempt is under way its end looks anyway.
func makeDue(ctx context.Context, tx storage.Tx, endpoint social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET due_at = $2 WHERE id = $1 AND busy_until <= $2 AND (due_at IS NULL OR due_at > $2)`,
		endpoint, int64(now))
	return err
}

// settle ends up to limit pending deliveries of an endpoint that was switched off or removed, and reports whether
// any may be left.
func settle(ctx context.Context, tx storage.Tx, endpoint social.ID, state string, now social.Time, limit int) (more bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE deliveries SET state = $2, next_attempt_at = NULL, finished_at = $3 WHERE id IN
		(SELECT id FROM deliveries WHERE endpoint_id = $1 AND state = 'pending' ORDER BY next_attempt_at LIMIT $4)`,
		endpoint, state, int64(now), limit)
	return n == int64(limit), err
}
