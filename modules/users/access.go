package users

import (
	"context"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// The bounds of what is remembered of checked secrets: about 2 MB, and half a second, which is how late another node
// learns of a revocation by this road (I23 allows one; streams are closed by the entry in the log).
const (
	accessMax = 8192
	accessTTL = 500 * time.Millisecond
)

// accessCache remembers whom a secret stands for, so that one person's burst of requests costs one query. An end of
// access in this process is obeyed at once: forget drops what is there, and what was read before it is not kept.
type accessCache struct {
	mu      sync.Mutex
	turn    uint64 // moves with every forget
	entries map[secretHash]access
}

type access struct {
	actor social.Actor
	since social.Time
}

func newAccessCache() *accessCache { return &accessCache{entries: make(map[secretHash]access)} }

// get gives the actor of a secret that was checked a moment ago, and the turn to put a fresh answer under.
func (c *accessCache) get(h secretHash, now social.Time) (social.Actor, bool, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.entries[h]
	age := now.Sub(a.since)
	// A clock that was set back makes everything old.
	if !ok || age < 0 || age >= accessTTL || a.actor.ExpiresAt != 0 && a.actor.ExpiresAt <= now {
		delete(c.entries, h)
		return social.Actor{}, false, c.turn
	}
	return a.actor, true, c.turn
}

// put keeps an answer, unless access has ended for somebody since turn: the answer may have been read before.
func (c *accessCache) put(h secretHash, a social.Actor, now social.Time, turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return
	}
	if len(c.entries) >= accessMax {
		for old := range c.entries { // map order is as good as any for what lives so shortly
			delete(c.entries, old)
			if len(c.entries) < accessMax*7/8 {
				break
			}
		}
	}
	c.entries[h] = access{actor: a, since: now}
}

// forget drops every actor that matches.
func (c *accessCache) forget(match func(social.Actor) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	for h, a := range c.entries {
		if match(a.actor) {
			delete(c.entries, h)
		}
	}
}

// sweep drops what is too old to be believed; when nothing is left, the room it took as well.
func (c *accessCache) sweep(now social.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h, a := range c.entries {
		if age := now.Sub(a.since); age < 0 || age >= accessTTL {
			delete(c.entries, h)
		}
	}
	if len(c.entries) == 0 {
		c.entries = make(map[secretHash]access)
	}
}

// forgetSecrets is the job of it: after a burst of people nobody asks for them again.
func (s *Service) forgetSecrets(context.Context) (more bool, err error) {
	s.access.sweep(s.now())
	return false, nil
}

// Whose access to forget.
func ofUser(id social.ID) func(social.Actor) bool {
	return func(a social.Actor) bool { return a.UserID == id }
}

func ofSession(id social.ID) func(social.Actor) bool {
	return func(a social.Actor) bool { return a.SessionID == id }
}

func ofToken(id social.ID) func(social.Actor) bool {
	return func(a social.Actor) bool { return a.TokenID == id || a.ServiceID == id }
}
