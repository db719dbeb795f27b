package users

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Change is one field of a merge: not Set = as it was; Set with a nil Value = cleared.
type Change[T any] struct {
	Set   bool
	Value *T
}

// ProfileChange is what a person wants otherwise about the own account.
type ProfileChange struct {
	DisplayName   Change[string] // cleared: the username
	Bio           Change[string]
	AvatarMediaID Change[string] // nothing but cleared: media is not offered yet
	Locked        Change[bool]   // nothing but false: follow requests are not offered yet
	Bot           Change[bool]
	Locale        Change[string] // cleared: DefaultLocale
	TimeZone      Change[string] // cleared: DefaultTimeZone
	Email         Change[string]

	CurrentPassword *string // needed with Email; nil = not given
}

// UpdateMe changes the person's account and returns it. Either everything is changed or, with a fault, nothing.
// Another email has to be verified anew, and takes the password: whoever holds a session for a moment must not be able
// to keep the account by it. The faults beside validation_failed are those of ChangePassword.
func (s *Service) UpdateMe(ctx context.Context, a social.Actor, c ProfileChange) (Me, error) {
	bad := c.apply(&Me{})
	if c.Email.Set && c.CurrentPassword == nil {
		bad = append(bad, social.BodyField("/current_password", social.FieldRequired, "Another email needs the password."))
	}
	if len(bad) > 0 {
		return Me{}, social.Invalid(bad...)
	}
	kept := ""
	if c.Email.Set {
		var err error
		if kept, err = s.confirm(ctx, a, *c.CurrentPassword, nil); err != nil {
			return Me{}, social.Wrap(err, "users: update %s", a.UserID)
		}
	}
	var me Me
	err := s.db.InTx(ctx, func(tx storage.Tx) (err error) {
		if c.Email.Set {
			if err := stillPassword(ctx, tx, a.UserID, kept); err != nil {
				return err
			}
		}
		if me, err = s.meByID(ctx, tx, a.UserID); err != nil {
			return err
		}
		c.apply(&me)
		_, err = tx.Exec(ctx, `UPDATE users SET display_name = $1, bio = $2, bot = $3, locale = $4, time_zone = $5,
			email = $6, email_verified = $7, found_name = $8 WHERE id = $9`,
			me.DisplayName, me.Bio, storage.Bit(me.Bot), me.Locale, me.TimeZone, me.Email, storage.Bit(me.EmailVerified),
			foundForm(me.DisplayName), a.UserID)
		if err == nil && c.DisplayName.Set {
			err = changeNames(ctx, tx)
		}
		return err
	})
	return me, social.Wrap(err, "users: update %s", a.UserID)
}

// apply checks all fields and makes the change; with bad fields the account is of no use.
func (c ProfileChange) apply(me *Me) (bad []social.Field) {
	if c.DisplayName.Set {
		if me.DisplayName = me.Username; c.DisplayName.Value != nil {
			me.DisplayName, bad = checkText("/display_name", *c.DisplayName.Value, MaxDisplayName, false, bad)
		}
	}
	if c.Bio.Set {
		if me.Bio = ""; c.Bio.Value != nil {
			me.Bio, bad = checkText("/bio", *c.Bio.Value, MaxBio, true, bad)
		}
	}
	if c.AvatarMediaID.Value != nil {
		bad = append(bad, social.BodyField("/avatar_media_id", social.FieldNotAllowed, "Pictures are not supported yet."))
	}
	if v := c.Locked.Value; v != nil && *v {
		bad = append(bad, social.BodyField("/locked", social.FieldNotAllowed, "Follow requests are not supported yet."))
	}
	if c.Bot.Set {
		me.Bot = c.Bot.Value != nil && *c.Bot.Value
	}
	if c.Locale.Set {
		if me.Locale = DefaultLocale; c.Locale.Value != nil {
			me.Locale, bad = checkLocale("/locale", *c.Locale.Value, bad)
		}
	}
	if c.TimeZone.Set {
		if me.TimeZone = DefaultTimeZone; c.TimeZone.Value != nil {
			me.TimeZone, bad = checkTimeZone("/time_zone", *c.TimeZone.Value, bad)
		}
	}
	if c.Email.Set {
		was := me.Email
		if me.Email = nil; c.Email.Value != nil {
			me.Email, bad = checkEmail("/email", *c.Email.Value, bad)
		}
		if was == nil || me.Email == nil || *was != *me.Email {
			me.EmailVerified = false
		}
	}
	return bad
}
