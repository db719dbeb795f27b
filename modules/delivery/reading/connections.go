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

// revokedFor is how long a revocation is remembered for connections that were on their way in when it was heard: the
// actor had been answered from the store before, the connection is counted after.
const revokedFor = 10 * time.Second

// Caps bound the open streams and waiting long polls of this node.
type Caps struct {
	MaxStreams          int
	MaxStreamsPerPerson int
}

// Connections counts the open streams and waiting long polls of this node, holds the caps, and ends what lost its
// right. Safe for concurrent use.
type Connections struct {
	Limits social.Limits // unlimited until the host sets it, before anybody asks

	caps  Caps
	clock social.Clock
	log   *zap.Logger

	mu      sync.Mutex
	open    int
	people  map[social.ID][]*connection // of each person, oldest first; those that were ended are not in it
	revoked []revocation                // the last revokedFor, in order heard
	expiry  social.Time                 // no connection expires before; 0 = none does
}

// connection is one held place. The fields say whose right it lives by. There are many, and each lasts: it is small.
type connection struct {
	person, session, token social.ID
	expires                social.Time // 0 = never
	evict                  func(plugins.ByeReason)
	closed                 bool // its place is given back
}

func NewConnections(caps Caps, clock social.Clock, log *zap.Logger) *Connections {
	return &Connections{Limits: social.Unlimited{}, caps: caps, clock: clock, log: log,
		people: map[social.ID][]*connection{}}
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
	var oldest *connection
	if held := c.people[conn.person]; len(held) > 0 && len(held) >= c.caps.MaxStreamsPerPerson {
		oldest = held[0]
		c.drop(oldest)
	}
	late := conn.expires != 0 && conn.expires <= c.clock.Now() || c.heardBefore(conn)
	if !late {
		c.people[conn.person] = append(c.people[conn.person], conn)
		c.expect(conn)
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
	if !conn.closed {
		conn.closed = true
		c.open--
		c.drop(conn)
	}
}

// drop takes a connection out of its person's; c.mu is held.
func (c *Connections) drop(conn *connection) {
	c.take(conn.person, func(other *connection) bool { return other == conn })
}

// take takes the connections of a person that match out and returns them; c.mu is held.
func (c *Connections) take(person social.ID, match func(*connection) bool) (taken []*connection) {
	rest := slices.DeleteFunc(c.people[person], func(conn *connection) bool {
		ends := match(conn)
		if ends {
			taken = append(taken, conn)
		}
		return ends
	})
	if c.people[person] = rest; len(rest) == 0 {
		delete(c.people, person)
	}
	return taken
}

// Expire ends connections whose session or token has run out, within a second, until ctx ends.
func (c *Connections) Expire(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-t.C:
			c.sweep()
		case <-ctx.Done():
		}
	}
}

func (c *Connections) sweep() {
	c.mu.Lock()
	now := c.clock.Now()
	var ended []*connection
	if c.expiry != 0 && c.expiry <= now {
		c.expiry = 0
		for person := range c.people {
			ended = append(ended, c.take(person, func(conn *connection) bool {
				return conn.expires != 0 && conn.expires <= now
			})...)
			for _, conn := range c.people[person] {
				c.expect(conn)
			}
		}
	}
	c.mu.Unlock()
	evictAll(ended)
}

// expect notes when a connection ends; c.mu is held.
func (c *Connections) expect(conn *connection) {
	if conn.expires != 0 && (c.expiry == 0 || conn.expires < c.expiry) {
		c.expiry = conn.expires
	}
}

// revocation is one access.revoked entry.
type revocation struct {
	person                social.ID
	session, token, spare social.ID // zero = not said
	keepTokens            bool
	at                    social.Time
	heard                 time.Time
}

// Hear obeys the revocations among new events: it ends the connections that each means, and remembers it for those on
// their way. It is part of the tail.
func (c *Connections) Hear(events []social.Event) {
	for _, e := range events {
		switch {
		case !e.Internal:
			continue
		case e.Type == social.EventAccessRestored:
			c.pardon(e.Stream.User)
			continue
		case e.Type != social.EventAccessRevoked:
			continue
		}
		var data social.AccessRevokedData
		if err := json.Unmarshal(e.Data, &data); err != nil {
			c.log.Error("revocation cannot be read: every connection of the person ends",
				zap.Stringer("event", e.Cursor), zap.Error(err))
			data = social.AccessRevokedData{}
		}
		r := revocation{person: e.Stream.User, at: e.Time, keepTokens: data.KeepTokens, heard: c.clock(),
			session: idOf(data.SessionID), token: idOf(data.TokenID), spare: idOf(data.KeepSessionID)}
		c.mu.Lock()
		c.revoked = append(slices.DeleteFunc(c.revoked, func(old revocation) bool {
			return r.heard.Sub(old.heard) > revokedFor
		}), r)
		ended := c.take(r.person, r.ends)
		c.mu.Unlock()
		evictAll(ended)
	}
}

// pardon forgets what ended all of a person's access, which was suspended: the sessions are as good as before.
func (c *Connections) pardon(person social.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked = slices.DeleteFunc(c.revoked, func(r revocation) bool { return r.person == person && r.all() })
}

// heardBefore reports whether a revocation that ends conn was heard while it was on its way; c.mu is held.
func (c *Connections) heardBefore(conn *connection) bool {
	return slices.ContainsFunc(c.revoked, func(r revocation) bool {
		return r.person == conn.person && c.clock().Sub(r.heard) <= revokedFor && r.ends(conn) &&
			(r.exact() || !conn.madeAfter(r.at))
	})
}

// all reports that nothing is spared.
func (r revocation) all() bool { return !r.exact() && r.spare.IsZero() && !r.keepTokens }

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
// signing in again right after everything was revoked must not be punished. It tells only those on their way apart;
// what is open when a revocation is heard ends whatever its id says.
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
