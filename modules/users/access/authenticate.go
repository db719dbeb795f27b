package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Authenticate says who is asking. The host calls it once a request. Authorization wins over a ticket, a ticket over
// the cookie, and a bad one never falls back to the next. Nothing given is the zero Actor, which is no error.
//
// A secret that is unknown, expired, revoked or of another kind gives the fault invalid_token, a ticket invalid_ticket.
// A ticket allows events only, works once and for TicketTTL, and ends with the session or token that made it.
func (s *Service) Authenticate(ctx context.Context, c social.Credentials) (social.Actor, error) {
	switch {
	case c.Bearer != "":
		return s.check(ctx, c.Bearer, tokenPrefix, actorByToken)
	case c.Ticket != "":
		return s.redeem(ctx, c.Ticket, c.Peek)
	case c.Cookie != "":
		return s.check(ctx, c.Cookie, "", actorBySession)
	}
	return social.Actor{}, nil
}

// check answers from memory for a secret that was checked within the last half second, else by lookup.
func (s *Service) check(ctx context.Context, secret, prefix string,
	lookup func(context.Context, storage.Querier, secretHash) (use, error)) (social.Actor, error) {
	hash, ok := hashOf(secret, prefix)
	if !ok {
		return social.Actor{}, invalidToken()
	}
	now := s.clock.Now()
	known, ok := s.checked.Get(hash)
	if ok && known.holds(now) {
		return known.actor, nil
	}
	ends := s.ends.Load()
	var u use
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		u, err = lookup(ctx, q, hash)
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && expired(u.actor, now):
		if ok { // a clock that is set back must not bring the old answer back
			s.Forget(known.actor.UserID)
		}
		return social.Actor{}, invalidToken()
	case err != nil:
		return social.Actor{}, fmt.Errorf("users: authenticate: %w", err)
	}
	s.learn(hash, u.actor, now, ends)
	s.uses.note(u, now, social.AddressFrom(ctx))
	return u.actor, nil
}

func invalidToken() *social.Fault {
	return social.NewFault(social.CodeInvalidToken, "This session or token is invalid or has ended.")
}

// use is an actor and when the session or token was last used; 0 = never.
type use struct {
	actor social.Actor
	last  social.Time
}

func expired(a social.Actor, now social.Time) bool { return a.ExpiresAt != 0 && a.ExpiresAt <= now }

const (
	selectSession = `SELECT s.id, s.user_id, s.last_used_at, s.expires_at, u.role, u.state <> 'active',
		u.created_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.deleted_at IS NULL AND `
	//nolint:gosec // the text of a query
	selectToken = `SELECT t.id, t.user_id, t.scopes, COALESCE(t.last_used_at, 0), COALESCE(t.expires_at, 0), u.role,
		u.state <> 'active', u.created_at
		FROM tokens t JOIN users u ON u.id = t.user_id WHERE u.deleted_at IS NULL AND `
)

func actorBySession(ctx context.Context, q storage.Querier, h secretHash) (use, error) {
	return scanSession(q.QueryRow(ctx, selectSession+`s.hash = $1`, h[:]))
}

// actorByToken finds the person's or the service's token.
func actorByToken(ctx context.Context, q storage.Querier, h secretHash) (use, error) {
	u, err := scanToken(q.QueryRow(ctx, selectToken+`t.hash = $1`, h[:]))
	if !errors.Is(err, sql.ErrNoRows) {
		return u, err
	}
	u = use{actor: social.Actor{Scopes: []social.Scope{social.ScopeNotifySend}}}
	err = q.QueryRow(ctx, `SELECT id, COALESCE(last_used_at, 0) FROM service_tokens WHERE hash = $1`, h[:]).
		Scan(&u.actor.ServiceID, &u.last)
	return u, err
}

func scanSession(row storage.Row) (u use, err error) {
	a := &u.actor
	err = row.Scan(&a.SessionID, &a.UserID, &u.last, &a.ExpiresAt, &a.Role, &a.Suspended, &a.JoinedAt)
	return u, err
}

func scanToken(row storage.Row) (u use, err error) {
	var scopes string
	a := &u.actor
	err = row.Scan(&a.TokenID, &a.UserID, &scopes, &u.last, &a.ExpiresAt, &a.Role, &a.Suspended, &a.JoinedAt)
	a.Scopes = splitScopes(scopes)
	return u, err
}

// splitScopes reads what joinScopes wrote; never nil, which would mean "everything".
func splitScopes(text string) []social.Scope {
	scopes := []social.Scope{}
	for word := range strings.FieldsSeq(text) {
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
