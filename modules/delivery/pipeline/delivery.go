package pipeline

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Delivery is one notification for one endpoint, as the endpoint's owner sees it.
type Delivery struct {
	ID             social.ID    `json:"id"`
	EndpointID     social.ID    `json:"endpoint_id"`
	EventID        *string      `json:"event_id" doc:"null for a test."`
	EventType      string       `json:"event_type"`
	NotificationID *social.ID   `json:"notification_id"`
	State          string       `json:"state" enum:"pending,succeeded,dead,cancelled"`
	NextAttemptAt  *social.Time `json:"next_attempt_at"`
	Attempts       []Attempt    `json:"attempts"`
	CreatedAt      social.Time  `json:"created_at"`
	FinishedAt     *social.Time `json:"finished_at"`
}

// Attempt is one try of a delivery.
type Attempt struct {
	Number int         `json:"number"`
	At     social.Time `json:"at"`
	// Outcome is what came of it, in one word.
	Outcome    string `json:"outcome" enum:"ok,http_status,timeout,connect,tls,blocked_address,permanent,channel_error"`
	HTTPStatus *int   `json:"http_status"`
	DurationMS int64  `json:"duration_ms"`
	Detail     string `json:"detail"`
}

// The states of a delivery. Only a pending one is attempted.
const (
	statePending   = "pending"
	stateSucceeded = "succeeded"
	stateDead      = "dead"
	stateCancelled = "cancelled"
)

// eventTest is the event type of a test delivery: one attempt, no event behind it.
const eventTest = "test"

// delivery is a row of deliveries. Of the embedded part, view fills what is not a column.
type delivery struct {
	Delivery
	key          int64
	position     social.Position // 0 = a test
	notification social.ID
	tries        int // since the schedule began
	attempts     int // in all
}

func newDelivery(endpoint social.ID, position social.Position, kind string, notification social.ID) delivery {
	d := Delivery{ID: social.NewID(), EndpointID: endpoint, EventType: kind, State: statePending}
	return delivery{Delivery: d, position: position, notification: notification}
}

const deliveryColumns = `id, key, endpoint_id, COALESCE(position, 0), event_type, notification_id, state, tries,
	attempts, next_attempt_at, created_at, finished_at`

func scanDelivery(row storage.Row) (d delivery, err error) {
	err = row.Scan(&d.ID, &d.key, &d.EndpointID, &d.position, &d.EventType, &d.notification, &d.State, &d.tries,
		&d.attempts, &d.NextAttemptAt, &d.CreatedAt, &d.FinishedAt)
	return d, err
}

// ownDelivery is one endpoint of a person and one of its deliveries.
func ownDelivery(ctx context.Context, q storage.Querier, owner, from, id social.ID) (endpoint, delivery, error) {
	e, err := ownEndpoint(ctx, q, owner, from)
	if err != nil {
		return e, delivery{}, err
	}
	d, err := scanDelivery(q.QueryRow(ctx, `SELECT `+deliveryColumns+` FROM deliveries
		WHERE id = $1 AND endpoint_id = $2`, id, from))
	return e, d, storage.Absent(err)
}

func (d delivery) view(kept social.Kept, attempts []Attempt) Delivery {
	v := d.Delivery
	if v.Attempts = attempts; attempts == nil {
		v.Attempts = []Attempt{}
	}
	if d.position != 0 {
		id := kept.Cursor(d.position).String()
		v.EventID = &id
	}
	if !d.notification.IsZero() {
		v.NotificationID = &d.notification
	}
	return v
}

// attemptsOf gives the attempts of each delivery, in order.
func attemptsOf(ctx context.Context, q storage.Querier, deliveries []delivery) (map[social.ID][]Attempt, error) {
	ids := make([]social.ID, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID
	}
	out := map[social.ID][]Attempt{}
	in, args := storage.In(nil, ids)
	err := storage.Each(ctx, q, func(row storage.Row) error {
		var id social.ID
		var a Attempt
		var status int
		err := row.Scan(&id, &a.Number, &a.At, &a.Outcome, &status, &a.DurationMS, &a.Detail)
		if status != 0 {
			a.HTTPStatus = &status
		}
		out[id] = append(out[id], a)
		return err
	}, `SELECT delivery_id, number, at, outcome, http_status, duration_ms, detail FROM attempts
		WHERE delivery_id IN `+in+` ORDER BY delivery_id, number`, args...)
	return out, err
}

// addDelivery makes one delivery, due now, unless the endpoint has ended meanwhile or has it already.
func addDelivery(ctx context.Context, tx storage.Tx, d delivery, now social.Time) error {
	on, err := storage.All(ctx, tx, storage.One[int], `SELECT 1 FROM endpoints
		WHERE id = $1 AND disabled = '' AND deleted_at IS NULL`, d.EndpointID)
	if err != nil || len(on) == 0 {
		return err
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	var position any // NULL for a test
	if d.position != 0 {
		position = int64(d.position)
	}
	_, err = tx.Exec(ctx, `INSERT INTO deliveries (id, key, endpoint_id, position, event_type, notification_id, state,
		next_attempt_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $7) ON CONFLICT DO NOTHING`,
		d.ID, key, d.EndpointID, position, d.EventType, d.notification, int64(now))
	if err != nil {
		return err
	}
	if d.EventType == eventTest {
		return makeDue(ctx, tx, d.EndpointID, now)
	}
	n, err := tx.Exec(ctx, `UPDATE endpoints SET due_at = CASE WHEN $3 > `+rested+` THEN $3 ELSE `+rested+` END
		WHERE id = $1 AND busy_until <= $3 AND (due_at IS NULL OR due_at > $3 AND due_at > `+rested+`)`,
		d.EndpointID, longestRest, int64(now))
	if err != nil || n == 0 {
		return err
	}
	return queue(ctx, tx, d.EndpointID, now)
}

// makeDue has an endpoint attempted now, as its owner asks, also one that rests; what has waited longest goes first.
// While an attempt is under way nothing changes: its end says when the next one is.
func makeDue(ctx context.Context, tx storage.Tx, endpoint social.ID, now social.Time) error {
	n, err := tx.Exec(ctx, `UPDATE endpoints SET due_at = $2
		WHERE id = $1 AND busy_until <= $2 AND (due_at IS NULL OR due_at > $2)`, endpoint, int64(now))
	if err != nil || n == 0 {
		return err
	}
	return queue(ctx, tx, endpoint, now)
}
