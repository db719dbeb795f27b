package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// TicketTTL is how long a ticket waits to be used.
const TicketTTL = 30 * time.Second

// Ticket is a fresh right to connect once.
type Ticket struct {
	Ticket    string      `json:"ticket" doc:"For GET /v1/events?ticket=; works once."`
	ExpiresIn int         `json:"expires_in" doc:"Seconds."`
	ExpiresAt social.Time `json:"expires_at"`
}

// MakeTicket makes a ticket for an actor with a session or a personal token.
func (s *Service) MakeTicket(ctx context.Context, a social.Actor) (Ticket, error) {
	secret, hash := newSecret(ticketPrefix)
	expires := s.clock.Now().Add(TicketTTL)
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		if err := stillIn(ctx, tx, a); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO stream_tickets (hash, session_id, token_id, expires_at) VALUES ($1, $2, $3, $4)`,
			hash[:], a.SessionID, a.TokenID, int64(expires))
		return err
	})
	if err != nil {
		return Ticket{}, social.Wrap(err, "users: ticket for %s", a.UserID)
	}
	return Ticket{Ticket: secret, ExpiresIn: int(TicketTTL / time.Second), ExpiresAt: expires}, nil
}

// stillIn gives invalid_token if the actor's session or token has ended since it was checked: nothing made with a
// session or token may outlive it.
func stillIn(ctx context.Context, q storage.Querier, a social.Actor) error {
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM sessions WHERE id = $1 UNION ALL SELECT 1 FROM tokens WHERE id = $2`,
		a.SessionID[:], a.TokenID[:]).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return invalidToken()
	}
	return err
}

// redeem turns a ticket into the person it stands for, and uses it up unless peek.
func (s *Service) redeem(ctx context.Context, ticket string, peek bool) (social.Actor, error) {
	bad := social.NewFault(social.CodeInvalidTicket, "This ticket is invalid, used or expired. Request a new one.")
	hash, ok := hashOf(ticket, ticketPrefix)
	if !ok {
		return social.Actor{}, bad
	}
	now := s.clock.Now()
	var u use
	var err error
	if peek {
		err = s.db.Read(ctx, func(q storage.Querier) (err error) {
			u, err = ticketActor(ctx, q, now, `SELECT`+ofTicket+` FROM stream_tickets WHERE hash = $1`, hash)
			return err
		})
	} else {
		err = s.db.InTx(ctx, func(tx storage.Tx) (err error) {
			u, err = ticketActor(ctx, tx, now, `DELETE FROM stream_tickets WHERE hash = $1 RETURNING`+ofTicket, hash)
			return err
		})
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		s.log.Info("ticket refused", zap.String("request", social.RequestIDFrom(ctx)))
		return social.Actor{}, bad
	case err != nil:
		return social.Actor{}, fmt.Errorf("users: redeem ticket: %w", err)
	}
	s.uses.note(u, now, social.AddressFrom(ctx))
	u.actor.Scopes = []social.Scope{social.ScopeEvents}
	return u.actor, nil
}

const ofTicket = ` session_id, token_id, expires_at`

// ticketActor takes or reads the ticket's row and finds who is behind it. sql.ErrNoRows stands for every reason
// why it is no good.
func ticketActor(ctx context.Context, q storage.Querier, now social.Time, query string,
	h secretHash) (u use, err error) {
	var session, token social.ID
	var expires social.Time
	if err := q.QueryRow(ctx, query, h[:]).Scan(&session, &token, &expires); err != nil {
		return u, err
	}
	if !session.IsZero() {
		u, err = scanSession(q.QueryRow(ctx, selectSession+`s.id = $1`, session))
	} else {
		u, err = scanToken(q.QueryRow(ctx, selectToken+`t.id = $1`, token))
	}
	if err == nil && (expires <= now || expired(u.actor, now)) {
		return u, sql.ErrNoRows
	}
	return u, err
}
