package users_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

func TestRegister(t *testing.T) {
	w := open(t)
	long := strings.Repeat("é", 128) // 256 bytes
	welcome, err := w.users.Register(from(t.Context(), "2001:db8:1:2:3::4"), users.Registration{
		Username: "Alice_1", Password: long, DisplayName: new("Alice"), Email: new("a@b.example"), Locale: new("PT-br"),
	}, "Mozilla/5.0\x07 \x1b[31m"+strings.Repeat("é", 300))
	if err != nil {
		t.Fatal(err)
	}
	me := welcome.User
	if me.Username != "alice_1" || me.DisplayName != "Alice" || *me.Email != "a@b.example" || me.EmailVerified ||
		me.Role != social.RoleUser || me.State != users.StateActive || me.Locale != "pt-BR" || me.TimeZone != "UTC" ||
		me.URL != "https://social.example/@alice_1" || me.Viewer != nil {
		t.Errorf("registered %+v", me)
	}
	session := welcome.Session
	if !session.Current || !strings.HasPrefix(session.UserAgent, "Mozilla/5.0 [31mé") ||
		len([]rune(session.UserAgent)) != 200 ||
		session.Address != "2001:db8:1:2:3::4" || session.ExpiresAt.Sub(session.CreatedAt) != 30*24*time.Hour {
		t.Errorf("session is %+v", session)
	}
	if w.limits.spent["register:2001:db8:1:2::/64"] != 1 {
		t.Errorf("spent %v, want one registration of the /64", w.limits.spent)
	}
	if got, err := w.users.Me(t.Context(), me.ID); err != nil || !reflect.DeepEqual(got, me) {
		t.Errorf("kept %+v, %v; answered %+v", got, err, me)
	}
	if plain := w.register(t, "bob"); plain.User.DisplayName != "bob" || plain.User.Email != nil ||
		plain.User.Locale != "en" {
		t.Errorf("defaults are %+v", plain.User)
	}
}

func TestRegisterRefused(t *testing.T) {
	w := open(t)
	w.register(t, "alice")
	good := users.Registration{Username: "carol", Password: password}
	with := func(change func(*users.Registration)) users.Registration {
		r := good
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		in      users.Registration
		pointer string
		field   social.FieldCode
		code    social.Code
	}{
		"name taken": {in: with(func(r *users.Registration) { r.Username = "alice" }),
			code: social.CodeUsernameTaken},
		"name taken in upper case": {in: with(func(r *users.Registration) { r.Username = "ALICE" }),
			code: social.CodeUsernameTaken},
		"name of an office": {in: with(func(r *users.Registration) { r.Username = "Admin" }),
			code: social.CodeUsernameTaken},
		"name of a route": {in: with(func(r *users.Registration) { r.Username = "followers" }),
			code: social.CodeUsernameTaken},
		"name too short": {in: with(func(r *users.Registration) { r.Username = "c" }), pointer: "/username",
			field: social.FieldBadFormat},
		"name too long": {in: with(func(r *users.Registration) { r.Username = strings.Repeat("c", 31) }),
			pointer: "/username", field: social.FieldBadFormat},
		"name with a digit first": {in: with(func(r *users.Registration) { r.Username = "1carol" }), pointer: "/username",
			field: social.FieldBadFormat},
		"name with a dotless i": {in: with(func(r *users.Registration) { r.Username = "alıce" }), pointer: "/username",
			field: social.FieldBadFormat},
		"name with a kelvin sign": {in: with(func(r *users.Registration) { r.Username = "bac\u212a" }), pointer: "/username",
			field: social.FieldBadFormat},
		"password of 7 characters": {in: with(func(r *users.Registration) { r.Password = "ééééééé" }), pointer: "/password",
			field: social.FieldTooShort},
		"password of 257 bytes": {in: with(func(r *users.Registration) { r.Password = strings.Repeat("x7", 128) + "y" }),
			pointer: "/password", field: social.FieldTooLong},
		"password of 1 MiB": {in: with(func(r *users.Registration) { r.Password = strings.Repeat("x7y9", 1<<18) }),
			pointer: "/password", field: social.FieldTooLong},
		"password everybody has": {in: with(func(r *users.Registration) { r.Password = "P4ssw0rd!" }), pointer: "/password",
			field: social.FieldNotAllowed},
		"password is the name": {in: with(func(r *users.Registration) { r.Password = "Carol1998" }), pointer: "/password",
			field: social.FieldNotAllowed},
		"display name too long": {in: with(func(r *users.Registration) { r.DisplayName = new(strings.Repeat("é", 61)) }),
			pointer: "/display_name", field: social.FieldTooLong},
		"display name of 2 lines": {in: with(func(r *users.Registration) { r.DisplayName = new("a\nb") }),
			pointer: "/display_name", field: social.FieldBadFormat},
		"email without an at": {in: with(func(r *users.Registration) { r.Email = new("carol.example") }),
			pointer: "/email", field: social.FieldBadFormat},
		"email with two": {in: with(func(r *users.Registration) { r.Email = new("carol@a@b") }), pointer: "/email",
			field: social.FieldBadFormat},
		"email too short": {in: with(func(r *users.Registration) { r.Email = new("@b") }), pointer: "/email",
			field: social.FieldTooShort},
		"email too long": {in: with(func(r *users.Registration) { r.Email = new("c@" + strings.Repeat("b", 253)) }),
			pointer: "/email", field: social.FieldTooLong},
		"locale is no tag": {in: with(func(r *users.Registration) { r.Locale = new("en_us!") }), pointer: "/locale",
			field: social.FieldBadFormat},
		"locale undetermined": {in: with(func(r *users.Registration) { r.Locale = new("und") }), pointer: "/locale",
			field: social.FieldBadFormat},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.users.Register(t.Context(), tt.in, "")
			if tt.code != "" {
				wantCode(t, "register", err, tt.code)
			} else {
				wantField(t, "register", err, tt.pointer, tt.field)
			}
			if strings.Contains(err.Error(), tt.in.Password) {
				t.Errorf("the password stands in the error %v", err)
			}
		})
	}
	if n := w.count(t, "users"); n != 1 {
		t.Errorf("%d accounts after refusals, want 1", n)
	}
}

func TestRegisterMode(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		w := open(t, func(c *users.Config) { c.Registration = users.ModeClosed })
		_, err := w.users.Register(t.Context(), users.Registration{Username: "alice", Password: password}, "")
		wantCode(t, "register", err, social.CodeRegistrationClosed)
	})
	t.Run("invite", func(t *testing.T) {
		w := open(t, func(c *users.Config) { c.Registration = users.ModeInvite })
		invite, err := w.users.CreateInvite(t.Context(), 1, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		late, err := w.users.CreateInvite(t.Context(), 5, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Minute)
		register := func(name string, invite *string) error {
			_, err := w.users.Register(t.Context(), users.Registration{Username: name, Password: password, Invite: invite}, "")
			return err
		}
		wantCode(t, "without an invite", register("alice", nil), social.CodeRegistrationClosed)
		wantCode(t, "with nonsense", register("alice", new("bfi_x")), social.CodeRegistrationClosed)
		wantCode(t, "with one that has expired", register("alice", &late), social.CodeRegistrationClosed)
		wantCode(t, "with a valid one", register("alice", &invite), "")
		wantCode(t, "with one that is used up", register("bob", &invite), social.CodeRegistrationClosed)
	})
}

func TestRegisterRace(t *testing.T) {
	w := open(t)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = w.users.Register(t.Context(), users.Registration{Username: "alice", Password: password}, "")
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantCode(t, "a loser", err, social.CodeUsernameTaken)
		}
	}
	if won != 1 || w.count(t, "users") != 1 || w.count(t, "sessions") != 1 {
		t.Errorf("%d won, %d accounts, %d sessions; want 1 of each", won, w.count(t, "users"), w.count(t, "sessions"))
	}
}

func TestLogin(t *testing.T) {
	w := open(t)
	alice := w.register(t, "alice").User
	welcome, err := w.users.Login(from(t.Context(), "192.0.2.9"), "ALICE", password, "Other/2")
	if err != nil || welcome.User.ID != alice.ID || welcome.Session.Address != "192.0.2.9" ||
		welcome.Session.UserAgent != "Other/2" {
		t.Fatalf("login gives %+v, %v", welcome, err)
	}
	if a := w.actor(t, welcome); a.UserID != alice.ID || a.SessionID != welcome.Session.ID || a.Scopes != nil {
		t.Errorf("the session's actor is %+v", a)
	}
	_, wrong := w.users.Login(t.Context(), "alice", "a harbour at dusk", "")
	_, unknown := w.users.Login(t.Context(), "nobody_here", password, "")
	_, nonsense := w.users.Login(t.Context(), "no name at all!", password, "")
	wantCode(t, "wrong password", wrong, social.CodeBadCredentials)
	if !reflect.DeepEqual(wrong, unknown) || !reflect.DeepEqual(wrong, nonsense) {
		t.Errorf("the answers tell names apart: %v, %v, %v", wrong, unknown, nonsense)
	}
	_, err = w.users.Login(t.Context(), "alice", strings.Repeat("x", 257), "")
	wantField(t, "long password", err, "/password", social.FieldTooLong)
	_, err = w.users.Login(t.Context(), "alice", "", "")
	wantField(t, "empty password", err, "/password", social.FieldTooShort)
}

// The password behind the hash that stands in for unknown names must not open anything either.
func TestLoginUnknownNeverMatches(t *testing.T) {
	w := open(t)
	for _, guess := range []string{"", "x", password} {
		if _, err := w.users.Login(t.Context(), "ghost", guess, ""); err == nil {
			t.Errorf("nobody signed in with %q", guess)
		}
	}
}

func TestPasswordIsComparedInNFC(t *testing.T) {
	w := open(t)
	_, err := w.users.Register(t.Context(), users.Registration{Username: "zoe", Password: "cafe\u0301 am Hafen"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.users.Login(t.Context(), "zoe", "caf\u00e9 am Hafen", ""); err != nil {
		t.Errorf("the same password in another form: %v", err)
	}
}

func TestLoginLimits(t *testing.T) {
	w := open(t)
	w.register(t, "alice")
	login := func(address, name string) error {
		_, err := w.users.Login(from(t.Context(), address), name, password, "")
		return err
	}
	for address, key := range map[string]string{
		"192.0.2.1":             "192.0.2.1",
		"::ffff:192.0.2.1":      "192.0.2.1",
		"2001:db8:1:2::1":       "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::9":  "2001:db8:1:2::/64",
		"fe80::1%eth0":          "fe80::/64",
		"2001:db8:1:3:ffff::9":  "2001:db8:1:3::/64",
		"no address, a socket.": "no address, a socket.",
	} {
		clear(w.limits.spent)
		if err := login(address, "Alice"); err != nil {
			t.Errorf("login from %s: %v", address, err)
		}
		if w.limits.spent["login_account:alice "+key] != 1 || w.limits.spent["login_address:"+key] != 1 ||
			w.limits.total() != 2 {
			t.Errorf("login from %s spends %v, want one of the account and one of the address %s", address, w.limits.spent, key)
		}
	}
	w.limits.refused = "login_account:alice 192.0.2.1"
	err := login("192.0.2.1", "alice")
	var f *social.Fault
	if !errors.As(err, &f) || f.Code != social.CodeRateLimited || f.RetryAfter != 42*time.Second {
		t.Errorf("over the account's budget: %v, want rate_limited after 42 s", err)
	}
	if err := login("192.0.2.2", "alice"); err != nil {
		t.Errorf("the right password from another address: %v", err)
	}
	w.limits.refused = "login_address:192.0.2.1"
	wantCode(t, "over the address's budget", login("192.0.2.1", "bob"), social.CodeRateLimited)
	w.limits.refused = "register:192.0.2.1"
	_, err = w.users.Register(from(t.Context(), "192.0.2.1"), users.Registration{Username: "bob", Password: password}, "")
	wantCode(t, "over the budget for registrations", err, social.CodeRateLimited)
}

func TestChangePassword(t *testing.T) {
	w := open(t)
	here := w.register(t, "alice")
	there, err := w.users.Login(t.Context(), "alice", password, "")
	if err != nil {
		t.Fatal(err)
	}
	a := w.actor(t, here)
	token := w.token(t, a, social.ScopeRead)
	const fresh = "a lighthouse by night"
	for name, tt := range map[string]struct {
		current, fresh, pointer string
		field                   social.FieldCode
	}{
		"no current password":  {"", fresh, "/current_password", social.FieldTooShort},
		"short new password":   {password, "seven77", "/new_password", social.FieldTooShort},
		"new password is easy": {password, "alice2024!", "/new_password", social.FieldNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			wantField(t, "change", w.users.ChangePassword(t.Context(), a, tt.current, tt.fresh, false), tt.pointer, tt.field)
		})
	}
	wantCode(t, "wrong current password", w.users.ChangePassword(t.Context(), a, "a harbour at dusk", fresh, false),
		social.CodeWrongPassword)
	if err := w.users.ChangePassword(t.Context(), a, password, fresh, false); err != nil {
		t.Fatal(err)
	}
	w.actor(t, here)
	_, err = w.users.Authenticate(t.Context(), social.Credentials{Cookie: there.Secret})
	wantCode(t, "another session", err, social.CodeInvalidToken)
	if _, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token}); err != nil {
		t.Errorf("a token that was to stay: %v", err)
	}
	_, err = w.users.Login(t.Context(), "alice", password, "")
	wantCode(t, "the old password", err, social.CodeBadCredentials)
	if err := w.users.ChangePassword(t.Context(), a, fresh, password, true); err != nil {
		t.Fatal(err)
	}
	_, err = w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
	wantCode(t, "a token that was to go", err, social.CodeInvalidToken)
	if _, err := w.users.Login(t.Context(), "alice", password, ""); err != nil {
		t.Errorf("the new password: %v", err)
	}
}
