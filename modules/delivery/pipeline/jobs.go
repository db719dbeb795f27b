package pipeline

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// settlePage bounds what one step ends or drops.
const settlePage = 200

// Reactions: the end of an account removes its endpoints, and when its access is reset they are switched off, since
// they hand its notifications to whoever gave the address. Connections end by the revocation that is announced.
func (p *Pipeline) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("delivery: remove endpoints", func(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
			return bury(ctx, tx, `owner_id`, f.UserID, f.At)
		}),
		event.On("delivery: disable endpoints", func(ctx context.Context, tx storage.Tx, f event.AccessReset) error {
			return disableAll(ctx, tx, f.UserID, f.At)
		}),
	}
}

// Jobs: settling endpoints that were switched off or removed, and dropping finished deliveries that are older
// than Config.Keep.
func (p *Pipeline) Jobs() []social.Job {
	return []social.Job{
		{Name: "delivery: settle endpoints", Every: 10 * time.Second, Run: p.settleEndpoints},
		{Name: "delivery: drop finished deliveries", Every: time.Minute, Run: p.dropFinished},
	}
}

// settleEndpoints does one step for one endpoint: the deliveries of a disabled one become dead letters, those of a
// removed one are dropped, and in the end its row.
func (p *Pipeline) settleEndpoints(ctx context.Context) (more bool, err error) {
	type unsettled struct {
		id      social.ID
		channel string
		deleted *social.Time
	}
	var channel string
	var dead int64
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		dead = 0
		found, err := storage.All(ctx, tx, func(row storage.Row) (u unsettled, err error) {
			err = row.Scan(&u.id, &u.channel, &u.deleted)
			return u, err
		}, `SELECT id, channel, deleted_at FROM endpoints WHERE unsettled = 1 ORDER BY id LIMIT 1`)
		if more = len(found) > 0; err != nil || !more {
			return err
		}
		var n int64
		e, last := found[0], `UPDATE endpoints SET unsettled = 0 WHERE id = $1`
		if e.deleted == nil {
			n, err = settle(ctx, tx, e.id, p.clock.Now())
			channel, dead = e.channel, n
		} else {
			last = `DELETE FROM endpoints WHERE id = $1`
			n, err = drop(ctx, tx, `endpoint_id = $1 ORDER BY key`, e.id)
		}
		if err != nil || n == settlePage {
			return err
		}
		_, err = tx.Exec(ctx, last, e.id)
		return err
	})
	if err == nil && dead > 0 {
		p.figures.over(channel, stateDead, dead)
	}
	return more, social.Wrap(err, "delivery: settle endpoints")
}

func (p *Pipeline) dropFinished(ctx context.Context) (more bool, err error) {
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		before := p.clock.Now().Add(-p.cfg.Keep)
		n, err := drop(ctx, tx, `finished_at < $1 ORDER BY finished_at, id`, int64(before))
		more = n == settlePage
		return err
	})
	return more, social.Wrap(err, "delivery: drop finished deliveries")
}

// settle makes dead letters of up to settlePage pending deliveries of an endpoint, and returns how many.
func settle(ctx context.Context, tx storage.Tx, endpoint social.ID, now social.Time) (int64, error) {
	return tx.Exec(ctx, `UPDATE deliveries SET state = 'dead', next_attempt_at = NULL, finished_at = $2 WHERE id IN
		(SELECT id FROM deliveries WHERE endpoint_id = $1 AND state = 'pending' ORDER BY next_attempt_at LIMIT $3)`,
		endpoint, int64(now), settlePage)
}

// drop removes up to settlePage deliveries with their attempts; where is a condition on $1 and an order.
func drop(ctx context.Context, tx storage.Tx, where string, value any) (int64, error) {
	page := `(SELECT id FROM deliveries WHERE ` + where + ` LIMIT $2)`
	if _, err := tx.Exec(ctx, `DELETE FROM attempts WHERE delivery_id IN `+page, value, settlePage); err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM deliveries WHERE id IN `+page, value, settlePage)
}

// disable switches an endpoint off. What waits for it becomes dead letters, the first settlePage of them at once; it
// returns how many those are.
func disable(ctx context.Context, tx storage.Tx, id social.ID, reason string, now social.Time) (int64, error) {
	n, err := settle(ctx, tx, id, now)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE endpoints SET disabled = $2, due_at = NULL, busy_until = 0, unsettled = $3,
		updated_at = $4 WHERE id = $1`, id, reason, n/settlePage, int64(now))
	return n, err
}

// bury removes the endpoints whose column ("id" or "owner_id") has this value: address and secrets at once, their
// deliveries by the job.
func bury(ctx context.Context, tx storage.Tx, column string, value social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET deleted_at = $2, due_at = NULL, busy_until = 0, unsettled = 1,
		name = '', settings = '{}', types = '', secret = '', old_secret = ''
		WHERE `+column+` = $1 AND deleted_at IS NULL`, value, int64(now))
	if err != nil || column == "id" {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM turns WHERE owner_id = $1`, value)
	return err
}

// disableAll switches a person's endpoints off. What waits for them becomes dead letters by the job.
func disableAll(ctx context.Context, tx storage.Tx, owner social.ID, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE endpoints SET disabled = $2, due_at = NULL, busy_until = 0, unsettled = 1,
		updated_at = $3 WHERE owner_id = $1 AND disabled = '' AND deleted_at IS NULL`, owner, disabledByAdmin, int64(now))
	return err
}
