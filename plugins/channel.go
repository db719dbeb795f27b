package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

// Channel is a way to reach people. Its life: build (no side effects), Start once, work, Stop once.
//
// A panic, a hang or a flood in one channel never reaches another, nor the write path: every call has a deadline.
type Channel interface {
	// Start acquires what the channel needs and returns soon; it is given ctx for that only. An error ends the
	// start of the program, naming the channel.
	Start(ctx context.Context) error
	// Stop gives everything back before ctx ends. It is safe without Start and more than once. When it returns,
	// no goroutine of the channel is left.
	Stop(ctx context.Context) error
}

// Listener hears every event once, in order, as it becomes durable.
type Listener interface {
	Channel
	// Publish is called on a goroutine of this listener's own, one call at a time, with 1..256 events in rising
	// order, internal ones included (Event.Internal): those are for keeping an audience true and must be shown to
	// nobody. The slice belongs to the callee; what the events point to is shared and must not be changed. A
	// slow Publish delays this listener only. When it panics it is called again with the same events after a pause,
	// which grows; after five panics in a row these events are passed over and it rests for a minute. After a crash
	// a listener starts at the head: what it missed then is in the log.
	Publish(events []Event)
}

// Sender hands one notification to one endpoint of one person. At least once: Delivery.ID is the same on every
// attempt, so receivers can drop doubles. Many goroutines call Send at once.
type Sender interface {
	Channel
	// Send makes one attempt before ctx ends. It never retries, sleeps or logs; the error decides what the host
	// does: nil = delivered; Permanent = given up; Gone = given up and the endpoint is switched off; RetryAfter =
	// again, not before; anything else = again after backoff. No secret may be in an error.
	Send(ctx context.Context, d Delivery) error
	// CheckEndpoint looks at the settings a person gave, without network. It returns the settings to store
	// (normalised) or a *Fault with pointers below "/settings".
	CheckEndpoint(settings json.RawMessage) (json.RawMessage, error)
}

// Targeter is an optional part of a sender. Target names the host that attempts for these settings go to, in one form
// for each; "" = it cannot tell. The host asks before each attempt and never has too many under way to one target.
// It answers from the settings alone.
type Targeter interface {
	Target(settings json.RawMessage) string
}

// Delivery is one notification for one endpoint.
type Delivery struct {
	ID       ID              // the same on every attempt
	Attempt  int             // 1, 2, …
	Receiver ID              // whose endpoint it is
	Settings json.RawMessage // as CheckEndpoint returned them
	Secrets  []string        // signing secrets, newest first; two during rotation
	Event    json.RawMessage // the event as clients see it, to be sent byte for byte
}

// HealthChecker is an optional part of a channel. Health answers from memory; nil = well. An error shows in
// /readyz as degraded, and its text in the details there.
type HealthChecker interface{ Health() error }

// Router is an optional part of a channel that serves routes. Routes is called once, before the server listens and
// before Start. r stands behind the host's middleware: the actor is ActorFrom(c.UserContext()), errors are *Fault and
// become problem+json. doc takes the operations of the routes; a route without one fails the host's tests. Routes of
// channels stand before those of modules, so a handler may pass a request on with c.Next.
type Router interface {
	Routes(r fiber.Router, doc *huma.OpenAPI)
}

// Drainer is an optional part of a channel with long connections. The host calls it first at shutdown, before
// ordinary requests are drained: tell clients to come back, end every connection, return before ctx ends. New
// connections after Drain are refused by the channel.
type Drainer interface{ Drain(ctx context.Context) }

// Marks of the verdicts on a delivery.
var (
	errPermanent = errors.New("permanent")
	errGone      = errors.New("gone")
)

// verdict is an error with a mark; its text is the error's.
type verdict struct {
	error
	mark error
}

func (v *verdict) Unwrap() []error { return []error{v.error, v.mark} }

// later is the mark of RetryAfter.
type later time.Duration

func (later) Error() string { return "later" }

// Permanent marks a failure that no retry can mend.
func Permanent(err error) error { return &verdict{err, errPermanent} }

// Gone marks a failure that says the endpoint does not exist any more; the host switches it off.
func Gone(err error) error { return &verdict{err, errGone} }

// RetryAfter marks a failure that should not be tried again before d has passed.
func RetryAfter(err error, d time.Duration) error { return &verdict{err, later(d)} }

func IsPermanent(err error) bool { return errors.Is(err, errPermanent) || IsGone(err) }

func IsGone(err error) bool { return errors.Is(err, errGone) }

// After returns the wait a RetryAfter error asks for.
func After(err error) (d time.Duration, ok bool) {
	var l later
	ok = errors.As(err, &l)
	return time.Duration(l), ok
}

// Outcome is an optional part of an error of Send: how the attempt is shown to the owner of the endpoint.
// Without it an attempt's outcome is "channel_error".
type Outcome interface {
	error
	// Outcome is one of http_status, timeout, connect, tls, blocked_address, channel_error. status is the HTTP
	// status, 0 = none. detail is at most 200 characters, without secrets.
	Outcome() (outcome string, status int, detail string)
}
