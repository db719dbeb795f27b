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
}

// UpdateMe changes the person's account and returns it. Either everything is changed or, with a fault, nothing.
// Another email has to be verified anew.
func (s *Service) UpdateMe(ctx context.Context, a social.Actor, c ProfileChange) (Me, error) {
	next, email, bad := checkProfile(c)
	if len(bad) > 0 {
		return Me{}, social.Invalid(bad...)
	}
	var me Me
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		was, err := s.meByID(ctx, tx, a.UserID)
		if err != nil {
			return err
		}
		me = was
		next(&me)
		if c.Email.Set && (email == nil || was.Email == nil || *email != *was.Email) {
			me.Email, me.EmailVerified = email, false
		}
		_, err = tx.Exec(ctx, `UPDATE users SET display_name = $1, bio = $2, bot = $3, locale = $4, time_zone = $5, email = $6, email_verified = $7
			WHERE id = $8`, me.DisplayName, me.Bio, flag(me.Bot), me.Locale, me.TimeZone, me.Email, flag(me.EmailVerified), a.UserID)
		return err
	})
	if err != nil {
		return Me{}, social.Wrap(err, "users: update %s", a.UserID)
	}
	return me, nil
}

// checkProfile checks all fields and gives what makes the change, and the email apart.
func checkProfile(c ProfileChange) (apply func(*Me), email *string, bad []social.Field) {
	var name, bio string
	locale, zone := DefaultLocale, DefaultTimeZone
	if v := c.DisplayName.Value; v != nil {
		name, bad = checkLine("/display_name", *v, MaxDisplayName, bad)
	}
	if v := c.Bio.Value; v != nil {
		bio, bad = checkText("/bio", *v, MaxBio, bad)
	}
	if c.AvatarMediaID.Value != nil {
		bad = append(bad, social.BodyField("/avatar_media_id", social.FieldNotAllowed, "Pictures are not offered here yet."))
	}
	if v := c.Locked.Value; v != nil && *v {
		bad = append(bad, social.BodyField("/locked", social.FieldNotAllowed, "Follow requests are not offered here yet."))
	}
	if v := c.Locale.Value; v != nil {
		locale, bad = checkLocale("/locale", *v, bad)
	}
	if v := c.TimeZone.Value; v != nil {
		zone, bad = checkTimeZone("/time_zone", *v, bad)
	}
	if v := c.Email.Value; v != nil {
		email, bad = checkEmail("/email", *v, bad)
	}
	return func(me *Me) {
		if c.DisplayName.Set {
			me.DisplayName = name
			if c.DisplayName.Value == nil {
				me.DisplayName = me.Username
			}
		}
		if c.Bio.Set {
			me.Bio = bio
		}
		if c.Bot.Set {
			me.Bot = c.Bot.Value != nil && *c.Bot.Value
		}
		if c.Locale.Set {
			me.Locale = locale
		}
		if c.TimeZone.Set {
			me.TimeZone = zone
		}
	}, email, bad
}

// flag is a boolean as both stores keep it.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
