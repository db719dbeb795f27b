package social

import (
	"context"
	"net/netip"
	"time"
)

// Keys of the metadata of an operation, by which a module tells the host how its route is guarded. The host
// applies them before the handler runs and refuses to start when MetaAuth is missing.
const (
	MetaAuth  = "auth"  // an Auth
	MetaETag  = "etag"  // "strong" or "weak": the host tags 200 answers to GET and answers If-None-Match
	MetaLimit = "limit" // a Budget; default BudgetRead for GET and HEAD, else BudgetWrite
	// MetaReserve is true for a write that goes on, as deletions do, when the person's quota is used up and when
	// the disk is at its reserve: signing in and out, a new password, and tickets for streams.
	MetaReserve = "reserve"
	// MetaEvents is a map[string]any, by type of event, of values of the type of its data: the host describes the
	// events of all operations in the document. A module says it once, on any of its operations.
	MetaEvents = "events"
)

// Auth says who may call an operation: one of the values below, or the name of a Scope.
type Auth string

// The values of Auth beside the scopes.
const (
	AuthNone     Auth = "-"   // credentials are not looked at
	AuthOptional Auth = "opt" // what is visible depends on who asks
	AuthSession  Auth = "S"   // a session only, no token; also a suspended person
	AuthMe       Auth = "me"  // scope read, also for a suspended person
	AuthAny      Auth = "any" // a session or a personal token of any scope; also a suspended person
)

// AuthScope is the Auth that asks for a scope.
func AuthScope(s Scope) Auth { return Auth(s) }

// Budget names a rate limit.
type Budget string

// The budgets. Keys are the person, the service token, or the address when anonymous.
const (
	BudgetRead         Budget = "read"
	BudgetWrite        Budget = "write"
	BudgetStreams      Budget = "streams"
	BudgetLoginAccount Budget = "login_account" // key: account and address
	BudgetLoginAddress Budget = "login_address"
	BudgetRegister     Budget = "register"
	BudgetService      Budget = "service"
	BudgetEndpointTest Budget = "endpoint_tests"
	BudgetMentions     Budget = "mentions" // spent by the person named
	BudgetSearch       Budget = "search"
	BudgetMedia        Budget = "media"
	BudgetPages        Budget = "pages" // key: address; for what has no other budget
	BudgetNone         Budget = "none"  // not limited by the host
)

// Limits is the host's rate limiter, in memory, per node. When nothing is left ok is false and retry says when to come
// back. Safe for concurrent use.
type Limits interface {
	// Take spends one of a key's budget.
	Take(b Budget, key string) (retry time.Duration, ok bool)
	// Guess counts one guess at the password of an account from a device that the account does not know, over all
	// addresses; exists is false for a name that nobody has. right is called if it was the password, and takes the guess
	// back; it is nil if not ok.
	Guess(account string, exists bool) (right func(), retry time.Duration, ok bool)
}

// Unlimited is the Limits that allows everything.
type Unlimited struct{}

func (Unlimited) Take(Budget, string) (time.Duration, bool) { return 0, true }

func (Unlimited) Guess(string, bool) (func(), time.Duration, bool) { return func() {}, 0, true }

// Spend is for ports that take several of a budget at once.
func (Unlimited) Spend(Budget, string, int) error { return nil }

// IDPath is the input of an operation on the thing that its path names.
type IDPath struct {
	ID string `path:"id"`
}

// Answer is the output of an operation: a body and nothing beside it.
type Answer[T any] struct{ Body T }

// Answered makes the output of what a service has returned; of no use with an error.
func Answered[T any](body T, err error) (*Answer[T], error) { return &Answer[T]{Body: body}, err }

// Created is the output of an operation that makes something, perhaps under an Idempotency-Key.
type Created[T any] struct {
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed"`
	Body     T
}

// Job is background work in small steps. The host runs each job on one goroutine: Run every Every, and at once
// again while it reports more. Run is given a deadline; an error is logged and tried again at the next run.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) (more bool, err error)

	// AtStart: what an earlier process left half done could be seen, so the host runs the job to its end before
	// anybody is served.
	AtStart bool
}

type addressKey struct{}

// WithAddress puts the client's address (from the connection, or a trusted proxy) into ctx.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// AddressFrom returns the client's address, "" outside a request.
func AddressFrom(ctx context.Context) string {
	s, _ := ctx.Value(addressKey{}).(string)
	return s
}

// LimitKey is the key under which an actor's budgets are counted: the person, the service token, or the address
// when nobody signed in.
func (a Actor) LimitKey(address string) string {
	switch {
	case !a.UserID.IsZero():
		return "user:" + a.UserID.String()
	case !a.ServiceID.IsZero():
		return "service:" + a.ServiceID.String()
	}
	return "address:" + AddressKey(address)
}

// AddressKey is what one customer of a network provider cannot change at will: an IPv4 address, or the /64 of an
// IPv6 one. Text that is not an address is returned as it is.
func AddressKey(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
