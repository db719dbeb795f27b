package delivery

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// settlePage bounds what one step ends or drops.
const settlePage = 200

// Jobs: settling endpoints that were switched off or removed, and dropping finished deliveries that are older
// than Config.Keep.
func (s *Service) Jobs() []social.Job {
	return []social.Job{
		{Name: "delivery: settle endpoints", Every: 10 * time.Second, Run: s.settleEndpoints},
		{Name: "delivery: drop finished deliveries", Every: time.Minute, Run: s.dropFinished},
	}
}

// settleEndpoints does one step for one endpoint: the deliveries of a disabled one become dead letters, those of a
// removed one are dropped, and in the end its row.
func (s *Service) settleEndpoints(ctx context.Context) (more bool, err error) {
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		type unsettled struct {
			id      social.ID
			removed bool
		}
		found, err := list(ctx, tx, func(row storage.Row) (u unsettled, err error) {
			var deleted *social.Time
			err = row.Scan(&u.id, &deleted)
			u.removed = deleted != nil
			return u, err
		}, `SELECT id, deleted_at FROM endpoints WHERE unsettled = 1 ORDER BY id LIMIT 1`)
		more = len(found) > 0
		if err != nil || !more {
			return err
		}
		e := found[0]
		if !e.removed {
			left, err := settle(ctx, tx, e.id, stateDead, s.clock.Now(), settlePage)
			if err != nil || left {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE endpoints SET unsettled = 0 WHERE id = $1`, e.id)
			return err
		}
		n, err := drop(ctx, tx, `endpoint_id = $1 ORDER BY key`, e.id)
		if err != nil || n == settlePage {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM endpoints WHERE id = $1`, e.id)
		return err
	})
	return more, wrap("settle endpoints", err)
}

func (s *Service) dropFinished(ctx context.Context) (more bool, err error) {
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		n, err := drop(ctx, tx, `finished_at < $1 ORDER BY finished_at, id`, int64(s.clock.Now().Add(-s.cfg.Keep)))
		more = n == settlePage
		return err
	})
	return more, wrap("drop finished deliveries", err)
}

// drop removes up to settlePage deliveries with their attempts; where is a condition on $1 and an order.
func drop(ctx context.Context, tx storage.Tx, where string, value any) (int64, error) {
	page := `(SELECT id FROM deliveries WHERE ` + where + ` LIMIT $2)`
	if _, err := tx.Exec(ctx, `DELETE FROM attempts WHERE delivery_id IN `+page, value, settlePage); err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM deliveries WHERE id IN `+page, value, settlePage)
}
