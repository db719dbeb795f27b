package users_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/modules/users/access"
)

func TestAuthenticate(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	a := w.actor(t, welcome)
	token := *w.token(t, a, social.ScopeRead, social.ScopeWritePosts).Token
	service, serviceID, err := w.users.CreateService(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := w.users.MakeTicket(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	tampered := token[:10] + flip(token[10:11]) + token[11:]
	for name, tt := range map[string]struct {
		in   social.Credentials
		code social.Code
		want func(social.Actor) bool
	}{
		"nothing": {want: func(a social.Actor) bool { return a.IsAnonymous() }},
		"cookie": {in: social.Credentials{Cookie: welcome.Secret},
			want: func(got social.Actor) bool { return got.SessionID == welcome.Session.ID && got.UserID == a.UserID }},
		"token": {in: social.Credentials{Bearer: token}, want: func(got social.Actor) bool {
			return got.UserID == a.UserID && len(got.Scopes) == 2 && got.SessionID.IsZero()
		}},
		"token over cookie": {in: social.Credentials{Bearer: token, Cookie: welcome.Secret},
			want: func(got social.Actor) bool { return got.SessionID.IsZero() }},
		"service token": {in: social.Credentials{Bearer: service}, want: func(got social.Actor) bool {
			return got.ServiceID == serviceID && got.UserID.IsZero() && !got.Suspended && got.Allows(social.ScopeNotifySend) &&
				!got.Allows(social.ScopeRead)
		}},
		"bad token, good cookie": {in: social.Credentials{Bearer: "nonsense", Cookie: welcome.Secret},
			code: social.CodeInvalidToken},
		"bad ticket, good cookie": {in: social.Credentials{Ticket: "nonsense", Cookie: welcome.Secret},
			code: social.CodeInvalidTicket},
		"tampered token":   {in: social.Credentials{Bearer: tampered}, code: social.CodeInvalidToken},
		"another scheme":   {in: social.Credentials{Bearer: "Basic YWxpY2U6eA=="}, code: social.CodeInvalidToken},
		"alg none":         {in: social.Credentials{Bearer: "eyJhbGciOiJub25lIn0.e30."}, code: social.CodeInvalidToken},
		"cookie as token":  {in: social.Credentials{Bearer: welcome.Secret}, code: social.CodeInvalidToken},
		"token as cookie":  {in: social.Credentials{Cookie: token}, code: social.CodeInvalidToken},
		"ticket as token":  {in: social.Credentials{Bearer: ticket.Ticket}, code: social.CodeInvalidToken},
		"ticket as cookie": {in: social.Credentials{Cookie: ticket.Ticket}, code: social.CodeInvalidToken},
		"token as ticket":  {in: social.Credentials{Ticket: token}, code: social.CodeInvalidTicket},
		"1 MiB": {in: social.Credentials{Bearer: "bf_" + strings.Repeat("A", 1<<20)},
			code: social.CodeInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from memory
				got, err := w.users.Authenticate(t.Context(), tt.in)
				wantCode(t, "authenticate", err, tt.code)
				if err == nil && !tt.want(got) {
					t.Errorf("actor is %+v", got)
				}
				if err != nil && !got.IsAnonymous() {
					t.Errorf("an actor beside an error: %+v", got)
				}
			}
		})
	}
}

func flip(s string) string {
	if s == "A" {
		return "B"
	}
	return "A"
}

// Every end of access is obeyed by the next request, though the secret was used a moment before, and announced once
// in the person's own stream.
func TestRevocation(t *testing.T) {
	type scene struct {
		*world
		welcome users.Welcome
		other   users.Welcome
		actor   social.Actor
		token   users.Token
	}
	text := func(id social.ID) *string { s := id.String(); return &s }
	for name, tt := range map[string]struct {
		act   func(s *scene) error
		says  func(s *scene) social.AccessRevokedData
		gone  []string // which of session, other and token end
		close bool     // suspended: they stay, without rights
	}{
		"logout": {
			act: func(s *scene) error { return s.users.Logout(t.Context(), s.actor) },
			says: func(s *scene) social.AccessRevokedData {
				return social.AccessRevokedData{SessionID: text(s.welcome.Session.ID)}
			},
			gone: []string{"session"},
		},
		"another session ended": {
			act: func(s *scene) error { return s.users.EndSession(t.Context(), s.actor, s.other.Session.ID) },
			says: func(s *scene) social.AccessRevokedData {
				return social.AccessRevokedData{SessionID: text(s.other.Session.ID)}
			},
			gone: []string{"other"},
		},
		"token ended": {
			act:  func(s *scene) error { return s.users.EndToken(t.Context(), s.actor, s.token.ID) },
			says: func(s *scene) social.AccessRevokedData { return social.AccessRevokedData{TokenID: text(s.token.ID)} },
			gone: []string{"token"},
		},
		"password changed": {
			act: func(s *scene) error {
				return s.users.ChangePassword(t.Context(), s.actor, password, "another harbour", false)
			},
			says: func(s *scene) social.AccessRevokedData {
				return social.AccessRevokedData{KeepSessionID: text(s.welcome.Session.ID), KeepTokens: true}
			},
			gone: []string{"other"},
		},
		"password changed, tokens too": {
			act: func(s *scene) error {
				return s.users.ChangePassword(t.Context(), s.actor, password, "another harbour", true)
			},
			says: func(s *scene) social.AccessRevokedData {
				return social.AccessRevokedData{KeepSessionID: text(s.welcome.Session.ID)}
			},
			gone: []string{"other", "token"},
		},
		"password reset": {
			act:  func(s *scene) error { return s.users.ResetPassword(t.Context(), "Alice", "another harbour") },
			says: func(s *scene) social.AccessRevokedData { return social.AccessRevokedData{} },
			gone: []string{"session", "other", "token"},
		},
		"signed out": {
			act:  func(s *scene) error { return s.users.SignOut(t.Context(), "alice") },
			says: func(s *scene) social.AccessRevokedData { return social.AccessRevokedData{} },
			gone: []string{"session", "other", "token"},
		},
		"token revoked by an operator": {
			act:  func(s *scene) error { return s.users.EndAnyToken(t.Context(), s.token.ID) },
			says: func(s *scene) social.AccessRevokedData { return social.AccessRevokedData{TokenID: text(s.token.ID)} },
			gone: []string{"token"},
		},
		"signed in again in the same browser": {
			act: func(s *scene) error {
				name := social.Site{PublicURL: "https://social.example"}.CookieName()
				ctx := access.WithCookies(t.Context(), "x=y; "+name+"="+s.other.Secret+"; broken")
				return second(s.users.Login(ctx, "alice", password, ""))
			},
			says: func(s *scene) social.AccessRevokedData {
				return social.AccessRevokedData{SessionID: text(s.other.Session.ID)}
			},
			gone: []string{"other"},
		},
		"suspended": {
			act:   func(s *scene) error { return s.users.Suspend(t.Context(), "alice") },
			says:  func(s *scene) social.AccessRevokedData { return social.AccessRevokedData{} },
			close: true,
		},
		"deleted": {
			act:  func(s *scene) error { return s.users.Delete(t.Context(), "alice") },
			says: func(s *scene) social.AccessRevokedData { return social.AccessRevokedData{} },
			gone: []string{"session", "other", "token"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{world: open(t)}
			bystander := s.register(t, "bob")
			s.welcome = s.register(t, "alice")
			s.actor = s.world.actor(t, s.welcome)
			var err error
			if s.other, err = s.users.Login(t.Context(), "alice", password, ""); err != nil {
				t.Fatal(err)
			}
			s.token = s.world.token(t, s.actor, social.ScopeRead)
			all := map[string]social.Credentials{"session": {Cookie: s.welcome.Secret}, "other": {Cookie: s.other.Secret},
				"token": {Bearer: *s.token.Token}}
			for what, c := range all {
				if _, err := s.users.Authenticate(t.Context(), c); err != nil {
					t.Fatalf("before: %s: %v", what, err)
				}
			}
			s.DrainOutbox(t)
			if err := tt.act(s); err != nil {
				t.Fatal(err)
			}
			for what, c := range all {
				a, err := s.users.Authenticate(t.Context(), c)
				switch {
				case slices.Contains(tt.gone, what):
					wantCode(t, what, err, social.CodeInvalidToken)
				case err != nil || a.Suspended != tt.close:
					t.Errorf("%s: actor %+v, error %v; want it to stay, suspended: %v", what, a, err, tt.close)
				}
			}
			s.world.actor(t, bystander)
			rows := s.Announced(t, social.Stream{Kind: social.To, User: s.actor.UserID})
			if len(rows) != 1 || rows[0].Type != social.EventAccessRevoked || !rows[0].Internal {
				t.Fatalf("announced %v, want one internal %s", rows, social.EventAccessRevoked)
			}
			want, _ := json.Marshal(tt.says(s))
			if string(rows[0].Data) != string(want) {
				t.Errorf("the entry says %s, want %s", rows[0].Data, want)
			}
		})
	}
}

// A refused end of access announces nothing.
func TestRevocationRefused(t *testing.T) {
	w := open(t)
	alice, bob := w.register(t, "alice"), w.register(t, "bob")
	a, b := w.actor(t, alice), w.actor(t, bob)
	token := w.token(t, b, social.ScopeRead)
	w.DrainOutbox(t)
	wantCode(t, "another's session", w.users.EndSession(t.Context(), a, bob.Session.ID), social.CodeNotFound)
	wantCode(t, "no session", w.users.EndSession(t.Context(), a, social.NewID()), social.CodeNotFound)
	wantCode(t, "another's token", w.users.EndToken(t.Context(), a, token.ID), social.CodeNotFound)
	wantCode(t, "nobody's password", w.users.ResetPassword(t.Context(), "nobody", password), social.CodeNotFound)
	if rows := w.Outbox(t); len(rows) != 0 {
		t.Errorf("announced %v", rows)
	}
	w.actor(t, bob)
	if _, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token}); err != nil {
		t.Errorf("bob's token: %v", err)
	}
}
