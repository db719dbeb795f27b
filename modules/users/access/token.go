package access

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// MaxTokens bounds the personal tokens of one person.
const MaxTokens = 50

// maxTokenName bounds the names of personal and service tokens, in code points.
const maxTokenName = 60

// Token is a personal token. Its secret is shown by the answer that made it and never again.
type Token struct {
	ID         social.ID      `json:"id"`
	Name       string         `json:"name"`
	Scopes     []social.Scope `json:"scopes" nullable:"false"`
	Token      *string        `json:"token" doc:"The secret, in the answer that made it; else null."`
	CreatedAt  social.Time    `json:"created_at"`
	LastUsedAt *social.Time   `json:"last_used_at" doc:"Noted at most every 5 minutes."`
	ExpiresAt  *social.Time   `json:"expires_at"`

	key int64
}

// TokenDraft is what a person gives for a new token.
type TokenDraft struct {
	Name      string
	Scopes    []social.Scope
	ExpiresAt *social.Time // nil = never
}

// IssueToken makes a personal token for the person; the operator acts without a session. A replay of once gives the
// token without its secret. Faults: validation_failed (a scope that is none, or that the role lacks), limit_reached,
// invalid_token (the session has ended meanwhile).
func (s *Service) IssueToken(ctx context.Context, a social.Actor, d TokenDraft, once *storage.Once) (Token, error) {
	if fields := s.checkToken(a.Role, d); len(fields) > 0 {
		return Token{}, social.Invalid(fields...)
	}
	fresh, secret, hash := s.newToken(d)
	var t Token
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		t = Token{}
		if !a.SessionID.IsZero() {
			if err := stillIn(ctx, tx, a); err != nil {
				return err
			}
		}
		if done, err := once.Begin(ctx, tx, &t); done || err != nil {
			return err
		}
		t = fresh
		if err := s.insertToken(ctx, tx, a.UserID, t, hash); err != nil {
			return err
		}
		if err := once.Save(ctx, tx, t); err != nil {
			return err
		}
		t.Token = &secret
		return s.Audit(ctx, tx, "token create", a.UserID, t.ID.String()+" "+joinScopes(t.Scopes))
	})
	return t, social.Wrap(err, "users: token for %s", a.UserID)
}

// CheckPasswordToken checks what is wanted of a token for a password: moderation and administration are not.
func (s *Service) CheckPasswordToken(d TokenDraft) []social.Field {
	return s.checkToken(social.RoleUser, d)
}

// IssueForPassword writes, in tx, a token for a person who has just given the password; its secret is in the answer.
// At MaxTokens it takes the place of the one of its name that was used longest ago, so that a program that signs in
// again and again is never shut out by its own tokens. The fault limit_reached if no token has its name. Call Forget
// after the commit.
func (s *Service) IssueForPassword(ctx context.Context, tx storage.Tx, person social.ID, d TokenDraft) (Token, error) {
	t, secret, hash := s.newToken(d)
	err := s.insertToken(ctx, tx, person, t, hash)
	if social.IsFault(err, social.CodeLimitReached) {
		var old social.ID
		found := tx.QueryRow(ctx, `SELECT id FROM tokens WHERE user_id = $1 AND name = $2
			ORDER BY COALESCE(last_used_at, created_at), key LIMIT 1`, person, t.Name).Scan(&old)
		if errors.Is(found, sql.ErrNoRows) {
			return Token{}, err
		}
		if err = found; err == nil {
			err = s.removeToken(ctx, tx, person, old)
		}
		if err == nil {
			err = s.insertToken(ctx, tx, person, t, hash)
		}
	}
	t.Token = &secret
	return t, err
}

// newToken makes a token that is not written yet.
func (s *Service) newToken(d TokenDraft) (Token, string, secretHash) {
	secret, hash := newSecret(tokenPrefix)
	return Token{ID: social.NewID(), Name: d.Name, Scopes: d.Scopes, CreatedAt: s.clock.Now(), ExpiresAt: d.ExpiresAt},
		secret, hash
}

func (s *Service) insertToken(ctx context.Context, tx storage.Tx, user social.ID, t Token, hash secretHash) error {
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM tokens WHERE user_id = $1`, user).Scan(&n); err != nil {
		return err
	}
	if n >= MaxTokens {
		return social.NewFault(social.CodeLimitReached, "You have 50 tokens. Delete one first.")
	}
	key, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO tokens (id, key, user_id, name, hash, scopes, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		t.ID, key, user, t.Name, hash[:], joinScopes(t.Scopes), int64(t.CreatedAt), t.ExpiresAt)
	return err
}

// Tokens lists the person's tokens, newest first, expired ones too, without secrets.
func (s *Service) Tokens(ctx context.Context, a social.Actor, q social.PageQuery) (social.List[Token], error) {
	return list(ctx, s, a, "tokens", q, func(t Token) int64 { return t.key }, func(row storage.Row) (t Token, err error) {
		var scopes string
		err = row.Scan(&t.ID, &t.key, &t.Name, &scopes, &t.CreatedAt, &t.LastUsedAt, &t.ExpiresAt)
		t.Scopes = splitScopes(scopes)
		return t, err
	}, `SELECT id, key, name, scopes, created_at, last_used_at, expires_at FROM tokens WHERE TRUE`)
}

// EndToken removes one of the person's tokens, with its tickets and streams. NotFound for another's, or none.
func (s *Service) EndToken(ctx context.Context, a social.Actor, id social.ID) error {
	defer s.Forget(a.UserID)
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		if err := s.removeToken(ctx, tx, a.UserID, id); err != nil {
			return err
		}
		return s.Audit(ctx, tx, "token delete", a.UserID, id.String())
	})
	return social.Wrap(err, "users: end token %s", id)
}

// removeToken removes a token and announces its end.
func (s *Service) removeToken(ctx context.Context, tx storage.Tx, person, id social.ID) error {
	n, err := tx.Exec(ctx, `DELETE FROM tokens WHERE id = $1 AND user_id = $2`, id, person)
	if err != nil {
		return err
	}
	if n == 0 {
		return social.NotFound()
	}
	text := id.String()
	return s.Revoke(ctx, tx, person, social.AccessRevokedData{TokenID: &text})
}

func (s *Service) checkToken(role social.Role, d TokenDraft) []social.Field {
	fields := append(checkTokenName(d.Name), checkScopes(role, d.Scopes)...)
	if d.ExpiresAt != nil && *d.ExpiresAt <= s.clock.Now() {
		fields = append(fields, social.BodyField("/expires_at", social.FieldTooSmall, "A time in the future."))
	}
	return fields
}

func checkTokenName(name string) []social.Field {
	if !social.Visible(name) {
		return []social.Field{social.BodyField("/name", social.FieldTooShort, "At least 1 character that shows.")}
	}
	if !social.Line(name) {
		return []social.Field{social.BodyField("/name", social.FieldBadFormat, social.NotALine)}
	}
	if utf8.RuneCountInString(norm.NFC.String(name)) > maxTokenName {
		return []social.Field{social.BodyField("/name", social.FieldTooLong, "At most 60 characters.")}
	}
	return nil
}

// personalScopes are what a role may put into a token.
func personalScopes(role social.Role) []social.Scope {
	scopes := []social.Scope{social.ScopeRead, social.ScopeEvents, social.ScopeWritePosts, social.ScopeWriteFollows,
		social.ScopeWriteNotifications, social.ScopeWriteAccount}
	if role == social.RoleModerator || role == social.RoleAdmin {
		scopes = append(scopes, social.ScopeModerate)
	}
	if role == social.RoleAdmin {
		scopes = append(scopes, social.ScopeAdmin)
	}
	return scopes
}

func checkScopes(role social.Role, scopes []social.Scope) []social.Field {
	known := append(personalScopes(social.RoleAdmin), social.ScopeNotifySend)
	switch {
	case len(scopes) == 0:
		return []social.Field{social.BodyField("/scopes", social.FieldTooShort, "At least one scope.")}
	case len(scopes) > len(known):
		return []social.Field{social.BodyField("/scopes", social.FieldTooMany, "Too many scopes.")}
	}
	own := personalScopes(role)
	oneOf := "One of " + strings.ReplaceAll(joinScopes(own), " ", ", ") + "."
	var bad []social.Field
	for i, scope := range scopes {
		pointer := "/scopes/" + strconv.Itoa(i)
		switch {
		case !slices.Contains(known, scope):
			bad = append(bad, social.BodyField(pointer, social.FieldBadFormat, oneOf))
		case slices.Contains(scopes[:i], scope):
			bad = append(bad, social.BodyField(pointer, social.FieldDuplicate, "Give each scope once."))
		case !slices.Contains(own, scope):
			detail := "The role does not allow this scope. " + oneOf
			bad = append(bad, social.BodyField(pointer, social.FieldNotAllowed, detail))
		}
	}
	return bad
}
