package users

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Uses are noted when the last one noted is this old, in batches, by a job: a read never waits for a write.
const (
	touchEvery = 5 * time.Minute
	touchMax   = 4096 // beyond it uses are not noted; the next request tries again
	touchBatch = 256
)

// touches are the sessions and tokens whose use has to be written down.
type touches struct {
	mu   sync.Mutex
	when map[touch]social.Time
}

type touch struct {
	table tokenTable
	id    social.ID
}

// tokenTable says where an id lives.
type tokenTable byte

const (
	inSessions tokenTable = iota
	inTokens
	inServiceTokens
)

func newTouches() *touches { return &touches{when: make(map[touch]social.Time)} }

// touch remembers that a session or token was used now, if that is worth a write.
func (s *Service) touch(u used, now social.Time) {
	if now.Sub(u.usedAt) < touchEvery {
		return
	}
	t := touch{inSessions, u.actor.SessionID}
	switch {
	case !u.actor.ServiceID.IsZero():
		t = touch{inServiceTokens, u.actor.ServiceID}
	case !u.actor.TokenID.IsZero():
		t = touch{inTokens, u.actor.TokenID}
	}
	s.touched.mu.Lock()
	defer s.touched.mu.Unlock()
	if _, known := s.touched.when[t]; known || len(s.touched.when) < touchMax {
		s.touched.when[t] = now
	}
}

// take removes at most touchBatch of them; more tells of a rest.
func (t *touches) take() (batch map[touch]social.Time, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	batch = make(map[touch]social.Time)
	for k, at := range t.when {
		if len(batch) == touchBatch {
			return batch, true
		}
		batch[k] = at
		delete(t.when, k)
	}
	return batch, false
}

// noteUses is the job that writes last uses. What is lost by an error or a crash is noted with the next request.
func (s *Service) noteUses(ctx context.Context) (bool, error) {
	batch, more := s.touched.take()
	if len(batch) == 0 {
		return false, nil
	}
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		for t, at := range batch {
			if err := s.noteUse(ctx, tx, t, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("users: note %d last uses: %w", len(batch), err)
	}
	return more, nil
}

func (s *Service) noteUse(ctx context.Context, tx storage.Tx, t touch, at social.Time) error {
	var err error
	switch t.table {
	case inSessions:
		// Used again, a session lives on, but not past its end counted from login.
		_, err = tx.Exec(ctx, `UPDATE sessions SET last_used_at = $1,
			expires_at = CASE WHEN created_at + $2 < $3 THEN created_at + $2 ELSE $3 END WHERE id = $4 AND last_used_at < $1`,
			int64(at), s.cfg.SessionMax.Milliseconds(), int64(at.Add(s.cfg.SessionIdle)), t.id)
	case inTokens:
		_, err = tx.Exec(ctx, `UPDATE tokens SET last_used_at = $1 WHERE id = $2`, int64(at), t.id)
	case inServiceTokens:
		_, err = tx.Exec(ctx, `UPDATE service_tokens SET last_used_at = $1 WHERE id = $2`, int64(at), t.id)
	}
	return err
}
