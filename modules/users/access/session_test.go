package access_test

import (
	"testing"

	"github.com/belfry-social/belfry/modules/moduletest"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/modules/users/access"
	"github.com/belfry-social/belfry/storage"
)

// The room by itself, on a row of an account: a session lets in until it ends, and takes its tickets along.
func TestSession(t *testing.T) {
	f := moduletest.Open(t, users.Migrations)
	cfg := users.DefaultConfig()
	s := access.New(access.Config{SessionIdle: cfg.SessionIdle, SessionMax: cfg.SessionMax},
		social.Site{PublicURL: "https://social.example"}, f.DB, f.Clock, f.Pages, f.Log)
	person := social.NewID()
	var session access.Session
	var secret string
	f.InTx(t, func(tx storage.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO users (id, key, username, display_name, role, state, locale, time_zone,
			password_hash, created_at) VALUES ($1, 1, 'alice', 'Alice', 'user', 'suspended', 'en', 'UTC', '', 0)`, person)
		if err != nil {
			return err
		}
		session, secret, err = s.Begin(t.Context(), tx, person, "Test/1.0")
		return err
	})
	who, err := s.Authenticate(t.Context(), social.Credentials{Cookie: secret})
	if err != nil || who.UserID != person || who.SessionID != session.ID || !who.Suspended {
		t.Fatalf("the secret stands for %+v, %v", who, err)
	}
	ticket, err := s.MakeTicket(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndSession(t.Context(), who, session.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Authenticate(t.Context(), social.Credentials{Cookie: secret})
	if !social.IsFault(err, social.CodeInvalidToken) {
		t.Errorf("after its end the secret gives %v", err)
	}
	_, err = s.Authenticate(t.Context(), social.Credentials{Ticket: ticket.Ticket})
	if !social.IsFault(err, social.CodeInvalidTicket) {
		t.Errorf("after the end of its session a ticket gives %v", err)
	}
	if rows := f.Outbox(t); len(rows) != 1 || rows[0].Type != social.EventAccessRevoked || !rows[0].Internal {
		t.Errorf("the outbox has %v, want the end of access", rows)
	}
}
