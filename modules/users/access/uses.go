package access

import (
	"context"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Uses are noted when the last one noted is this old, in batches, by a job: a read never waits for a write.
const (
	noteEvery = 5 * time.Minute
	maxUses   = 4096 // beyond it uses are not noted; the next request tries again
	useBatch  = 256
)

// uses are the sessions and tokens whose use has to be written down.
type uses struct {
	mu   sync.Mutex
	when map[usedRow]usedAt
}

type usedRow struct {
	table string
	id    social.ID
}

type usedAt struct {
	at      social.Time
	person  social.ID // zero = a service
	address string
}

func newUses() *uses { return &uses{when: make(map[usedRow]usedAt)} }

// note keeps that a session or token was used now from an address, if that is worth a write.
func (n *uses) note(u use, now social.Time, address string) {
	if now.Sub(u.last) < noteEvery {
		return
	}
	row := usedRow{"sessions", u.actor.SessionID}
	switch {
	case !u.actor.ServiceID.IsZero():
		row = usedRow{"service_tokens", u.actor.ServiceID}
	case !u.actor.TokenID.IsZero():
		row = usedRow{"tokens", u.actor.TokenID}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.when[row]; known || len(n.when) < maxUses {
		n.when[row] = usedAt{now, u.actor.UserID, address}
	}
}

// batch removes at most useBatch of them; more = there is a rest.
func (n *uses) batch() (batch map[usedRow]usedAt, more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	batch = make(map[usedRow]usedAt)
	for row, at := range n.when {
		if len(batch) == useBatch {
			return batch, true
		}
		batch[row] = at
		delete(n.when, row)
	}
	return batch, false
}

// noteUses is the job that writes last uses. What is lost by an error or a crash is noted with the next request.
func (s *Service) noteUses(ctx context.Context) (bool, error) {
	batch, more := s.uses.batch()
	if len(batch) == 0 {
		return false, nil
	}
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		for row, at := range batch {
			if err := s.noteUse(ctx, tx, row, at); err != nil {
				return err
			}
		}
		return nil
	})
	return more, social.Wrap(err, "users: note %d last uses", len(batch))
}

// noteUse writes one use, and that its device is known. A session that is used again lives on, but not past its end
// counted from login.
func (s *Service) noteUse(ctx context.Context, tx storage.Tx, row usedRow, used usedAt) error {
	at := used.at
	if !used.person.IsZero() {
		if err := s.seeDeviceOf(ctx, tx, row, used); err != nil {
			return err
		}
	}
	if row.table != "sessions" {
		_, err := tx.Exec(ctx, `UPDATE `+row.table+` SET last_used_at = $1 WHERE id = $2`, int64(at), row.id)
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE sessions SET last_used_at = $1,
		expires_at = CASE WHEN created_at + $2 < $3 THEN created_at + $2 ELSE $3 END WHERE id = $4 AND last_used_at < $1`,
		int64(at), s.cfg.SessionMax.Milliseconds(), int64(at.Add(s.cfg.SessionIdle)), row.id)
	return err
}

// seeDeviceOf notes the device of a session or token, unless that has ended meanwhile: its address is not known any
// more.
func (s *Service) seeDeviceOf(ctx context.Context, tx storage.Tx, row usedRow, used usedAt) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM `+row.table+` WHERE id = $1`, row.id).Scan(&one)
	if found, err := storage.Found(err); !found {
		return err
	}
	return s.SeeDevice(ctx, tx, used.person, used.address, used.at)
}
