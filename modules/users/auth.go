package users

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Credentials are what a request brought. All strings are copies that outlive the request; "" = not given.
type Credentials struct {
	// Bearer is what followed "Bearer " in Authorization. For another scheme, or nothing behind it, the host hands
	// over the header as it is: that is no token.
	Bearer string
	Ticket string // of GET /v1/events only; the host passes it on no other route
	Cookie string // the value of the cookie named by Service.Cookie
	// Peek looks at a ticket without using it up, for HEAD.
	Peek bool
}

// Authenticate says who is asking. The host calls it once a request. Authorization wins over a ticket, a ticket over
// the cookie, and a bad one never falls back to the next. Nothing given is the zero Actor, which is no error.
//
// A secret that is unknown, expired or revoked, or of another kind, gives the fault invalid_token, a ticket
// invalid_ticket; any other error is the store's. A ticket allows events only, works once and for TicketTTL, and
// ends with the session or token that made it.
func (s *Service) Authenticate(ctx context.Context, c Credentials) (social.Actor, error) {
	switch {
	case c.Bearer != "":
		return s.remembered(ctx, c.Bearer, tokenPrefix, actorByToken)
	case c.Ticket != "":
		return s.redeem(ctx, c.Ticket, c.Peek)
	case c.Cookie != "":
		return s.remembered(ctx, c.Cookie, "", actorBySession)
	}
	return social.Actor{}, nil
}

// remembered answers from the cache, else by lookup.
func (s *Service) remembered(ctx context.Context, secret, prefix string,
	lookup func(context.Context, storage.Querier, secretHash) (used, error)) (social.Actor, error) {
	hash, ok := hashOf(secret, prefix)
	if !ok {
		return social.Actor{}, invalidToken()
	}
	now := s.now()
	actor, ok, turn := s.access.get(hash, now)
	if ok {
		return actor, nil
	}
	var u used
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		u, err = lookup(ctx, q, hash)
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && u.expired(now):
		return social.Actor{}, invalidToken()
	case err != nil:
		return social.Actor{}, fmt.Errorf("users: authenticate: %w", err)
	}
	s.access.put(hash, u.actor, now, turn)
	s.touch(u, now)
	return u.actor, nil
}

func invalidToken() *social.Fault {
	return social.NewFault(social.CodeInvalidToken, "This session or token is not valid, or not any more.")
}

// used is an actor and when the session or token was last used; 0 = never.
type used struct {
	actor  social.Actor
	usedAt social.Time
}

func (u used) expired(now social.Time) bool {
	return u.actor.ExpiresAt != 0 && u.actor.ExpiresAt <= now
}

const (
	selectSessionActor = `SELECT s.id, s.user_id, s.last_used_at, s.expires_at, u.role, u.state
		FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.deleted_at IS NULL AND `
	selectTokenActor = `SELECT t.id, t.user_id, t.scopes, t.last_used_at, t.expires_at, u.role, u.state
		FROM tokens t JOIN users u ON u.id = t.user_id WHERE u.deleted_at IS NULL AND `
)

func actorBySession(ctx context.Context, q storage.Querier, h secretHash) (used, error) {
	return scanSessionActor(q.QueryRow(ctx, selectSessionActor+`s.hash = $1`, h[:]))
}

// actorByToken finds the person's or the service's token.
func actorByToken(ctx context.Context, q storage.Querier, h secretHash) (used, error) {
	u, err := scanTokenActor(q.QueryRow(ctx, selectTokenActor+`t.hash = $1`, h[:]))
	if !errors.Is(err, sql.ErrNoRows) {
		return u, err
	}
	var last *social.Time
	u = used{} // what the row that is not there left: no state is no suspension
	err = q.QueryRow(ctx, `SELECT id, last_used_at FROM service_tokens WHERE hash = $1`, h[:]).Scan(&u.actor.ServiceID, &last)
	u.actor.Scopes = []social.Scope{social.ScopeNotifySend}
	u.usedAt = orZero(last)
	return u, err
}

func scanSessionActor(row storage.Row) (used, error) {
	var u used
	var state string
	err := row.Scan(&u.actor.SessionID, &u.actor.UserID, &u.usedAt, &u.actor.ExpiresAt, &u.actor.Role, &state)
	u.actor.Suspended = state != StateActive
	return u, err
}

func scanTokenActor(row storage.Row) (used, error) {
	var u used
	var state, scopes string
	var last, expires *social.Time
	err := row.Scan(&u.actor.TokenID, &u.actor.UserID, &scopes, &last, &expires, &u.actor.Role, &state)
	u.actor.Suspended = state != StateActive
	u.actor.Scopes = splitScopes(scopes)
	u.usedAt, u.actor.ExpiresAt = orZero(last), orZero(expires)
	return u, err
}

func orZero(t *social.Time) social.Time {
	if t == nil {
		return 0
	}
	return *t
}

// splitScopes reads what joinScopes wrote; never nil, which would mean "everything".
func splitScopes(text string) []social.Scope {
	scopes := []social.Scope{}
	for _, word := range strings.Fields(text) {
		scopes = append(scopes, social.Scope(word))
	}
	return scopes
}

func joinScopes(scopes []social.Scope) string {
	words := make([]string, len(scopes))
	for i, scope := range scopes {
		words[i] = string(scope)
	}
	return strings.Join(words, " ")
}
