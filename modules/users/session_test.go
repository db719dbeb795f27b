package users_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/storage"
)

const day = 24 * time.Hour

func TestSessionEnds(t *testing.T) {
	valid := func(w *world, secret string) bool {
		_, err := w.users.Authenticate(t.Context(), social.Credentials{Cookie: secret})
		if err != nil {
			wantCode(t, "authenticate", err, social.CodeInvalidToken)
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
	token := w.token(t, a, social.ScopeRead)
	secret, _, err := w.users.CreateService(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	use := func() {
		for _, c := range []social.Credentials{{Cookie: welcome.Secret}, {Bearer: *token.Token}, {Bearer: secret}} {
			if _, err := w.users.Authenticate(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		w.runJobs(t)
	}
	last := func() (session, personal, service social.Time) {
		sessions, err := w.users.Sessions(t.Context(), a, social.PageQuery{Limit: 20})
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := w.users.Tokens(t.Context(), a, social.PageQuery{Limit: 20})
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
			_, err = tx.Exec(t.Context(), `INSERT INTO sessions (id, key, user_id, hash, user_agent, address, created_at,
				last_used_at, expires_at)
				VALUES ($1, $2, $3, $4, '', '', 0, 0, $5)`, social.NewID(), key, id, hash, int64(w.Clock.Now().Add(day)))
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
	rows := w.Announced(t, social.Stream{Kind: social.To, User: id})
	if len(rows) != 1 || !strings.Contains(string(rows[0].Data), first.Session.ID.String()) {
		t.Errorf("announced %v, want the end of the first session", rows)
	}
	_, err := w.users.Authenticate(t.Context(), social.Credentials{Cookie: first.Secret})
	wantCode(t, "the session that began first", err, social.CodeInvalidToken)
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
	var seen []social.ID
	current := 0
	q := social.PageQuery{Limit: 2}
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
	b := social.Actor{UserID: social.NewID()}
	_, err := w.users.Sessions(t.Context(), b, q)
	wantCode(t, "a cursor of somebody else", err, social.CodeInvalidCursor)
}
