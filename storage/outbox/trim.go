package outbox

import (
	"context"
	"math"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// trimRows bounds what one step of trimming drops on either side.
const trimRows = 256

// TrimJob keeps log and outbox within an age and a number of bytes of the log; 0 = no bound. It drops the oldest in
// small steps, both sides together: first in the log, then in the store.
//
// After a crash between the two the log's floor stands above the store's, and the next run removes the announcements
// without an event. The other order would leave events without announcements: a deletion could not find them to redact
// them, and a lost log could not be filled again with what clients were promised.
//
// In the store, the floor moves in the transaction that removes the first announcement below it; so whatever is missing
// lies at or below the floor. The relay begins at the log's mark, which is never below it.
func TrimJob(db storage.DB, log storage.LogKeeper, clock social.Clock, age time.Duration, bytes int64) social.Job {
	t := &trimmer{db: db, log: log, clock: clock, age: age, bytes: bytes}
	return social.Job{Name: "outbox: trim", Every: time.Minute, Run: func(ctx context.Context) (bool, error) {
		more, err := t.step(ctx)
		return more, social.Wrap(err, "outbox: trim")
	}}
}

// Last is the highest position that an announcement has by now, in a transaction also by its own; what follows is
// higher.
func Last(ctx context.Context, q storage.Querier) (last social.Position, err error) {
	err = q.QueryRow(ctx, `SELECT COALESCE(MAX(id), (SELECT floor FROM log_state WHERE id = 1)) FROM outbox`).Scan(&last)
	return last, social.Wrap(err, "outbox: last")
}

// Floor is the highest position that the store has dropped: nobody is shown what stands at or below it any more. A
// module that keeps something for as long as an event is shown asks it.
func Floor(ctx context.Context, q storage.Querier) (floor social.Position, err error) {
	err = q.QueryRow(ctx, `SELECT floor FROM log_state WHERE id = 1`).Scan(&floor)
	return floor, social.Wrap(err, "outbox: floor")
}

type trimmer struct {
	db    storage.DB
	log   storage.LogKeeper
	clock social.Clock
	age   time.Duration
	bytes int64
}

// step drops at most trimRows on either side; more = there is more to drop.
func (t *trimmer) step(ctx context.Context) (more bool, err error) {
	before, full, err := t.trimmable(ctx)
	if err != nil {
		return false, err
	}
	if before > t.log.Kept().Floor {
		dropped, err := t.log.Trim(ctx, before, trimRows)
		if err != nil {
			return false, err
		}
		more = dropped == trimRows || full
	}
	removed, err := t.trimStore(ctx, t.log.Kept().Floor)
	return more || removed == trimRows, err
}

// trimmable walks up to trimRows announcements above the log's floor and gives the last that may go: because it is
// too old, or because the log is too large and has taken it. full = the walk did not come to an end.
func (t *trimmer) trimmable(ctx context.Context) (before social.Position, full bool, err error) {
	limit := t.clock.Now() - social.Time(t.age.Milliseconds())
	if t.age <= 0 {
		limit = 0 // nothing is too old
	}
	if t.bytes > 0 && t.log.Size() > t.bytes {
		limit = math.MaxInt64
	}
	if limit == 0 {
		return 0, false, nil
	}
	err = t.db.Read(ctx, func(q storage.Querier) error {
		n, young := 0, false
		err := storage.Each(ctx, q, func(row storage.Row) error {
			var id social.Position
			var at social.Time
			err := row.Scan(&id, &at)
			if young = young || at >= limit; !young {
				before = id
			}
			n++
			return err
		}, `SELECT id, time FROM outbox WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3`,
			int64(t.log.Kept().Floor), int64(t.log.Kept().Head), trimRows)
		full = n == trimRows && !young
		return err
	})
	return before, full, err
}

// trimStore removes announcements at or below the floor, and moves the store's floor there.
func (t *trimmer) trimStore(ctx context.Context, floor social.Position) (removed int64, err error) {
	var oldest, kept social.Position
	err = t.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT floor, (SELECT COALESCE(MIN(id), 0) FROM outbox) FROM log_state
			WHERE id = 1`).Scan(&kept, &oldest)
	})
	if err != nil || (kept >= floor && (oldest == 0 || oldest > floor)) {
		return 0, err
	}
	err = t.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE log_state SET floor = $1 WHERE id = 1 AND floor < $1`, int64(floor))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM epochs WHERE n <
			(SELECT n FROM epochs WHERE after <= $1 ORDER BY n DESC LIMIT 1 OFFSET $2)`, int64(floor), social.MaxEndedEpochs)
		if err != nil {
			return err
		}
		removed, err = tx.Exec(ctx, `DELETE FROM outbox WHERE id IN
			(SELECT id FROM outbox WHERE id <= $1 ORDER BY id LIMIT $2)`, int64(floor), trimRows)
		return err
	})
	return removed, err
}
