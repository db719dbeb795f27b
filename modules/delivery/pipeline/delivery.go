package pipeline

import (
	"encoding/json"
	"time"

	"github.com/belfry-social/belfry/modules/social"
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
	Number     int         `json:"number"`
	At         social.Time `json:"at"`
	Outcome    string      `json:"outcome" enum:"ok,http_status,timeout,connect,tls,blocked_address,permanent,channel_error"`
	HTTPStatus *int        `json:"http_status"`
	DurationMS int64       `json:"duration_ms"`
	Detail     string      `json:"detail"`
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

// delivery is a row of deliveries.
type delivery struct {
	id, endpoint social.ID
	key          int64
	position     social.Position // 0 = a test
	eventType    string
	notification social.ID
	state        string
	tries        int
	attempts     int
	next         *social.Time
	created      social.Time
	finished     *social.Time
}

func (d delivery) view(epoch uint32, attempts []Attempt) Delivery {
	v := Delivery{ID: d.id, EndpointID: d.endpoint, EventType: d.eventType, State: d.state, NextAttemptAt: d.next,
		Attempts: attempts, CreatedAt: d.created, FinishedAt: d.finished}
	if v.Attempts == nil {
		v.Attempts = []Attempt{}
	}
	if d.position != 0 {
		id := social.Cursor{Epoch: epoch, Seq: d.position}.String()
		v.EventID = &id
	}
	if !d.notification.IsZero() {
		v.NotificationID = &d.notification
	}
	return v
}

// testEvent is what a test delivery sends, the same bytes on every attempt.
func testEvent(at social.Time) json.RawMessage {
	return json.RawMessage(`{"id":null,"type":"test","time":"` + at.String() + `","data":{"message":"test"}}`)
}

// wait is the pause after a number of failed tries, made longer or shorter by luck (0..1); false when the
// schedule is used up.
func (c Config) wait(tries int, luck float64) (time.Duration, bool) {
	if tries > len(c.Schedule) {
		return 0, false
	}
	return time.Duration(float64(c.Schedule[tries-1]) * (1 + c.Jitter*(2*luck-1))), true
}
