package users_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/modules/users/access"
)

// TestKnownDevices: strangers who guess hold up strangers. Who comes from where the account was used within thirty days
// gets in, until a password has ended all access.
func TestKnownDevices(t *testing.T) {
	w := open(t)
	alice := w.register(t, "alice") // from 192.0.2.7
	const held, free = social.CodeRateLimited, social.Code("")
	want := func(what, address string, code social.Code) {
		t.Helper()
		_, err := w.users.Login(from(t.Context(), address), "alice", password, "")
		wantCode(t, what+", session", err, code)
		_, err = w.users.LoginToken(from(t.Context(), address), "alice", password, users.TokenDraft{Name: "x",
			Scopes: []social.Scope{social.ScopeRead}})
		wantCode(t, what+", token", err, code)
	}
	want("a stranger while nobody guesses", "2001:db8:1:2::3", free)
	w.limits.refused = "guess:alice true"
	want("where the account was made", "192.0.2.7", free)
	want("another address", "192.0.2.8", held)
	want("the /64 of a login", "2001:db8:1:2:ffff::9", free)
	want("the /64 beside it", "2001:db8:1:3::3", held)
	_, err := w.users.Login(from(t.Context(), "192.0.2.8"), "alice", password, "")
	var f *social.Fault
	if !errors.As(err, &f) || f.RetryAfter != 42*time.Second {
		t.Errorf("got %v, want the time to come back", err)
	}

	w.Advance(10 * time.Minute)
	if _, err := w.users.Authenticate(from(t.Context(), "198.51.100.5"),
		social.Credentials{Cookie: alice.Secret}); err != nil {
		t.Fatal(err)
	}
	w.runJobs(t)
	want("where a session was used", "198.51.100.5", free)

	w.Advance(29 * 24 * time.Hour)
	want("after 29 days", "192.0.2.7", free)
	w.Advance(access.DeviceTTL)
	want("30 days after the last use", "192.0.2.7", held)
	w.runJobs(t)
	if n := w.count(t, "known_devices"); n != 0 {
		t.Errorf("%d devices are kept beyond their time", n)
	}

	w.limits.refused = ""
	want("a stranger again", "192.0.2.7", free)
	if err := w.users.ResetPassword(t.Context(), "alice", password); err != nil {
		t.Fatal(err)
	}
	if err := w.users.SignOut(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	w.limits.refused = "guess:alice true"
	want("the owner, to whom the account is given back", "192.0.2.7", free)
	want("strangers as before", "192.0.2.9", held)
}

// TestGuessesAreCounted where the password was wrong, for names that nobody has as well, and taken back where not.
func TestGuessesAreCounted(t *testing.T) {
	w := open(t)
	w.register(t, "alice")
	login := func(name, secret string) error {
		_, err := w.users.Login(from(t.Context(), "198.51.100.1"), name, secret, "")
		return err
	}
	wantCode(t, "wrong", login("alice", "a harbour at dusk"), social.CodeBadCredentials)
	wantCode(t, "nobody", login("nobody", "a harbour at dusk"), social.CodeBadCredentials)
	wantCode(t, "right", login("alice", password), "")
	if known, unknown := w.limits.spent["guess:alice true"], w.limits.spent["guess:nobody false"]; known != 1 ||
		unknown != 1 {
		t.Errorf("%d guesses at alice and %d at nobody, want one each", known, unknown)
	}
}

// TestPasswordChangesShareAttempts: a stolen session guesses no more often for having many addresses.
func TestPasswordChangesShareAttempts(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	for i := range 3 {
		wantCode(t, "wrong", w.users.ChangePassword(from(t.Context(), fmt.Sprint("192.0.2.", i)), a, "a harbour at dusk",
			"a lighthouse by night", false), social.CodeWrongPassword)
	}
	if n := w.limits.spent["login_account:change of "+a.UserID.String()]; n != 3 {
		t.Errorf("%d attempts of the account, want 3: %v", n, w.limits.spent)
	}
}

// TestDevicesAreBounded, and end with the account.
func TestDevicesAreBounded(t *testing.T) {
	w := open(t)
	w.register(t, "alice")
	for i := range access.MaxDevices + 3 {
		w.Advance(time.Minute)
		if _, err := w.users.Login(from(t.Context(), fmt.Sprint("198.51.100.", i)), "alice", password, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.count(t, "known_devices"); n != access.MaxDevices {
		t.Errorf("%d devices, want %d", n, access.MaxDevices)
	}
	w.limits.refused = "guess:alice true"
	for address, code := range map[string]social.Code{"192.0.2.7": social.CodeRateLimited, "198.51.100.66": ""} {
		_, err := w.users.Login(from(t.Context(), address), "alice", password, "")
		wantCode(t, address, err, code)
	}
	if err := w.users.Delete(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, "known_devices"); n != 0 {
		t.Errorf("%d devices of an ended account", n)
	}
}
