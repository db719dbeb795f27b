package access

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
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

// Begin writes, in tx, a session of the person from the request in ctx, in the place of those whose cookies it brings
// (WithCookies), since the browser keeps one only; and ends the oldest ones over MaxSessions. It returns the session
// and its secret, which is for the cookie only. Call ForgetReplaced, and Forget, after the commit.
func (s *Service) Begin(ctx context.Context, tx storage.Tx, person social.ID, agent string) (Session, string, error) {
	now := s.clock.Now()
	it := Session{
		ID: social.NewID(), Current: true, UserAgent: plainUserAgent(agent), Address: social.AddressFrom(ctx),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(min(s.cfg.SessionIdle, s.cfg.SessionMax)),
	}
	secret, hash := newSecret("")
	if err := s.replace(ctx, tx); err != nil {
		return it, "", err
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return it, "", err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sessions
		(id, key, user_id, hash, user_agent, address, created_at, last_used_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		it.ID, key, person, hash[:], it.UserAgent, it.Address, int64(it.CreatedAt), int64(it.LastUsedAt), int64(it.ExpiresAt))
	if err != nil {
		return it, "", err
	}
	over, err := storage.All(ctx, tx, storage.One[social.ID],
		`SELECT id FROM sessions WHERE user_id = $1 ORDER BY key DESC LIMIT 8 OFFSET $2`, person, MaxSessions)
	if err != nil {
		return it, "", err
	}
	for _, id := range over {
		if err := s.removeSession(ctx, tx, person, id); err != nil {
			return it, "", err
		}
	}
	return it, secret, nil
}

// plainUserAgent cuts a header and removes unprintable characters, because people are shown it.
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
	scan := func(row storage.Row) (it Session, err error) {
		err = row.Scan(&it.ID, &it.key, &it.UserAgent, &it.Address, &it.CreatedAt, &it.LastUsedAt, &it.ExpiresAt)
		it.Current = it.ID == a.SessionID
		return it, err
	}
	return list(ctx, s, a, "sessions", q, func(it Session) int64 { return it.key }, scan,
		`SELECT id, key, user_agent, address, created_at, last_used_at, expires_at FROM sessions WHERE expires_at > $4`,
		int64(s.clock.Now()))
}

// list gives a page of what a person has, newest first. query has a condition, whose arguments begin at $4.
func list[T any](ctx context.Context, s *Service, a social.Actor, name string, page social.PageQuery, key func(T) int64,
	scan func(storage.Row) (T, error), query string, args ...any) (out social.List[T], err error) {
	scope := social.PageScope{List: name, Person: a.UserID}
	err = s.db.Read(ctx, func(q storage.Querier) error {
		out, err = social.PageOf(s.pages, scope, page, false, key, func(w social.Window) ([]T, error) {
			args := append([]any{a.UserID, w.From(), w.Limit}, args...)
			return storage.All(ctx, q, scan, query+` AND user_id = $1`+w.Clause("key", 2), args...)
		})
		return err
	})
	return out, social.Wrap(err, "users: %s of %s", name, a.UserID)
}

type cookiesKey struct{}

// WithCookies puts a request's Cookie header into ctx, for Begin.
func WithCookies(ctx context.Context, header string) context.Context {
	return context.WithValue(ctx, cookiesKey{}, header)
}

// maxReplaced bounds the cookies of one request that are looked at.
const maxReplaced = 32

// cookiesOf are the hashes of the secrets in the cookies in ctx.
func (s *Service) cookiesOf(ctx context.Context) (list []secretHash) {
	header, _ := ctx.Value(cookiesKey{}).(string)
	cookies := (&http.Request{Header: http.Header{"Cookie": {header}}}).Cookies() // what cannot be read is left out
	for _, c := range cookies[:min(len(cookies), maxReplaced)] {
		if hash, ok := hashOf(c.Value, ""); ok && c.Name == s.cookie.Name {
			list = append(list, hash)
		}
	}
	return list
}

// replace ends, in tx, the sessions of the cookies in ctx, whosesoever they are.
func (s *Service) replace(ctx context.Context, tx storage.Tx) error {
	for _, hash := range s.cookiesOf(ctx) {
		var id, person social.ID
		err := tx.QueryRow(ctx, `SELECT id, user_id FROM sessions WHERE hash = $1`, hash[:]).Scan(&id, &person)
		found, err := storage.Found(err)
		if found {
			err = s.removeSession(ctx, tx, person, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Logout ends the session that asks, or the personal token.
func (s *Service) Logout(ctx context.Context, a social.Actor) error {
	if !a.TokenID.IsZero() {
		return s.EndToken(ctx, a, a.TokenID)
	}
	return s.EndSession(ctx, a, a.SessionID)
}

// EndSession ends one of the person's sessions, with its tickets and streams. NotFound for another's, or none.
func (s *Service) EndSession(ctx context.Context, a social.Actor, id social.ID) error {
	defer s.Forget(a.UserID)
	err := s.db.InTx(ctx, func(tx storage.Tx) error { return s.removeSession(ctx, tx, a.UserID, id) })
	return social.Wrap(err, "users: end session %s", id)
}

// removeSession removes a session and announces its end.
func (s *Service) removeSession(ctx context.Context, tx storage.Tx, person, id social.ID) error {
	n, err := tx.Exec(ctx, `DELETE FROM sessions WHERE id = $1 AND user_id = $2`, id, person)
	if err != nil {
		return err
	}
	if n == 0 {
		return social.NotFound()
	}
	text := id.String()
	return s.Revoke(ctx, tx, person, social.AccessRevokedData{SessionID: &text})
}
