package users_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
)

func TestTicket(t *testing.T) {
	make := func(t *testing.T) (*world, social.Actor, users.Ticket) {
		w := open(t)
		a := w.actor(t, w.register(t, "alice"))
		ticket, err := w.users.MakeTicket(t.Context(), a)
		if err != nil || ticket.ExpiresIn != 30 || ticket.ExpiresAt != w.Clock.Now().Add(30*time.Second) ||
			!strings.HasPrefix(ticket.Ticket, "bft_") || len(ticket.Ticket) != 47 {
			t.Fatalf("ticket %+v, %v", ticket, err)
		}
		return w, a, ticket
	}
	redeem := func(w *world, ticket users.Ticket) (social.Actor, error) {
		return w.users.Authenticate(t.Context(), social.Credentials{Ticket: ticket.Ticket})
	}
	t.Run("works once, for events only", func(t *testing.T) {
		w, a, ticket := make(t)
		got, err := redeem(w, ticket)
		if err != nil || got.UserID != a.UserID || got.SessionID != a.SessionID || got.ExpiresAt != a.ExpiresAt ||
			!got.Allows(social.ScopeEvents) || got.Allows(social.ScopeRead) || got.Allows(social.ScopeWritePosts) {
			t.Errorf("redeemed as %+v, %v", got, err)
		}
		_, err = redeem(w, ticket)
		wantCode(t, "the second time", err, social.CodeInvalidTicket)
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
			got, err := w.users.Authenticate(t.Context(), social.Credentials{Ticket: ticket.Ticket, Peek: true})
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
		if _, err := w.users.Authenticate(t.Context(), social.Credentials{Ticket: ticket.Ticket, Peek: true}); err != nil {
			t.Errorf("a millisecond before: %v", err)
		}
		w.Advance(time.Millisecond)
		_, err := redeem(w, ticket)
		wantCode(t, "at 30 s", err, social.CodeInvalidTicket)
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
		wantCode(t, "after logout", err, social.CodeInvalidTicket)
		_, err = w.users.MakeTicket(t.Context(), a)
		wantCode(t, "a new one after logout", err, social.CodeInvalidToken)
	})
	t.Run("ends with its token", func(t *testing.T) {
		w, a, _ := make(t)
		token := w.token(t, a, social.ScopeEvents)
		by, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
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
		wantCode(t, "after its token", err, social.CodeInvalidTicket)
	})
	t.Run("not longer than its token", func(t *testing.T) {
		w, a, _ := make(t)
		soon := w.Clock.Now().Add(time.Second)
		token, err := w.users.IssueToken(t.Context(), a,
			users.TokenDraft{Name: "x", Scopes: []social.Scope{social.ScopeEvents}, ExpiresAt: &soon}, nil)
		if err != nil {
			t.Fatal(err)
		}
		by, err := w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
		if err != nil || by.ExpiresAt != soon {
			t.Fatalf("by %+v, %v", by, err)
		}
		ticket, err := w.users.MakeTicket(t.Context(), by)
		if err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Second)
		_, err = redeem(w, ticket)
		wantCode(t, "after its token has expired", err, social.CodeInvalidTicket)
		_, err = w.users.Authenticate(t.Context(), social.Credentials{Bearer: *token.Token})
		wantCode(t, "the expired token", err, social.CodeInvalidToken)
	})
}
