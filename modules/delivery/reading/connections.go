package reading

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// revokedFor is how long a revocation is remembered for connections that were on their way in when it was heard:
// who was asking had been answered from the store before, the connection is counted after.
const revokedFor = 10 * time.Second

// Connections counts the open streams and waiting long polls of this node, holds the caps, and ends what lost its
// right. Safe for concurrent use.
type Connections struct {
	Limits social.Limits // unlimited until the host sets it, before anybody asks

	caps  Caps
	clock social.Clock
	log   *zap.Logger

	mu      sync.Mutex
	open    int
	people  map[social.ID]*connection // the oldest of each
	revoked []revocation              // the last revokedFor, in order heard
	expiry  social.Time               // no connection expires before; 0 = none does
	sooner  chan struct{}             // holds at most one: expiry came nearer
}

// connection is one held place. The fields say whose right it lives by. There are many, and each lasts: it is kept
// small.
type connection struct {
	person, session, token social.ID
	expires                social.Time // 0 = never
	evict                  func(plugins.ByeReason)
	next                   *connection // of the same person, younger
	gone                   bool        // not in people any more
	closed                 bool        // its place is given back
}

// revocation is one access.revoked entry.
type revocation struct {
	person                social.ID
	session, token, spare social.ID // zero = not said
	keepTokens            bool
	at                    social.Time
	heard                 time.Time
}

// Caps bound the open streams and waiting long polls of this node.
type Caps struct {
	MaxStreams          int
	MaxStreamsPerPerson int
}

// DefaultCaps are the caps where nothing is configured.
func DefaultCaps() Caps { return Caps{MaxStreams: 20_000, MaxStreamsPerPerson: 10} }

// NewConnections makes it without side effects.
func NewConnections(caps Caps, clock social.Clock, log *zap.Logger) *Connections {
	return &Connections{Limits: social.Unlimited{}, caps: caps, clock: clock, log: log,
		people: map[social.ID]*connection{}, sooner: make(chan struct{}, 1)}
}

// Open asks for one more connection; see plugins.Connections. An actor whose right was revoked or has expired is
// counted and evicted before Open returns, so that evict must work at once.
func (c *Connections) Open(a social.Actor, evict func(plugins.ByeReason)) (func(), bool) {
	conn := &connection{person: a.UserID, session: a.SessionID, token: a.TokenID, expires: a.ExpiresAt, evict: evict}
	c.mu.Lock()
	if c.open >= c.caps.MaxStreams {
		c.mu.Unlock()
		return nil, false
	}
	c.open++
	oldest := c.add(conn)
	c.expect(conn)
	late := conn.expires != 0 && conn.expires <= c.clock.Now() || c.heardBefore(conn)
	if late {
		c.drop(conn)
	}
	c.mu.Unlock()

	if oldest != nil {
		oldest.evict(plugins.ByeTooMany)
	}
	if late {
		evict(plugins.ByeRevoked)
	}
	return func() { c.close(conn) }, true
}

// Spend takes one of the actor's stream openings.
func (c *Connections) Spend(a social.Actor, address string) (time.Duration, bool) {
	return c.Limits.Take(social.BudgetStreams, a.LimitKey(address))
}

// Count tells how many connections are open, and of how many people.
func (c *Connections) Count() (open, people int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, len(c.people)
}

func (c *Connections) close(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.closed {
		return
	}
	conn.closed = true
	c.open--
	c.drop(conn)
}

// add puts a connection behind the others of its person and takes out the oldest if there are too many now; c.mu
// is held.
func (c *Connections) add(conn *connection) (tooMany *connection) {
	oldest := c.people[conn.person]
	if oldest == nil {
		c.people[conn.person] = conn
		return nil
	}
	last, count := oldest, 1
	for ; last.next != nil; last = last.next {
		count++
	}
	last.next = conn
	if count < c.caps.MaxStreamsPerPerson {
		return nil
	}
	c.drop(oldest)
	return oldest
}

// drop takes a connection out of its person's; c.mu is held.
func (c *Connections) drop(conn *connection) {
	if conn.gone {
		return
	}
	conn.gone = true
	switch first := c.people[conn.person]; {
	case first != conn:
		for first.next != conn {
			first = first.next
		}
		first.next = conn.next
	case conn.next != nil:
		c.people[conn.person] = conn.next
	default:
		delete(c.people, conn.person)
	}
	conn.next = nil
}

// Hear obeys the revocations among new events: it is part of the tail.
func (c *Connections) Hear(events []social.Event) {
	for _, e := range events {
		if e.Type != social.EventAccessRevoked || !e.Internal {
			continue
		}
		var data social.AccessRevokedData
		if err := json.Unmarshal(e.Data, &data); err != nil {
			c.log.Error("revocation cannot be read: every connection of the person ends",
				zap.Stringer("event", e.Cursor), zap.Error(err))
			data = social.AccessRevokedData{}
		}
		c.revoke(e.Stream.User, e.Time, data)
	}
}

// revoke ends the connections a revocation means and remembers it for those on their way.
func (c *Connections) revoke(person social.ID, at social.Time, data social.AccessRevokedData) {
	r := revocation{person: person, at: at, keepTokens: data.KeepTokens, heard: c.clock(),
		session: idOf(data.SessionID), token: idOf(data.TokenID), spare: idOf(data.KeepSessionID)}
	c.mu.Lock()
	c.revoked = append(slices.DeleteFunc(c.revoked, func(old revocation) bool { return r.heard.Sub(old.heard) > revokedFor }), r)
	ended := c.take(person, r.ends)
	c.mu.Unlock()
	evictAll(ended)
}

// Expire ends connections whose session or token has run out, until ctx ends. It sleeps until the next one does.
func (c *Connections) Expire(ctx context.Context) {
	for {
		wait := c.sweep()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-c.sooner:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// maxDoze bounds the sleep, because the clock may be set while it lasts.
const maxDoze = 10 * time.Minute

// sweep ends what has expired and tells when to look again.
func (c *Connections) sweep() time.Duration {
	c.mu.Lock()
	now := c.clock.Now()
	var ended []*connection
	if c.expiry != 0 && c.expiry <= now {
		c.expiry = 0
		for person := range c.people {
			ended = append(ended, c.take(person, func(conn *connection) bool { return conn.expires != 0 && conn.expires <= now })...)
			for conn := c.people[person]; conn != nil; conn = conn.next {
				c.expect(conn)
			}
		}
	}
	wait := maxDoze
	if c.expiry != 0 {
		wait = min(wait, c.expiry.Sub(now))
	}
	c.mu.Unlock()
	evictAll(ended)
	return wait
}

// expect has a connection's end waited for; c.mu is held.
func (c *Connections) expect(conn *connection) {
	if conn.expires != 0 && (c.expiry == 0 || conn.expires < c.expiry) {
		c.expiry = conn.expires
		select {
		case c.sooner <- struct{}{}:
		default:
		}
	}
}

// take removes the connections of a person that match and returns them; c.mu is held.
func (c *Connections) take(person social.ID, match func(*connection) bool) []*connection {
	var taken []*connection
	for conn, next := c.people[person], (*connection)(nil); conn != nil; conn = next {
		next = conn.next
		if match(conn) {
			c.drop(conn)
			taken = append(taken, conn)
		}
	}
	return taken
}

// heardBefore reports whether a revocation that ends conn was heard while it was on its way; c.mu is held.
func (c *Connections) heardBefore(conn *connection) bool {
	return slices.ContainsFunc(c.revoked, func(r revocation) bool {
		return r.person == conn.person && c.clock().Sub(r.heard) <= revokedFor && r.ends(conn) && (r.exact() || !conn.madeAfter(r.at))
	})
}

// exact reports that one session or token is named, not all of a person's.
func (r revocation) exact() bool { return !r.session.IsZero() || !r.token.IsZero() }

// ends reports whether conn lives by what r revokes.
func (r revocation) ends(conn *connection) bool {
	if r.exact() {
		return !r.session.IsZero() && conn.session == r.session || !r.token.IsZero() && conn.token == r.token
	}
	if r.keepTokens && !conn.token.IsZero() {
		return false
	}
	return r.spare.IsZero() || conn.session != r.spare
}

// madeAfter reports that the session or token is younger than a moment, by the time in its UUIDv7 (RFC 9562, 5.7):
// signing in again right after everything was revoked must not be punished. This tells only those on their way
// apart; what is open when a revocation is heard ends whatever its id says.
func (conn *connection) madeAfter(t social.Time) bool {
	id := conn.session
	if id.IsZero() {
		id = conn.token
	}
	return social.Time(binary.BigEndian.Uint64(id[:8])>>16) > t
}

func evictAll(list []*connection) {
	for _, conn := range list {
		conn.evict(plugins.ByeRevoked)
	}
}

func idOf(s *string) social.ID {
	if s == nil {
		return social.ID{}
	}
	id, _ := social.ParseID(*s)
	return id
}

var _ plugins.Connections = (*Connections)(nil)
