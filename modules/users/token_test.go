package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

func TestTokenRefused(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	now := w.Clock.Now()
	read := []social.Scope{social.ScopeRead}
	for name, tt := range map[string]struct {
		role    social.Role
		in      users.TokenDraft
		pointer string
		code    social.FieldCode
	}{
		"no name": {in: users.TokenDraft{Scopes: read}, pointer: "/name", code: social.FieldTooShort},
		"long name": {in: users.TokenDraft{Name: strings.Repeat("é", 61), Scopes: read}, pointer: "/name",
			code: social.FieldTooLong},
		"no scope": {in: users.TokenDraft{Name: "x"}, pointer: "/scopes", code: social.FieldTooShort},
		"unknown scope": {in: users.TokenDraft{Name: "x", Scopes: []social.Scope{"read", "write"}},
			pointer: "/scopes/1", code: social.FieldBadFormat},
		"scope twice": {in: users.TokenDraft{Name: "x", Scopes: []social.Scope{"read", "read"}},
			pointer: "/scopes/1", code: social.FieldDuplicate},
		"many scopes": {in: users.TokenDraft{Name: "x", Scopes: slices.Repeat(read, 100)}, pointer: "/scopes",
			code: social.FieldTooMany}, "scope of a service": {role: social.RoleAdmin,
			in: users.TokenDraft{Name: "x", Scopes: []social.Scope{"notify:send"}}, pointer: "/scopes/0",
			code: social.FieldNotAllowed},
		"scope of a moderator": {in: users.TokenDraft{Name: "x", Scopes: []social.Scope{"moderate"}}, pointer: "/scopes/0",
			code: social.FieldNotAllowed}, "scope of an admin": {role: social.RoleModerator,
			in: users.TokenDraft{Name: "x", Scopes: []social.Scope{"moderate", "admin"}}, pointer: "/scopes/1",
			code: social.FieldNotAllowed},
		"expired at once": {in: users.TokenDraft{Name: "x", Scopes: read, ExpiresAt: &now}, pointer: "/expires_at",
			code: social.FieldTooSmall},
	} {
		t.Run(name, func(t *testing.T) {
			a := a
			if tt.role != "" {
				a.Role = tt.role
			}
			_, err := w.users.IssueToken(t.Context(), a, tt.in, nil)
			wantField(t, "issue", err, tt.pointer, tt.code)
		})
	}
	if n := w.count(t, "tokens"); n != 0 {
		t.Errorf("%d tokens after refusals", n)
	}
}

// A request that was let in just before its session ended must not leave a token behind: whoever ends a session, by a
// new password perhaps, wants to be rid of what it can do.
func TestTokenOfAnEndedSession(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	if err := w.users.Logout(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	_, err := w.users.IssueToken(t.Context(), a, users.TokenDraft{Name: "x", Scopes: []social.Scope{social.ScopeRead}},
		nil)
	if !social.IsFault(err, social.CodeInvalidToken) || w.count(t, "tokens") != 0 {
		t.Errorf("issue: %v, %d tokens, want invalid_token and none", err, w.count(t, "tokens"))
	}
}

func TestTokenOnce(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	draft := users.TokenDraft{Name: "program", Scopes: []social.Scope{social.ScopeRead}}
	once := func(body string) *storage.Once {
		return storage.NewOnce(a, w.Clock.Now(), "POST /v1/tokens", "key-1", []byte(body))
	}
	first, err := w.users.IssueToken(t.Context(), a, draft, once("{}"))
	if err != nil || first.Token == nil {
		t.Fatalf("first: %+v, %v", first, err)
	}
	replay := once("{}")
	again, err := w.users.IssueToken(t.Context(), a, draft, replay)
	if err != nil || again.ID != first.ID || again.Token != nil || !replay.Replayed() || again.Name != first.Name {
		t.Errorf("replay: %+v, %v; want %s without its secret", again, err, first.ID)
	}
	_, err = w.users.IssueToken(t.Context(), a, draft, once(`{"a":1}`))
	wantCode(t, "another body", err, social.CodeIdempotencyMismatch)
	if n := w.count(t, "tokens"); n != 1 {
		t.Errorf("%d tokens, want 1", n)
	}
	if strings.Contains(w.dump(t), *first.Token) {
		t.Error("the secret is in the store")
	}
}

func TestTokenLimit(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	var last users.Token
	for range users.MaxTokens {
		last = w.token(t, a, social.ScopeRead)
	}
	_, err := w.users.IssueToken(t.Context(), a, users.TokenDraft{Name: "x", Scopes: []social.Scope{social.ScopeRead}},
		nil)
	wantCode(t, "one too many", err, social.CodeLimitReached)
	if err := w.users.EndToken(t.Context(), a, last.ID); err != nil {
		t.Fatal(err)
	}
	w.token(t, a, social.ScopeRead)
	seen := map[social.ID]bool{}
	q := social.PageQuery{Limit: 20}
	for pages := 0; pages < 3; pages++ {
		page, err := w.users.Tokens(t.Context(), a, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range page.Items {
			seen[token.ID] = true
			if token.Token != nil || len(token.Scopes) != 1 || token.ExpiresAt != nil {
				t.Errorf("listed %+v", token)
			}
		}
		if page.Next != nil {
			q.Cursor = *page.Next
		}
	}
	if len(seen) != users.MaxTokens || seen[last.ID] {
		t.Errorf("%d tokens listed, want %d without the one that ended", len(seen), users.MaxTokens)
	}
}

func TestServiceToken(t *testing.T) {
	w := open(t)
	_, _, err := w.users.CreateService(t.Context(), "")
	wantField(t, "without a name", err, "/name", social.FieldTooShort)
	var secrets []string
	for i := range 3 {
		secret, _, err := w.users.CreateService(t.Context(), fmt.Sprint("shop ", i))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	list, err := w.users.Services(t.Context())
	if err != nil || len(list) != 3 || list[0].Name != "shop 2" || list[0].LastUsedAt != nil {
		t.Fatalf("services %+v, %v", list, err)
	}
	if _, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: secrets[2]}); err != nil {
		t.Fatal(err)
	}
	if err := w.users.EndAnyToken(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.users.Authenticate(t.Context(), social.Credentials{Bearer: secrets[2]})
	wantCode(t, "after its end", err, social.CodeInvalidToken)
	if _, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: secrets[1]}); err != nil {
		t.Errorf("another service: %v", err)
	}
	wantCode(t, "revoke twice", w.users.EndAnyToken(t.Context(), list[0].ID), social.CodeNotFound)
}

// No secret is in the store other than as its hash, whatever was made of it.
func TestCanary(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	a := w.actor(t, welcome)
	token := w.token(t, a, social.ScopeRead)
	ticket, err := w.users.MakeTicket(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	service, _, err := w.users.CreateService(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	invite, err := w.users.CreateInvite(t.Context(), 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Hour)
	w.actor(t, welcome)
	dump := w.dump(t)
	if !strings.Contains(dump, "alice") || !strings.Contains(dump, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal("the dump does not show the store")
	}
	for what, secret := range map[string]string{
		"password": password, "session": welcome.Secret, "token": *token.Token, "ticket": ticket.Ticket,
		"service token": service, "invite": invite,
	} {
		if len(secret) > 40 {
			secret = secret[len(secret)-40:] // without its prefix too
		}
		if strings.Contains(dump, secret) {
			t.Errorf("the %s is in the store", what)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v", welcome.Session), welcome.Secret) {
		t.Error("the session shows its secret")
	}
}
