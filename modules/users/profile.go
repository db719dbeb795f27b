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
	AvatarMediaID Change[string] // cleared: none
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
		if err == nil && c.AvatarMediaID.Set {
			me.AvatarURL, err = s.wear(ctx, tx, a.UserID, c.AvatarMediaID.Value)
		}
		if err == nil && (c.DisplayName.Set || c.AvatarMediaID.Set) {
			err = changeNames(ctx, tx)
		}
		return err
	})
	return me, social.Wrap(err, "users: update %s", a.UserID)
}

// wear makes a picture the person's avatar, nil = none, and gives its address.
func (s *Service) wear(ctx context.Context, tx storage.Tx, person social.ID, media *string) (*string, error) {
	var id social.ID
	if media != nil {
		id, _ = social.ParseID(*media) // apply has checked it
	}
	file, err := s.Ports.Media.Wear(ctx, tx, person, id)
	if err != nil {
		return nil, err
	}
	var kept *string
	if file != "" {
		kept = &file
	}
	_, err = tx.Exec(ctx, `UPDATE users SET avatar = $2 WHERE id = $1`, person, kept)
	return s.site.ShownFile(kept), err
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
	if v := c.AvatarMediaID.Value; v != nil {
		if id, err := social.ParseID(*v); err != nil || id.IsZero() {
			bad = append(bad, social.BodyField("/avatar_media_id", social.FieldBadFormat, "Not an id."))
		}
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
