package users_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

const day = 24 * time.Hour

func TestAuthenticate(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	a := w.actor(t, welcome)
	token := *w.token(t, a, modules.ScopeRead, modules.ScopeWritePosts).Token
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
		in   users.Credentials
		code modules.Code
		want func(modules.Actor) bool
	}{
		"nothing": {want: func(a modules.Actor) bool { return a.IsAnonymous() }},
		"cookie":  {in: users.Credentials{Cookie: welcome.Secret}, want: func(got modules.Actor) bool { return got.SessionID == welcome.Session.ID && got.UserID == a.UserID }},
		"token": {in: users.Credentials{Bearer: token}, want: func(got modules.Actor) bool {
			return got.UserID == a.UserID && len(got.Scopes) == 2 && got.SessionID.IsZero()
		}},
		"token over cookie": {in: users.Credentials{Bearer: token, Cookie: welcome.Secret}, want: func(got modules.Actor) bool { return got.SessionID.IsZero() }},
		"service token": {in: users.Credentials{Bearer: service}, want: func(got modules.Actor) bool {
			return got.ServiceID == serviceID && got.UserID.IsZero() && got.Allows(modules.ScopeNotifySend) && !got.Allows(modules.ScopeRead)
		}},
		"bad token, good cookie":  {in: users.Credentials{Bearer: "nonsense", Cookie: welcome.Secret}, code: modules.CodeInvalidToken},
		"bad ticket, good cookie": {in: users.Credentials{Ticket: "nonsense", Cookie: welcome.Secret}, code: modules.CodeInvalidTicket},
		"tampered token":          {in: users.Credentials{Bearer: tampered}, code: modules.CodeInvalidToken},
		"another scheme":          {in: users.Credentials{Bearer: "Basic YWxpY2U6eA=="}, code: modules.CodeInvalidToken},
		"alg none":                {in: users.Credentials{Bearer: "eyJhbGciOiJub25lIn0.e30."}, code: modules.CodeInvalidToken},
		"cookie as token":         {in: users.Credentials{Bearer: welcome.Secret}, code: modules.CodeInvalidToken},
		"token as cookie":         {in: users.Credentials{Cookie: token}, code: modules.CodeInvalidToken},
		"ticket as token":         {in: users.Credentials{Bearer: ticket.Ticket}, code: modules.CodeInvalidToken},
		"ticket as cookie":        {in: users.Credentials{Cookie: ticket.Ticket}, code: modules.CodeInvalidToken},
		"token as ticket":         {in: users.Credentials{Ticket: token}, code: modules.CodeInvalidTicket},
		"1 MiB":                   {in: users.Credentials{Bearer: "bf_" + strings.Repeat("A", 1<<20)}, code: modules.CodeInvalidToken},
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
		actor   modules.Actor
		token   users.Token
	}
	text := func(id modules.ID) *string { s := id.String(); return &s }
	for name, tt := range map[string]struct {
		act   func(s *scene) error
		says  func(s *scene) event.AccessRevokedData
		gone  []string // which of session, other and token end
		close bool     // suspended: they stay, without rights
	}{
		"logout": {
			act: func(s *scene) error { return s.users.Logout(t.Context(), s.actor) },
			says: func(s *scene) event.AccessRevokedData {
				return event.AccessRevokedData{SessionID: text(s.welcome.Session.ID)}
			},
			gone: []string{"session"},
		},
		"another session ended": {
			act: func(s *scene) error { return s.users.EndSession(t.Context(), s.actor, s.other.Session.ID) },
			says: func(s *scene) event.AccessRevokedData {
				return event.AccessRevokedData{SessionID: text(s.other.Session.ID)}
			},
			gone: []string{"other"},
		},
		"token ended": {
			act:  func(s *scene) error { return s.users.EndToken(t.Context(), s.actor, s.token.ID) },
			says: func(s *scene) event.AccessRevokedData { return event.AccessRevokedData{TokenID: text(s.token.ID)} },
			gone: []string{"token"},
		},
		"password changed": {
			act: func(s *scene) error {
				return s.users.ChangePassword(t.Context(), s.actor, password, "another harbour", false)
			},
			says: func(s *scene) event.AccessRevokedData {
				return event.AccessRevokedData{KeepSessionID: text(s.welcome.Session.ID), KeepTokens: true}
			},
			gone: []string{"other"},
		},
		"password changed, tokens too": {
			act: func(s *scene) error {
				return s.users.ChangePassword(t.Context(), s.actor, password, "another harbour", true)
			},
			says: func(s *scene) event.AccessRevokedData {
				return event.AccessRevokedData{KeepSessionID: text(s.welcome.Session.ID)}
			},
			gone: []string{"other", "token"},
		},
		"password reset": {
			act:  func(s *scene) error { return s.users.ResetPassword(t.Context(), "Alice", "another harbour") },
			says: func(s *scene) event.AccessRevokedData { return event.AccessRevokedData{KeepTokens: true} },
			gone: []string{"session", "other"},
		},
		"suspended": {
			act:   func(s *scene) error { return s.users.Suspend(t.Context(), "alice") },
			says:  func(s *scene) event.AccessRevokedData { return event.AccessRevokedData{} },
			close: true,
		},
		"deleted": {
			act:  func(s *scene) error { return s.users.Delete(t.Context(), "alice") },
			says: func(s *scene) event.AccessRevokedData { return event.AccessRevokedData{} },
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
			s.token = s.world.token(t, s.actor, modules.ScopeRead)
			all := map[string]users.Credentials{"session": {Cookie: s.welcome.Secret}, "other": {Cookie: s.other.Secret}, "token": {Bearer: *s.token.Token}}
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
					wantCode(t, what, err, modules.CodeInvalidToken)
				case err != nil || a.Suspended != tt.close:
					t.Errorf("%s: actor %+v, error %v; want it to stay, suspended: %v", what, a, err, tt.close)
				}
			}
			s.world.actor(t, bystander)
			rows := s.Announced(t, modules.Stream{Kind: modules.To, User: s.actor.UserID})
			if len(rows) != 1 || rows[0].Type != event.AccessRevoked || !rows[0].Internal {
				t.Fatalf("announced %v, want one internal %s", rows, event.AccessRevoked)
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
	token := w.token(t, b, modules.ScopeRead)
	w.DrainOutbox(t)
	wantCode(t, "another's session", w.users.EndSession(t.Context(), a, bob.Session.ID), modules.CodeNotFound)
	wantCode(t, "no session", w.users.EndSession(t.Context(), a, modules.NewID()), modules.CodeNotFound)
	wantCode(t, "another's token", w.users.EndToken(t.Context(), a, token.ID), modules.CodeNotFound)
	wantCode(t, "nobody's password", w.users.ResetPassword(t.Context(), "nobody", password), modules.CodeNotFound)
	if rows := w.Outbox(t); len(rows) != 0 {
		t.Errorf("announced %v", rows)
	}
	w.actor(t, bob)
	if _, err := w.users.Authenticate(t.Context(), users.Credentials{Bearer: *token.Token}); err != nil {
		t.Errorf("bob's token: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	valid := func(w *world, secret string) bool {
		_, err := w.users.Authenticate(t.Context(), users.Credentials{Cookie: secret})
		if err != nil {
			wantCode(t, "authenticate", err, modules.CodeInvalidToken)
		}
		return err == nil
	}
	t.Run("30 days after the last use", func(t *testing.T) {
		w := open(t)
		welcome := w.register(t, "alice")
		w.Advance(29 * day)
		if !valid(w, welcome.Secret) {
			t.Fatal("ended after 29 days")
		}
		w.runJobs(t) // notes the use
		w.Advance(29 * day)
		if !valid(w, welcome.Secret) {
			t.Fatal("ended 29 days after the last use")
		}
		w.runJobs(t)
		w.Advance(30 * day)
		if valid(w, welcome.Secret) {
			t.Error("lives 30 days after the last use")
		}
		w.runJobs(t)
		if n := w.count(t, "sessions"); n != 0 {
			t.Errorf("%d expired sessions are kept", n)
		}
	})
	t.Run("180 days after login", func(t *testing.T) {
		w := open(t)
		welcome := w.register(t, "alice")
		for range 17 {
			w.Advance(10 * day)
			if !valid(w, welcome.Secret) {
				t.Fatalf("ended at %v", w.Clock())
			}
			w.runJobs(t)
		}
		w.Advance(10*day - time.Second)
		if !valid(w, welcome.Secret) {
			t.Error("ended a second before its 180 days")
		}
		w.Advance(time.Second) // it was answered from memory a second ago
		if valid(w, welcome.Secret) {
			t.Error("lives longer than 180 days")
		}
	})
	t.Run("not by a clock set back", func(t *testing.T) {
		w := open(t)
		welcome := w.register(t, "alice")
		w.Advance(-10 * 365 * day)
		if !valid(w, welcome.Secret) {
			t.Error("ended")
		}
	})
}

func TestLastUse(t *testing.T) {
	w := open(t)
	welcome := w.register(t, "alice")
	a := w.actor(t, welcome)
	token := w.token(t, a, modules.ScopeRead)
	secret, _, err := w.users.CreateService(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	use := func() {
		for _, c := range []users.Credentials{{Cookie: welcome.Secret}, {Bearer: *token.Token}, {Bearer: secret}} {
			if _, err := w.users.Authenticate(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		w.runJobs(t)
	}
	last := func() (session, personal, service modules.Time) {
		sessions, err := w.users.Sessions(t.Context(), a, modules.PageQuery{Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := w.users.Tokens(t.Context(), a, modules.PageQuery{Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		services, err := w.users.Services(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sessions.Items[0].LastUsedAt, *tokens.Items[0].LastUsedAt, *services[0].LastUsedAt
	}
	use()
	begun := w.Clock.Now()
	w.Advance(5*time.Minute - time.Second)
	use()
	if s, p, v := last(); s != begun || p != begun || v != begun {
		t.Errorf("written again within 5 minutes: %v %v %v", s, p, v)
	}
	w.Advance(4 * time.Second) // past what is remembered of the use before
	use()
	if s, p, v := last(); s != w.Clock.Now() || p != s || v != s {
		t.Errorf("after 5 minutes: %v %v %v, want %v", s, p, v, w.Clock.Now())
	}
}

func TestSessionsAreBounded(t *testing.T) {
	w := open(t)
	first := w.register(t, "alice")
	id := first.User.ID
	w.InTx(t, func(tx storage.Tx) error {
		for i := range users.MaxSessions - 1 {
			key, err := tx.NextKey(t.Context())
			if err != nil {
				return err
			}
			hash := make([]byte, 32)
			hash[0] = byte(i)
			_, err = tx.Exec(t.Context(), `INSERT INTO sessions (id, key, user_id, hash, user_agent, address, created_at, last_used_at, expires_at)
				VALUES ($1, $2, $3, $4, '', '', 0, 0, $5)`, modules.NewID(), key, id, hash, int64(w.Clock.Now().Add(day)))
			if err != nil {
				return err
			}
		}
		return nil
	})
	w.actor(t, first)
	if _, err := w.users.Login(t.Context(), "alice", password, ""); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, "sessions"); n != users.MaxSessions {
		t.Errorf("%d sessions, want %d", n, users.MaxSessions)
	}
	rows := w.Announced(t, modules.Stream{Kind: modules.To, User: id})
	if len(rows) != 1 || !strings.Contains(string(rows[0].Data), first.Session.ID.String()) {
		t.Errorf("announced %v, want the end of the first session", rows)
	}
	_, err := w.users.Authenticate(t.Context(), users.Credentials{Cookie: first.Secret})
	wantCode(t, "the session that began first", err, modules.CodeInvalidToken)
}

func TestSessionList(t *testing.T) {
	w := open(t)
	w.register(t, "bob")
	a := w.actor(t, w.register(t, "alice"))
	for range 4 {
		if _, err := w.users.Login(t.Context(), "alice", password, ""); err != nil {
			t.Fatal(err)
		}
	}
	var seen []modules.ID
	current := 0
	q := modules.PageQuery{Limit: 2}
	for {
		page, err := w.users.Sessions(t.Context(), a, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Items {
			if slices.Contains(seen, s.ID) {
				t.Errorf("session %s twice", s.ID)
			}
			seen = append(seen, s.ID)
			if s.Current {
				current++
			}
		}
		if page.Next == nil {
			break
		}
		q.Cursor = *page.Next
	}
	if len(seen) != 5 || current != 1 || seen[4] != a.SessionID {
		t.Errorf("%d sessions, %d current, last %s; want 5, 1, the oldest last", len(seen), current, seen[len(seen)-1])
	}
	b := modules.Actor{UserID: modules.NewID()}
	_, err := w.users.Sessions(t.Context(), b, q)
	wantCode(t, "a cursor of somebody else", err, modules.CodeInvalidCursor)
}

func TestTicket(t *testing.T) {
	make := func(t *testing.T) (*world, modules.Actor, users.Ticket) {
		w := open(t)
		a := w.actor(t, w.register(t, "alice"))
		ticket, err := w.users.MakeTicket(t.Context(), a)
		if err != nil || ticket.ExpiresIn != 30 || ticket.ExpiresAt != w.Clock.Now().Add(30*time.Second) || !strings.HasPrefix(ticket.Ticket, "bft_") || len(ticket.Ticket) != 47 {
			t.Fatalf("ticket %+v, %v", ticket, err)
		}
		return w, a, ticket
	}
	redeem := func(w *world, ticket users.Ticket) (modules.Actor, error) {
		return w.users.Authenticate(t.Context(), users.Credentials{Ticket: ticket.Ticket})
	}
	t.Run("works once, for events only", func(t *testing.T) {
		w, a, ticket := make(t)
		got, err := redeem(w, ticket)
		if err != nil || got.UserID != a.UserID || got.SessionID != a.SessionID || got.ExpiresAt != a.ExpiresAt ||
			!got.Allows(modules.ScopeEvents) || got.Allows(modules.ScopeRead) || got.Allows(modules.ScopeWritePosts) {
			t.Errorf("redeemed as %+v, %v", got, err)
		}
		_, err = redeem(w, ticket)
		wantCode(t, "the second time", err, modules.CodeInvalidTicket)
	})
	t.Run("one of many at once", func(t *testing.T) {
		w, _, ticket := make(t)
		var wg sync.WaitGroup
		errs := [16]error{}
		for i := range errs {
			wg.Go(func() { _, errs[i] = redeem(w, ticket) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if won != 1 {
			t.Errorf("redeemed %d times", won)
		}
	})
	t.Run("a look does not use it up", func(t *testing.T) {
		w, a, ticket := make(t)
		for range 2 {
			got, err := w.users.Authenticate(t.Context(), users.Credentials{Ticket: ticket.Ticket, Peek: true})
			if err != nil || got.UserID != a.UserID {
				t.Errorf("look: %+v, %v", got, err)
			}
		}
		if _, err := redeem(w, ticket); err != nil {
			t.Errorf("after a look: %v", err)
		}
	})
	t.Run("until 30 s", func(t *testing.T) {
		w, _, ticket := make(t)
		w.Advance(30*time.Second - time.Millisecond)
		if _, err := w.users.Authenticate(t.Context(), users.Credentials{Ticket: ticket.Ticket, Peek: true}); err != nil {
			t.Errorf("a millisecond before: %v", err)
		}
		w.Advance(time.Millisecond)
		_, err := redeem(w, ticket)
		wantCode(t, "at 30 s", err, modules.CodeInvalidTicket)
		w.runJobs(t)
		if n := w.count(t, "stream_tickets"); n != 0 {
			t.Errorf("%d expired tickets are kept", n)
		}
	})
	t.Run("ends with its session", func(t *testing.T) {
		w, a, ticket := make(t)
		if err := w.users.Logout(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		_, err := redeem(w, ticket)
		wantCode(t, "after logout", err, modules.CodeInvalidTicket)
		_, err = w.users.MakeTicket(t.Context(), a)
		wantCode(t, "a new one after logout", err, modules.CodeInvalidToken)
	})
	t.Run("ends with its token", func(t *testing.T) {
		w, a, _ := make(t)
		token := w.token(t, a, modules.ScopeEvents)
		by, err := w.users.Authenticate(t.Context(), users.Credentials{Bearer: *token.Token})
		if err != nil {
			t.Fatal(err)
		}
		var tickets [2]users.Ticket
		for i := range tickets {
			if tickets[i], err = w.users.MakeTicket(t.Context(), by); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := redeem(w, tickets[0]); err != nil || got.TokenID != token.ID || !got.SessionID.IsZero() {
			t.Errorf("by a token: %+v, %v", got, err)
		}
		if err := w.users.EndToken(t.Context(), a, token.ID); err != nil {
			t.Fatal(err)
		}
		_, err = redeem(w, tickets[1])
		wantCode(t, "after its token", err, modules.CodeInvalidTicket)
	})
	t.Run("not longer than its token", func(t *testing.T) {
		w, a, _ := make(t)
		soon := w.Clock.Now().Add(time.Second)
		token, err := w.users.IssueToken(t.Context(), a, users.TokenDraft{Name: "x", Scopes: []modules.Scope{modules.ScopeEvents}, ExpiresAt: &soon}, nil)
		if err != nil {
			t.Fatal(err)
		}
		by, err := w.users.Authenticate(t.Context(), users.Credentials{Bearer: *token.Token})
		if err != nil || by.ExpiresAt != soon {
			t.Fatalf("by %+v, %v", by, err)
		}
		ticket, err := w.users.MakeTicket(t.Context(), by)
		if err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Second)
		_, err = redeem(w, ticket)
		wantCode(t, "after its token has expired", err, modules.CodeInvalidTicket)
		_, err = w.users.Authenticate(t.Context(), users.Credentials{Bearer: *token.Token})
		wantCode(t, "the expired token", err, modules.CodeInvalidToken)
	})
}
