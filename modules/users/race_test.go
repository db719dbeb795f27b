package users_test

import (
	"context"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

// afterRead is a store that does something once, right after a read.
type afterRead struct {
	storage.DB
	do func()
}

func (a *afterRead) Read(ctx context.Context, fn func(q storage.Querier) error) error {
	err := a.DB.Read(ctx, fn)
	if do := a.do; do != nil {
		a.do = nil
		do()
	}
	return err
}

// Between the look at the account and the session that follows, a password's hash is computed: what happens to the
// account meanwhile counts.
func TestAccountChangesWhileHashing(t *testing.T) {
	const fresh = "a lighthouse by night"
	reset := func(w *world) error { return w.users.ResetPassword(t.Context(), "alice", fresh) }
	remove := func(w *world) error { return w.users.Delete(t.Context(), "alice") }
	login := func(s *users.Service, _ social.Actor) error {
		return second(s.Login(t.Context(), "alice", password, ""))
	}
	change := func(s *users.Service, a social.Actor) error {
		return s.ChangePassword(t.Context(), a, password, "a third harbour", false)
	}
	for name, tt := range map[string]struct {
		act       func(*users.Service, social.Actor) error
		meanwhile func(*world) error
		want      social.Code
	}{
		"login, password reset":            {login, reset, social.CodeBadCredentials},
		"login, account deleted":           {login, remove, social.CodeBadCredentials},
		"password change, password reset":  {change, reset, social.CodeWrongPassword},
		"password change, account deleted": {change, remove, social.CodeWrongPassword},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			a := w.actor(t, w.register(t, "alice"))
			db := &afterRead{DB: w.DB, do: func() {
				if err := tt.meanwhile(w); err != nil {
					t.Error(err)
				}
			}}
			s := users.New(users.DefaultConfig(), social.Site{}, db, w.Bus, w.Clock, w.Pages, w.Log)
			wantCode(t, "act", tt.act(s, a), tt.want)
			if n := w.count(t, "sessions"); n != 0 {
				t.Errorf("%d sessions are left of an account that was closed", n)
			}
		})
	}
}

// A secret is looked up while its session ends: the answer that comes too late must not be remembered.
func TestRevocationDuringALookup(t *testing.T) {
	w := open(t)
	db := &afterRead{DB: w.DB}
	s := users.New(users.DefaultConfig(), social.Site{}, db, w.Bus, w.Clock, w.Pages, w.Log)
	welcome, err := s.Register(t.Context(), users.Registration{Username: "alice", Password: password}, "")
	if err != nil {
		t.Fatal(err)
	}
	a := social.Actor{UserID: welcome.User.ID, SessionID: welcome.Session.ID}
	db.do = func() {
		if err := s.Logout(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Authenticate(t.Context(), social.Credentials{Cookie: welcome.Secret}); err != nil {
		t.Fatalf("the look-up that was first: %v", err)
	}
	_, err = s.Authenticate(t.Context(), social.Credentials{Cookie: welcome.Secret})
	wantCode(t, "the one after", err, social.CodeInvalidToken)
}

// The last use of an invite goes to one of two who looked at it before.
func TestInviteIsUsedOnce(t *testing.T) {
	closed := func(c *users.Config) { c.Registration = users.ModeInvite }
	w := open(t, closed)
	invite, err := w.users.CreateInvite(t.Context(), 1, day)
	if err != nil {
		t.Fatal(err)
	}
	cfg := users.DefaultConfig()
	closed(&cfg)
	register := func(s *users.Service, name string) error {
		return second(s.Register(t.Context(), users.Registration{Username: name, Password: password, Invite: &invite}, ""))
	}
	db := &afterRead{DB: w.DB, do: func() { wantCode(t, "the quicker one", register(w.users, "alice"), "") }}
	s := users.New(cfg, social.Site{}, db, w.Bus, w.Clock, w.Pages, w.Log)
	wantCode(t, "the slower one", register(s, "bob"), social.CodeRegistrationClosed)
	if n := w.count(t, "users"); n != 1 {
		t.Errorf("%d accounts by one invite", n)
	}
}
