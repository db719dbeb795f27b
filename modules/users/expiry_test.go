package users_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Dropping goes in pages and stops at what has not expired.
func TestDropExpired(t *testing.T) {
	w := open(t)
	a := w.actor(t, w.register(t, "alice"))
	const late = 1201
	now := w.Clock.Now()
	w.InTx(t, func(tx storage.Tx) error {
		for i := range late + 2 {
			hash := make([]byte, 32)
			binary.BigEndian.PutUint32(hash, uint32(i))
			expires := now // at its very end a ticket is no good any more
			if i >= late {
				expires = now + 1
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO stream_tickets (hash, session_id, expires_at) VALUES ($1, $2, $3)`, hash,
				a.SessionID, int64(expires))
			if err != nil {
				return err
			}
		}
		return nil
	})
	var drop social.Job
	for _, job := range w.users.Jobs() {
		if job.Every == time.Minute {
			drop = job
		}
	}
	turns := 1
	for {
		more, err := drop.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		if turns++; turns > 10 {
			t.Fatal("the job does not end")
		}
	}
	if n := w.count(t, "stream_tickets"); n != 2 || turns != 3 {
		t.Errorf("%d tickets are left after %d turns, want the 2 that hold, after 3", n, turns)
	}
	w.actor(t, w.register(t, "bob")) // sessions that hold are not touched
	if n := w.count(t, "sessions"); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}
