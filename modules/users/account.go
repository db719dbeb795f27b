package users

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users/access"
	"github.com/belfry-social/belfry/storage"
)

// Registration describes a new account. A nil field was not given.
type Registration struct {
	Username    string
	Password    string
	DisplayName *string // the username
	Email       *string
	Locale      *string // DefaultLocale
	Invite      *string
}

// Welcome is the answer to a login and to a registration.
type Welcome struct {
	User    Me      `json:"user"`
	Session Session `json:"session"`

	// Secret is the session's, for the cookie only.
	Secret string `json:"-"`
}

// Register makes an account and signs it in. Faults: registration_closed, username_taken (reserved names too),
// validation_failed, rate_limited, overloaded.
func (s *Service) Register(ctx context.Context, r Registration, userAgent string) (Welcome, error) {
	if err := s.mayRegister(ctx, r.Invite); err != nil {
		return Welcome{}, err
	}
	draft, fields := draftAccount(r, social.RoleUser)
	fields = append(fields, checkNewPassword("/password", r.Password, draft.username)...)
	if len(fields) > 0 {
		return Welcome{}, social.Invalid(fields...)
	}
	if isReserved(draft.username, false) {
		return Welcome{}, usernameTaken()
	}
	if err := s.spend(social.BudgetRegister, social.AddressKey(social.AddressFrom(ctx))); err != nil {
		return Welcome{}, err
	}
	var err error
	address := social.AddressFrom(ctx)
	if draft.passwordHash, err = s.hasher.hash(ctx, turnOf(address, false), r.Password); err != nil {
		return Welcome{}, social.Wrap(err, "users: register")
	}
	var w Welcome
	defer s.ForgetReplaced(ctx)
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		if s.cfg.Registration == ModeInvite {
			if ok, err := s.UseInvite(ctx, tx, *r.Invite); err != nil {
				return err
			} else if !ok {
				return notInvited()
			}
		}
		if w.User, err = s.insert(ctx, tx, draft); err != nil {
			return err
		}
		if w.Session, w.Secret, err = s.Begin(ctx, tx, draft.id, userAgent); err != nil {
			return err
		}
		return s.SeeDevice(ctx, tx, draft.id, address, s.now())
	})
	return w, social.Wrap(err, "users: register")
}

// Login signs a person in by username. An unknown name, a wrong password and an account that is gone give the same
// fault, bad_credentials, after the same work. Attempts are counted, right or wrong, for the account from this
// address, for the address and for its wider networks, so nobody can lock out an account from another network. Wrong
// ones from devices that the account does not know are counted over all addresses: each makes the next of them wait
// longer, and nobody else.
func (s *Service) Login(ctx context.Context, login, password, userAgent string) (Welcome, error) {
	var w Welcome
	err := s.signIn(ctx, login, password, nil, func(tx storage.Tx, me Me) (err error) {
		w.User = me
		w.Session, w.Secret, err = s.Begin(ctx, tx, me.ID, userAgent)
		return err
	})
	return w, err
}

// LoginToken is Login with a personal token in place of the session. Faults beside those of Login: account_suspended,
// limit_reached.
func (s *Service) LoginToken(ctx context.Context, login, password string, d TokenDraft) (Token, error) {
	var t Token
	err := s.signIn(ctx, login, password, s.CheckPasswordToken(d), func(tx storage.Tx, me Me) (err error) {
		if me.State == StateSuspended {
			return access.Suspended()
		}
		t, err = s.IssueForPassword(ctx, tx, me.ID, d)
		return err
	})
	return t, err
}

// signIn checks a password and, in the transaction that finds it still valid, does what follows from it. bad is what is
// refused beside the password.
func (s *Service) signIn(ctx context.Context, login, password string, bad []social.Field,
	then func(storage.Tx, Me) error) error {
	wrong := social.NewFault(social.CodeBadCredentials, "Wrong username or password.")
	if fields := append(bad, checkGivenPassword("/password", password)...); len(fields) > 0 {
		return social.Invalid(fields...)
	}
	name, _ := FoldName(login) // "" is nobody's
	if err := s.spendLogin(ctx, name); err != nil {
		return err
	}
	id, kept, err := s.checkPassword(ctx, name, password)
	if err != nil {
		return social.Wrap(err, "users: login")
	}
	if id.IsZero() {
		return wrong
	}
	defer s.Forget(id)
	defer s.ForgetReplaced(ctx)
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		same, err := samePassword(ctx, tx, id, kept)
		if err != nil {
			return err
		}
		if !same {
			return wrong // changed, or the account ended, while the hash was computed
		}
		me, err := s.meByID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.SeeDevice(ctx, tx, id, social.AddressFrom(ctx), s.now()); err != nil {
			return err
		}
		return then(tx, me)
	})
	return social.Wrap(err, "users: login %s", id)
}

// checkPassword gives the account of that name and the hash that the password was found to be behind; zero = the
// password is wrong, or there is no such account.
func (s *Service) checkPassword(ctx context.Context, name, password string) (id social.ID, kept string, err error) {
	var known bool
	address := social.AddressFrom(ctx)
	err = s.db.Read(ctx, func(q storage.Querier) error {
		err := q.QueryRow(ctx, `SELECT id, password_hash FROM users WHERE username = $1 AND deleted_at IS NULL`,
			name).Scan(&id, &kept)
		found, err := storage.Found(err) // kept stays "" for nobody, which no password matches
		if !found {
			return err
		}
		known, err = s.KnowsDevice(ctx, q, id, address)
		return err
	})
	if err != nil {
		return id, kept, err
	}
	undo := func() {}
	if !known {
		var retry time.Duration
		var ok bool
		if undo, retry, ok = s.Ports.Limits.Guess(name, !id.IsZero()); !ok {
			return id, kept, limited(retry)
		}
	}
	match, err := s.hasher.verify(ctx, turnOf(address, known), password, kept)
	if match || err != nil {
		undo()
	}
	if !match {
		id = social.ID{}
	}
	return id, kept, err
}

// ChangePassword sets a new password, ends every other session, and with revokeTokens every personal token. The
// fault wrong_password when current is not the password; there are as many attempts as for logins from one address.
func (s *Service) ChangePassword(ctx context.Context, a social.Actor, current, fresh string, revokeTokens bool) error {
	kept, err := s.confirm(ctx, a, current, func(username string) []social.Field {
		return checkNewPassword("/new_password", fresh, username)
	})
	if err != nil {
		return social.Wrap(err, "users: change password of %s", a.UserID)
	}
	hash, err := s.hasher.hash(ctx, turnOf(social.AddressFrom(ctx), true), fresh)
	if err != nil {
		return social.Wrap(err, "users: change password of %s", a.UserID)
	}
	keep := a.SessionID.String()
	which := social.AccessRevokedData{KeepSessionID: &keep, KeepTokens: !revokeTokens}
	defer s.Forget(a.UserID)
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		if err := stillPassword(ctx, tx, a.UserID, kept); err != nil {
			return err
		}
		if err := s.setPassword(ctx, tx, a.UserID, hash, a.SessionID, which); err != nil {
			return err
		}
		return s.SeeDevice(ctx, tx, a.UserID, social.AddressFrom(ctx), s.now())
	})
	return social.Wrap(err, "users: change password of %s", a.UserID)
}

// confirm has a person give the password again, for what a session alone is not enough for. It returns the hash that
// matched, for stillPassword in the transaction to come. check is what else is wrong, found before anything is spent.
func (s *Service) confirm(ctx context.Context, a social.Actor, current string,
	check func(username string) []social.Field) (kept string, err error) {
	var username string
	err = s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT username, password_hash FROM users WHERE id = $1 AND deleted_at IS NULL`,
			a.UserID).Scan(&username, &kept)
	})
	if err != nil {
		return "", storage.Absent(err)
	}
	fields := checkGivenPassword("/current_password", current)
	if check != nil {
		fields = append(fields, check(username)...)
	}
	if len(fields) > 0 {
		return "", social.Invalid(fields...)
	}
	// Only who is signed in comes here: all addresses together have the attempts of one.
	if err := s.spendAttempt(ctx, "change of "+a.UserID.String()); err != nil {
		return "", err
	}
	match, err := s.hasher.verify(ctx, turnOf(social.AddressFrom(ctx), true), current, kept)
	if err == nil && !match {
		err = wrongPassword()
	}
	return kept, err
}

// stillPassword gives wrong_password unless the account still has the password that was confirmed.
func stillPassword(ctx context.Context, q storage.Querier, id social.ID, kept string) error {
	same, err := samePassword(ctx, q, id, kept)
	if err == nil && !same {
		err = wrongPassword()
	}
	return err
}

func wrongPassword() *social.Fault {
	return social.NewFault(social.CodeWrongPassword, "Wrong password.")
}

// setPassword writes a password's hash and ends what the old one gave: every session but keep, and tokens unless
// they are kept.
func (s *Service) setPassword(ctx context.Context, tx storage.Tx, id social.ID, hash string, keep social.ID,
	which social.AccessRevokedData) error {
	if _, err := tx.Exec(ctx, `UPDATE users SET password_hash = $1 WHERE id = $2`, hash, id); err != nil {
		return err
	}
	if err := s.End(ctx, tx, id, keep, !which.KeepTokens); err != nil {
		return err
	}
	return s.Revoke(ctx, tx, id, which)
}

// samePassword reports whether the account is still there with the password that was verified.
func samePassword(ctx context.Context, q storage.Querier, id social.ID, kept string) (bool, error) {
	var now string
	err := q.QueryRow(ctx, `SELECT password_hash FROM users WHERE id = $1 AND deleted_at IS NULL`, id).Scan(&now)
	found, err := storage.Found(err)
	return found && now == kept, err
}

// spendLogin takes one of the address's and one of the account's attempts from this address. What is no username
// shares one account.
func (s *Service) spendLogin(ctx context.Context, username string) error {
	return s.spendAttempt(ctx, username+" "+social.AddressKey(social.AddressFrom(ctx)))
}

func (s *Service) spendAttempt(ctx context.Context, at string) error {
	if err := s.spend(social.BudgetLoginAddress, social.AddressKey(social.AddressFrom(ctx))); err != nil {
		return err
	}
	return s.spend(social.BudgetLoginAccount, at)
}

// mayRegister answers by the mode of registration before any work is done.
func (s *Service) mayRegister(ctx context.Context, invite *string) error {
	switch {
	case s.cfg.Registration == ModeClosed:
		return social.NewFault(social.CodeRegistrationClosed, "Registration is closed.")
	case s.cfg.Registration != ModeInvite:
		return nil
	case invite == nil:
		return notInvited()
	}
	if ok, err := s.CheckInvite(ctx, *invite); err != nil {
		return err
	} else if !ok {
		return notInvited()
	}
	return nil
}

func notInvited() *social.Fault {
	return social.NewFault(social.CodeRegistrationClosed, "Registration needs a valid invite.")
}

func usernameTaken() *social.Fault {
	return social.NewFault(social.CodeUsernameTaken, "This username is taken.")
}
