package users

import (
	"context"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

const (
	// MaxSessions bounds the sessions of one person. A login beyond it ends the one that began first.
	MaxSessions = 100
	// maxUserAgent bounds, in code points, what is kept of a User-Agent.
	maxUserAgent = 200
)

// Session is one signed-in browser or program, without its secret.
type Session struct {
	ID         social.ID   `json:"id"`
	Current    bool        `json:"current" doc:"The session that asks."`
	UserAgent  string      `json:"user_agent"`
	Address    string      `json:"address"`
	CreatedAt  social.Time `json:"created_at"`
	LastUsedAt social.Time `json:"last_used_at" doc:"Noted at most every 5 minutes."`
	ExpiresAt  social.Time `json:"expires_at"`

	key int64
}

// beginSession writes a session for user and ends the oldest ones over MaxSessions, which it returns: their cached
// access has to be forgotten.
func (s *Service) beginSession(ctx context.Context, tx storage.Tx, user social.ID, it Session, hash secretHash) ([]social.ID, error) {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sessions (id, key, user_id, hash, user_agent, address, created_at, last_used_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		it.ID, key, user, hash[:], it.UserAgent, it.Address, int64(it.CreatedAt), int64(it.LastUsedAt), int64(it.ExpiresAt))
	if err != nil {
		return nil, err
	}
	var over []social.ID
	err = eachRow(ctx, tx, scanIDs(&over), `SELECT id FROM sessions WHERE user_id = $1 ORDER BY key DESC LIMIT 8 OFFSET $2`, user, MaxSessions)
	if err != nil {
		return nil, err
	}
	for _, id := range over {
		if err := s.removeSession(ctx, tx, user, id); err != nil {
			return nil, err
		}
	}
	return over, nil
}

// newSession is a session that begins now, from the request in ctx.
func (s *Service) newSession(ctx context.Context, userAgent string) Session {
	now := s.now()
	return Session{
		ID: social.NewID(), Current: true, UserAgent: plainUserAgent(userAgent), Address: social.AddressFrom(ctx),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(min(s.cfg.SessionIdle, s.cfg.SessionMax)),
	}
}

// plainUserAgent cuts a header and takes out what is not printable; both are shown to people.
func plainUserAgent(header string) string {
	plain := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(header, "")))
	return string(plain[:min(len(plain), maxUserAgent)])
}

// Sessions lists the person's sessions, newest login first. Expired ones are not shown.
func (s *Service) Sessions(ctx context.Context, a social.Actor, q social.PageQuery) (social.List[Session], error) {
	now := s.now()
	scope := social.PageScope{List: "sessions", Person: a.UserID}
	var page social.List[Session]
	err := s.db.Read(ctx, func(r storage.Querier) (err error) {
		page, err = social.PageOf(s.pages, scope, q, false, func(it Session) int64 { return it.key }, func(w social.Window) ([]Session, error) {
			var list []Session
			return list, eachRow(ctx, r, func(rows storage.Rows) error {
				var it Session
				err := rows.Scan(&it.ID, &it.key, &it.UserAgent, &it.Address, &it.CreatedAt, &it.LastUsedAt, &it.ExpiresAt)
				it.Current = it.ID == a.SessionID
				list = append(list, it)
				return err
			}, `SELECT id, key, user_agent, address, created_at, last_used_at, expires_at FROM sessions
				WHERE user_id = $1 AND expires_at > $2`+windowTail(w, 3), windowArgs(w, a.UserID, int64(now))...)
		})
		return err
	})
	return page, wrap(err, "users: sessions of %s", a.UserID)
}

// Logout ends the session that asks.
func (s *Service) Logout(ctx context.Context, a social.Actor) error {
	return s.EndSession(ctx, a, a.SessionID)
}

// EndSession ends one of the person's sessions, with its tickets and streams. NotFound for another's, or none.
func (s *Service) EndSession(ctx context.Context, a social.Actor, id social.ID) error {
	err := s.inTx(ctx, ofSession(id), func(tx storage.Tx) error { return s.removeSession(ctx, tx, a.UserID, id) })
	return wrap(err, "users: end session %s", id)
}

// removeSession removes a session and tells every node to close its streams.
func (s *Service) removeSession(ctx context.Context, tx storage.Tx, user, id social.ID) error {
	n, err := tx.Exec(ctx, `DELETE FROM sessions WHERE id = $1 AND user_id = $2`, id, user)
	if err != nil {
		return err
	}
	if n == 0 {
		return social.NotFound()
	}
	text := id.String()
	return s.revoke(ctx, tx, user, social.AccessRevokedData{SessionID: &text})
}

// revoke announces, inside the transaction that ends it, that access has ended.
func (s *Service) revoke(ctx context.Context, tx storage.Tx, user social.ID, which social.AccessRevokedData) error {
	data, err := json.Marshal(which)
	if err != nil {
		return err
	}
	return outbox.Announce(ctx, tx, outbox.Announcement{
		Stream: social.Stream{Kind: social.To, User: user}, Type: social.EventAccessRevoked, Internal: true, Time: s.now(), Data: data,
	})
}

// scanIDs collects the ids of a query of one column.
func scanIDs(list *[]social.ID) func(storage.Rows) error {
	*list = nil
	return func(rows storage.Rows) error {
		var id social.ID
		err := rows.Scan(&id)
		*list = append(*list, id)
		return err
	}
}
