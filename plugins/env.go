package plugins

import (
	"context"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Env is what the host lends a channel. Everything in it is safe for concurrent use and none of it is nil.
type Env struct {
	Name      string // the channel's full name: "webhook", "webhook/ops"
	Version   string // of the host
	PublicURL string // without a trailing slash
	Log       *zap.Logger
	Clock     Clock
	Metrics   prometheus.Registerer
	// Dial opens an outbound connection. The resolved address is checked at dial: what is not public gives
	// ErrBlockedAddress and no connection, unless allowPrivate. It is the only way out a channel may use.
	Dial        func(allowPrivate bool) func(ctx context.Context, network, address string) (net.Conn, error)
	History     History
	Audiences   Audiences
	Connections Connections
}

// History reads the log for a person.
type History interface {
	// Read is storage.LogReader.Read: at most limit events of the audience after a cursor, or a *GapError. Nothing
	// of a is kept after the return.
	Read(ctx context.Context, a Audience, after Cursor, limit int) (EventPage, error)
	// Kept tells what can be read: the newest durable position and the oldest. It makes event ids of positions, and
	// judges those that clients bring. From memory; zero before the log is open.
	Kept() Kept
}

// Audiences tells what people read.
type Audiences interface {
	// Audience gives everything a person reads now (PostsAll; narrow it with ForPosts). A person who follows
	// nobody still has the own streams.
	Audience(ctx context.Context, person ID) (Audience, error)
	// Relation reads one edge again after a control entry that names other: the source by:other if person
	// follows them now (ok), and whether other is hidden from person.
	Relation(ctx context.Context, person, other ID) (source Source, ok, hidden bool, err error)
}

// Connections counts the open streams and waiting long polls of this node and knows who holds them.
type Connections interface {
	// Open asks for one more. evict is called, at most once and from another goroutine, when this one has to end
	// for the reason given; it must not block. A person over their cap evicts their own oldest (ByeTooMany).
	// ok is false, and nothing is held, when the total cap is reached. close has to be called when the connection
	// has ended, evicted or not; it may be called more than once.
	Open(a Actor, evict func(ByeReason)) (close func(), ok bool)
	// Spend takes one of the actor's "streams" budget. false = over budget; retry tells when to come back.
	Spend(a Actor, address string) (retry time.Duration, ok bool)
}

// ByeReason says why a stream ends.
type ByeReason string

const (
	ByeRestart  ByeReason = "restart"
	ByeMaxAge   ByeReason = "max_age"
	ByeTooMany  ByeReason = "too_many"
	ByeOverload ByeReason = "overload"
	ByeRevoked  ByeReason = "revoked"
)
