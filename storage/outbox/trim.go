package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// trimRows bounds what one step of trimming drops on either side.
const trimRows = 256

// TrimJob keeps log and outbox within an age and a number of bytes of the log; 0 = no bound. It drops the oldest in
// small steps, both sides together: first in the log, then in the store.
//
// A crash may fall between the two. Then the log's floor stands above the store's, some announcements have no event
// any more, and the next run takes them away. If the log is lost just then, it is filled again from the store's
// lower floor: readers find a little more than was promised, under the same ids. The other order would leave, for a
// while, events without announcements: a deletion could not find them to redact them, and a lost log could not be
// filled again with what clients were promised.
//
// In the store, the floor moves in the transaction that removes the first announcement below it; so whatever is
// missing lies at or below the floor. Announcements at or below it that are still there are removed by later steps,
// and nobody copies them: the relay begins at the log's mark, which is never below the floor.
func (r *Relay) TrimJob(age time.Duration, bytes int64) social.Job {
	return social.Job{Name: "outbox.trim", Every: time.Minute, Run: func(ctx context.Context) (bool, error) {
		more, err := r.trim(ctx, age, bytes)
		if err != nil {
			return false, fmt.Errorf("outbox: trim: %w", err)
		}
		return more, nil
	}}
}

// trim is one step; more = there is more to drop.
func (r *Relay) trim(ctx context.Context, age time.Duration, bytes int64) (more bool, err error) {
	before, full, err := r.trimmable(ctx, age, bytes > 0 && r.log.Size() > bytes)
	if err != nil {
		return false, err
	}
	if before > r.log.Oldest().Seq {
		dropped, err := r.log.Trim(ctx, before, trimRows)
		if err != nil {
			return false, err
		}
		more = dropped == trimRows || full
	}
	removed, err := r.trimStore(ctx, r.log.Oldest().Seq)
	return more || removed == trimRows, err
}

// trimmable walks up to trimRows announcements above the log's floor and gives the last that may go: because it is
// too old, or because everything may go that the log has taken. full = the walk did not come to an end.
func (r *Relay) trimmable(ctx context.Context, age time.Duration, anything bool) (before social.Position, full bool, err error) {
	if age <= 0 && !anything {
		return 0, false, nil
	}
	limit := r.clock.Now() - social.Time(age.Milliseconds())
	err = r.db.Read(ctx, func(q storage.Querier) error {
		before, full = 0, false
		rows, err := q.Query(ctx, `SELECT id, time FROM outbox WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3`,
			int64(r.log.Oldest().Seq), int64(r.log.Head().Seq), trimRows)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		n := 0
		for ; rows.Next(); n++ {
			var id, at int64
			if err := rows.Scan(&id, &at); err != nil {
				return err
			}
			if !anything && social.Time(at) >= limit {
				return rows.Err()
			}
			before = social.Position(id)
		}
		full = n == trimRows
		return rows.Err()
	})
	return before, full, err
}

// trimStore removes announcements at or below the floor, and moves the store's floor there.
func (r *Relay) trimStore(ctx context.Context, floor social.Position) (removed int64, err error) {
	var oldest, kept int64
	err = r.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT floor, (SELECT COALESCE(MIN(id), 0) FROM outbox) FROM log_state WHERE id = 1`).Scan(&kept, &oldest)
	})
	if err != nil || (social.Position(kept) >= floor && (oldest == 0 || social.Position(oldest) > floor)) {
		return 0, err
	}
	err = r.db.InTx(ctx, func(tx storage.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE log_state SET floor = $1 WHERE id = 1 AND floor < $1`, int64(floor)); err != nil {
			return err
		}
		removed, err = tx.Exec(ctx, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id <= $1 ORDER BY id LIMIT $2)`,
			int64(floor), trimRows)
		return err
	})
	return removed, err
}
