package users_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

func set[T any](v T) users.Change[T]  { return users.Change[T]{Set: true, Value: &v} }
func cleared[T any]() users.Change[T] { return users.Change[T]{Set: true} }

func TestUpdateMe(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	was, err := w.users.Me(t.Context(), a.UserID)
	if err != nil {
		t.Fatal(err)
	}
	// Each step begins where the one before ended; want makes of that what has to come out.
	for _, tt := range []struct {
		name   string
		change users.ProfileChange
		want   func(*users.Me)
	}{
		{"nothing", users.ProfileChange{}, func(*users.Me) {}},
		{"all", users.ProfileChange{DisplayName: set("Alice é"), Bio: set("two\nlines"), Bot: set(true), Locale: set("de-at"),
			TimeZone: set("Europe/Vienna"), Email: set("a@b.example"), Locked: set(false), AvatarMediaID: cleared[string]()},
			func(m *users.Me) {
				m.DisplayName, m.Bio, m.Bot, m.Locale, m.TimeZone, m.Email = "Alice é", "two\nlines", true, "de-AT",
					"Europe/Vienna", new("a@b.example")
			}},
		{"one", users.ProfileChange{Bio: set("x")}, func(m *users.Me) { m.Bio = "x" }},
		{"name of nothing", users.ProfileChange{DisplayName: set("")}, func(m *users.Me) { m.DisplayName = "" }},
		{"decomposed letters", users.ProfileChange{DisplayName: set(strings.Repeat("e\u0301", 60))},
			func(m *users.Me) { m.DisplayName = strings.Repeat("é", 60) }},
		{"cleared", users.ProfileChange{DisplayName: cleared[string](), Bio: cleared[string](), Bot: cleared[bool](),
			Locale: cleared[string](), TimeZone: cleared[string](), Email: cleared[string](), Locked: cleared[bool]()},
			func(m *users.Me) {
				m.DisplayName, m.Bio, m.Bot, m.Locale, m.TimeZone, m.Email = "alice", "", false, "en", "UTC", nil
			}},
	} {
		given := password
		tt.change.CurrentPassword = &given
		got, err := w.users.UpdateMe(t.Context(), a, tt.change)
		tt.want(&was)
		if err != nil || !reflect.DeepEqual(got, was) {
			t.Errorf("%s: answered %+v, %v; want %+v", tt.name, got, err, was)
		}
		if kept, err := w.users.Me(t.Context(), a.UserID); err != nil || !reflect.DeepEqual(kept, was) {
			t.Errorf("%s: kept %+v, %v; want %+v", tt.name, kept, err, was)
		}
	}
}

func TestUpdateMeRefused(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	for name, tt := range map[string]struct {
		change  users.ProfileChange
		pointer string
		code    social.FieldCode
	}{
		"display name too long": {users.ProfileChange{DisplayName: set(strings.Repeat("x", 61))}, "/display_name",
			social.FieldTooLong},
		"display name of nothing": {users.ProfileChange{DisplayName: set(" \u200b\u2800\u3164\ufeff")}, "/display_name",
			social.FieldBadFormat},
		"display name that reorders": {users.ProfileChange{DisplayName: set("ecila\u202e")}, "/display_name",
			social.FieldBadFormat},
		"display name that closes": {users.ProfileChange{DisplayName: set("alice\u2069")}, "/display_name",
			social.FieldBadFormat},
		"display name of paragraphs": {users.ProfileChange{DisplayName: set("a\u2029b")}, "/display_name",
			social.FieldBadFormat},
		"display name of lines": {users.ProfileChange{DisplayName: set("a\u0085b")}, "/display_name", social.FieldBadFormat},
		"bio too long":          {users.ProfileChange{Bio: set(strings.Repeat("é", 501))}, "/bio", social.FieldTooLong},
		"bio with an escape":    {users.ProfileChange{Bio: set("a\x1bb")}, "/bio", social.FieldBadFormat},
		"an avatar": {users.ProfileChange{AvatarMediaID: set(social.NewID().String())}, "/avatar_media_id",
			social.FieldNotAllowed},
		"no id of an avatar": {users.ProfileChange{AvatarMediaID: set("none")}, "/avatar_media_id", social.FieldBadFormat},
		"locked":             {users.ProfileChange{Locked: set(true)}, "/locked", social.FieldNotAllowed},
		"no locale":          {users.ProfileChange{Locale: set("")}, "/locale", social.FieldBadFormat},
		"no zone":            {users.ProfileChange{TimeZone: set("")}, "/time_zone", social.FieldBadFormat},
		"the machine's zone": {users.ProfileChange{TimeZone: set("Local")}, "/time_zone", social.FieldBadFormat},
		"a zone nowhere":     {users.ProfileChange{TimeZone: set("Europe/Atlantis")}, "/time_zone", social.FieldBadFormat},
		"a path": {users.ProfileChange{TimeZone: set("../../etc/passwd")}, "/time_zone",
			social.FieldBadFormat},
		"no email":           {users.ProfileChange{Email: set("")}, "/email", social.FieldTooShort},
		"email with a space": {users.ProfileChange{Email: set("a b@c.example")}, "/email", social.FieldBadFormat},
	} {
		t.Run(name, func(t *testing.T) {
			given := password
			tt.change.Bot, tt.change.CurrentPassword = set(true), &given
			_, err := w.users.UpdateMe(t.Context(), a, tt.change)
			wantField(t, "update", err, tt.pointer, tt.code)
		})
	}
	if me, err := w.users.Me(t.Context(), a.UserID); err != nil || me.Bot {
		t.Errorf("a refused change was half made: %+v, %v", me, err)
	}
}

func TestEmailIsVerifiedAnew(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	given := password
	update := func(email string) users.Me {
		me, err := w.users.UpdateMe(t.Context(), a, users.ProfileChange{Email: set(email),
			CurrentPassword: &given})
		if err != nil {
			t.Fatal(err)
		}
		return me
	}
	update("a@b.example")
	w.InTx(t, func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE users SET email_verified = 1 WHERE id = $1`, a.UserID)
		return err
	})
	if !update("a@b.example").EmailVerified {
		t.Error("the same address lost its verification")
	}
	if update("a@c.example").EmailVerified {
		t.Error("another address is taken for verified")
	}
}

// Another e-mail address takes the password, and nothing else does.
func TestEmailNeedsThePassword(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	update := func(c users.ProfileChange) error { return second(w.users.UpdateMe(t.Context(), a, c)) }
	wrong, right, long := "a harbour at dusk", password, strings.Repeat("x", 257)
	for name, email := range map[string]users.Change[string]{"another": set("a@b.example"), "none": cleared[string]()} {
		wantField(t, name, update(users.ProfileChange{Email: email, Bot: set(true)}), "/current_password",
			social.FieldRequired)
		wantField(t, name, update(users.ProfileChange{Email: email, Bot: set(true), CurrentPassword: &long}),
			"/current_password", social.FieldTooLong)
		wantCode(t, name, update(users.ProfileChange{Email: email, Bot: set(true), CurrentPassword: &wrong}),
			social.CodeWrongPassword)
	}
	if me, err := w.users.Me(t.Context(), a.UserID); err != nil || me.Bot || me.Email != nil {
		t.Errorf("a refused change was made: %+v, %v", me, err)
	}
	if err := update(users.ProfileChange{Bio: set("x")}); err != nil {
		t.Errorf("a bio: %v", err)
	}
	if err := update(users.ProfileChange{Email: set("a@b.example"), CurrentPassword: &right}); err != nil {
		t.Errorf("with the password: %v", err)
	}
}
