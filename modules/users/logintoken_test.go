package users_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

var reading = []social.Scope{social.ScopeRead, social.ScopeEvents}

// TestLoginToken: a password gives a token instead of a session, for whom it would give a session, and counts alike.
func TestLoginToken(t *testing.T) {
	w := open(t)
	w.register(t, "alice")
	ctx := from(t.Context(), "192.0.2.7")
	sessions := w.count(t, "sessions")
	token, err := w.users.LoginToken(ctx, "Alice", password, users.TokenDraft{Name: "page", Scopes: reading})
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.users.Authenticate(ctx, social.Credentials{Bearer: *token.Token})
	if err != nil || a.TokenID != token.ID || !a.SessionID.IsZero() || !slices.Equal(a.Scopes, reading) {
		t.Errorf("the token is %+v, %v", a, err)
	}
	if n := w.count(t, "sessions"); n != sessions {
		t.Errorf("%d sessions, want %d: no session begins", n, sessions)
	}
	for what, tt := range map[string]struct {
		login, password string
		code            social.Code
	}{
		"wrong password": {"alice", "not " + password, social.CodeBadCredentials},
		"nobody":         {"nobody", password, social.CodeBadCredentials},
		"no password":    {"alice", "", social.CodeValidationFailed},
	} {
		_, err := w.users.LoginToken(ctx, tt.login, tt.password, users.TokenDraft{Name: "page", Scopes: reading})
		wantCode(t, what, err, tt.code)
	}
	// Attempts have the keys of logins: with the session's road and this one together nobody has twice as many.
	for _, key := range []string{"login_address:192.0.2.7", "login_account:alice 192.0.2.7"} {
		w.limits.refused = key
		_, err = w.users.LoginToken(ctx, "alice", password, users.TokenDraft{Name: "page", Scopes: reading})
		wantCode(t, key, err, social.CodeRateLimited)
	}
	w.limits.refused = ""
	if err := w.users.Suspend(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	_, err = w.users.LoginToken(ctx, "alice", password, users.TokenDraft{Name: "page", Scopes: reading})
	wantCode(t, "suspended", err, social.CodeAccountSuspended)
	if n := w.count(t, "tokens"); n != 1 {
		t.Errorf("%d tokens, want the first alone", n)
	}
}

// TestLoginTokenScopes: a password alone never gives a token that moderates or administers, whoever it is.
func TestLoginTokenScopes(t *testing.T) {
	w := open(t)
	w.register(t, "alice")
	if err := w.users.SetRole(t.Context(), "alice", social.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	for _, scope := range []social.Scope{social.ScopeModerate, social.ScopeAdmin, social.ScopeNotifySend} {
		_, err := w.users.LoginToken(t.Context(), "alice", password,
			users.TokenDraft{Name: "page", Scopes: []social.Scope{scope}})
		wantField(t, string(scope), err, "/scopes/0", social.FieldNotAllowed)
	}
	_, err := w.users.LoginToken(t.Context(), "alice", password,
		users.TokenDraft{Name: strings.Repeat("x", 61), Scopes: reading})
	wantField(t, "long name", err, "/name", social.FieldTooLong)
}

// TestLoginTokenAgainAndAgain: a program that signs in more often than there may be tokens takes its own place.
func TestLoginTokenAgainAndAgain(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	kept := w.token(t, a, social.ScopeRead) // of another program
	var all []string                        // of the program's tokens
	for len(all) < 49 {
		token, err := w.users.CreateToken(t.Context(), "alice", "page", reading, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *token.Token)
		w.Advance(time.Millisecond)
	}
	login := func(name string) (users.Token, error) {
		return w.users.LoginToken(t.Context(), "alice", password, users.TokenDraft{Name: name, Scopes: reading})
	}
	for range 2 {
		token, err := login("page")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *token.Token)
	}
	if n := w.count(t, "tokens"); n != 50 {
		t.Errorf("%d tokens, want 50", n)
	}
	for i, secret := range append(all, *kept.Token) {
		_, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: secret})
		code := social.Code("")
		if i < 2 {
			code = social.CodeInvalidToken
		}
		wantCode(t, "token", err, code)
	}
	_, err := login("another page")
	wantCode(t, "a program without a token of its own", err, social.CodeLimitReached)
}

// TestLogoutByToken: a token ends itself, and nothing else.
func TestLogoutByToken(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	token := w.token(t, w.actor(t, welcome), social.ScopeEvents)
	a, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.users.Logout(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	_, err = w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
	wantCode(t, "the token", err, social.CodeInvalidToken)
	_, err = w.users.Authenticate(t.Context(), social.Credentials{Cookie: welcome.Secret})
	wantCode(t, "the session", err, "")
}
