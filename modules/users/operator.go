package users

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users/access"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// Add makes an account without signing it in. The command line calls it, so the mode of registration, its budget
// and the names kept for the site's offices do not count; the rules for passwords and names do. An empty
// displayName is the username.
func (s *Service) Add(ctx context.Context, username, password string, role social.Role,
	displayName string) (Me, error) {
	r := Registration{Username: username, Password: password}
	if displayName != "" {
		r.DisplayName = &displayName
	}
	d, fields := draftAccount(r, role)
	fields = append(fields, checkRole(role)...)
	fields = append(fields, checkNewPassword("/password", password, d.username)...)
	if len(fields) > 0 {
		return Me{}, social.Invalid(fields...)
	}
	if isReserved(d.username, true) {
		return Me{}, usernameTaken()
	}
	hash, err := s.hasher.hash(ctx, turn{known: true}, password)
	if err != nil {
		return Me{}, social.Wrap(err, "users: add %s", d.username)
	}
	d.passwordHash = hash
	var me Me
	err = s.db.InTx(ctx, func(tx storage.Tx) (err error) {
		if me, err = s.insert(ctx, tx, d); err != nil {
			return err
		}
		return s.Audit(ctx, tx, "user add", me.ID, "role "+string(me.Role))
	})
	return me, social.Wrap(err, "users: add %s", d.username)
}

// ResetPassword sets a password without the old one, for an account that somebody else may have: it ends every session
// and personal token, and switches off where notifications are sent.
func (s *Service) ResetPassword(ctx context.Context, username, password string) error {
	name, _ := FoldName(username)
	if fields := checkNewPassword("/password", password, name); len(fields) > 0 {
		return social.Invalid(fields...)
	}
	hash, err := s.hasher.hash(ctx, turn{known: true}, password)
	if err != nil {
		return social.Wrap(err, "users: reset password of %s", name)
	}
	return s.onAccount(ctx, "reset-password", "", username, func(tx storage.Tx, id social.ID) error {
		if err := s.setPassword(ctx, tx, id, hash, social.ID{}, social.AccessRevokedData{}); err != nil {
			return err
		}
		return s.bus.Emit(ctx, tx, event.AccessReset{UserID: id, At: s.now()})
	})
}

// SignOut ends every session and personal token of an account, and switches off where its notifications are sent. The
// password stays.
func (s *Service) SignOut(ctx context.Context, username string) error {
	return s.onAccount(ctx, "sign-out", "", username, func(tx storage.Tx, id social.ID) error {
		if err := s.End(ctx, tx, id, social.ID{}, true); err != nil {
			return err
		}
		if err := s.Revoke(ctx, tx, id, social.AccessRevokedData{}); err != nil {
			return err
		}
		return s.bus.Emit(ctx, tx, event.AccessReset{UserID: id, At: s.now()})
	})
}

// List gives all accounts, newest first, with their private part.
func (s *Service) List(ctx context.Context, page social.PageQuery) (out social.List[Me], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		scope, key := social.PageScope{List: "users"}, func(me Me) int64 { return me.key }
		out, err = social.PageOf(s.pages, scope, page, false, key, func(w social.Window) ([]Me, error) {
			return storage.All(ctx, q, s.scanMe, `SELECT `+meColumns+` FROM users WHERE deleted_at IS NULL`+
				w.Clause("key", 1), w.From(), w.Limit)
		})
		return err
	})
	return out, social.Wrap(err, "users: list")
}

// SetRole changes what an account may do. It holds from the next request on.
func (s *Service) SetRole(ctx context.Context, username string, role social.Role) error {
	if fields := checkRole(role); len(fields) > 0 {
		return social.Invalid(fields...)
	}
	return s.onAccount(ctx, "role", "role "+string(role), username, func(tx storage.Tx, id social.ID) error {
		_, err := tx.Exec(ctx, `UPDATE users SET role = $1 WHERE id = $2`, string(role), id)
		return err
	})
}

// Suspend lets a person only look at the own account and leave, until Restore: sessions and tokens open nothing else
// from the next request on, and streams end at once. The fault invalid_state when the account is suspended already.
func (s *Service) Suspend(ctx context.Context, username string) error {
	return s.onAccount(ctx, "suspend", "", username, func(tx storage.Tx, id social.ID) error {
		if err := changeState(ctx, tx, id, StateActive, StateSuspended); err != nil {
			return err
		}
		return s.Revoke(ctx, tx, id, social.AccessRevokedData{})
	})
}

// Restore ends a suspension. The fault invalid_state when there is none.
func (s *Service) Restore(ctx context.Context, username string) error {
	return s.onAccount(ctx, "restore", "", username, func(tx storage.Tx, id social.ID) error {
		if err := changeState(ctx, tx, id, StateSuspended, StateActive); err != nil {
			return err
		}
		return s.Readmit(ctx, tx, id)
	})
}

func changeState(ctx context.Context, tx storage.Tx, id social.ID, from, to string) error {
	n, err := tx.Exec(ctx, `UPDATE users SET state = $1 WHERE id = $2 AND state = $3`, to, id, from)
	if err == nil && n == 0 {
		err = social.NewFault(social.CodeInvalidState, "This account is "+to+" already.")
	}
	return err
}

// CreateToken makes a personal token for a person that ends after lasts; 0 = never. As for IssueToken, the role
// bounds the scopes.
func (s *Service) CreateToken(ctx context.Context, username, name string, scopes []social.Scope,
	lasts time.Duration) (Token, error) {
	a, err := s.owner(ctx, username)
	if err != nil {
		return Token{}, err
	}
	d := TokenDraft{Name: name, Scopes: scopes}
	if lasts > 0 {
		at := s.clock.Now().Add(lasts)
		d.ExpiresAt = &at
	}
	return s.IssueToken(ctx, a, d, nil)
}

// TokensOf lists the personal tokens of a person, newest first, without secrets.
func (s *Service) TokensOf(ctx context.Context, username string) ([]Token, error) {
	a, err := s.owner(ctx, username)
	if err != nil {
		return nil, err
	}
	page, err := s.Tokens(ctx, a, social.PageQuery{Limit: access.MaxTokens})
	return page.Items, err
}

// RevokeToken ends a personal token of a person; their streams opened with it end too.
func (s *Service) RevokeToken(ctx context.Context, username string, id social.ID) error {
	a, err := s.owner(ctx, username)
	if err != nil {
		return err
	}
	return s.EndToken(ctx, a, id)
}

// owner is the person a token is made for, with nothing but id and role.
func (s *Service) owner(ctx context.Context, username string) (social.Actor, error) {
	a := social.Actor{}
	folded, _ := FoldName(username)
	err := s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT id, role FROM users WHERE username = $1 AND deleted_at IS NULL`,
			folded).Scan(&a.UserID, &a.Role)
	})
	return a, social.Wrap(storage.Absent(err), "users: token for %s", folded)
}

// Delete ends an account for good. From the commit on it is absent everywhere, and its name is never given out
// again. One transaction, in this order:
//
//  1. the row is emptied, sessions, tokens, tickets and kept answers to repeatable requests are removed;
//  2. outbox.Erase: everything of the person that stands before it in the log vanishes;
//  3. access.revoked, which stands behind the erasure and is heard: every node closes the person's streams;
//  4. user.deleted, which tells the followers;
//  5. event.UserDeleted: what other modules announce about the ending stands behind the erasure as well.
func (s *Service) Delete(ctx context.Context, username string) error {
	return s.onAccount(ctx, "delete", "", username, func(tx storage.Tx, id social.ID) error {
		now := s.now()
		name, _ := FoldName(username)
		if err := s.empty(ctx, tx, id, name, now); err != nil {
			return err
		}
		if err := storage.EraseOnce(ctx, tx, id); err != nil {
			return err
		}
		if err := outbox.Erase(ctx, tx, now, id); err != nil {
			return err
		}
		if err := s.Revoke(ctx, tx, id, social.AccessRevokedData{}); err != nil {
			return err
		}
		at, err := s.announceEnd(ctx, tx, id, now)
		if err != nil {
			return err
		}
		return s.bus.Emit(ctx, tx, event.UserDeleted{UserID: id, At: now, Position: at})
	})
}

// DeletedData is the data of user.deleted.
type DeletedData struct {
	ID social.ID `json:"id"`
}

// announceEnd tells the followers of an account that it has ended: the last event of its by: stream, and behind the
// erase entry the only one. Behind the revocation, channels that have it in memory need not ask the log for it.
func (s *Service) announceEnd(ctx context.Context, tx storage.Tx, id social.ID,
	now social.Time) (social.Position, error) {
	data, err := json.Marshal(DeletedData{ID: id})
	if err != nil {
		return 0, err
	}
	at, err := outbox.Add(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.By, User: id},
		Type: social.EventUserDeleted, Time: now, Data: data})
	return social.Position(at), err
}

// empty leaves the id of an account and nothing of the person.
func (s *Service) empty(ctx context.Context, tx storage.Tx, id social.ID, name string, now social.Time) error {
	retired := sha256.Sum256([]byte(name))
	if _, err := tx.Exec(ctx, `INSERT INTO retired_names (hash) VALUES ($1)`, retired[:]); err != nil {
		return err
	}
	// An id is no username, so the column stays unique.
	_, err := tx.Exec(ctx, `UPDATE users SET username = $1, display_name = '', bio = '', avatar = NULL, bot = 0,
		locked = 0, email = NULL, email_verified = 0, role = 'user', state = 'deleting', locale = 'en', time_zone = 'UTC',
		password_hash = '', followers_count = 0, following_count = 0, posts_count = 0, deleted_at = $2,
		found_name = NULL, active_key = 0
		WHERE id = $3`, id.String(), int64(now), id)
	if err == nil {
		err = changeNames(ctx, tx)
	}
	if err != nil {
		return err
	}
	if err := s.ForgetDevices(ctx, tx, id); err != nil {
		return err
	}
	return s.End(ctx, tx, id, social.ID{}, true)
}

// onAccount runs fn in a transaction for the account with this name, notes it in the audit and forgets its checked
// secrets afterwards. act is the command behind "user", detail what the audit tells beside it. NotFound when there is
// no such account.
func (s *Service) onAccount(ctx context.Context, act, detail, username string,
	fn func(tx storage.Tx, id social.ID) error) error {
	name, _ := FoldName(username)
	var id social.ID
	defer func() { s.Forget(id) }()
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		err := tx.QueryRow(ctx, `SELECT id FROM users WHERE username = $1 AND deleted_at IS NULL`, name).Scan(&id)
		if err != nil {
			return storage.Absent(err)
		}
		if err := fn(tx, id); err != nil {
			return err
		}
		return s.Audit(ctx, tx, "user "+act, id, detail)
	})
	return social.Wrap(err, "users: %s %s", act, name)
}

func checkRole(role social.Role) []social.Field {
	switch role {
	case social.RoleUser, social.RoleModerator, social.RoleAdmin:
		return nil
	}
	return []social.Field{social.BodyField("/role", social.FieldBadFormat, "One of user, moderator, admin.")}
}
