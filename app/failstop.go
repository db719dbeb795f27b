package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/storage"
)

// InTx is storage.DB's. Once the event log has failed nothing is begun any more, as after a failure of the database
// itself: the process ends, and what it still answered would be told to nobody before the next start (0052).
func (d *database) InTx(ctx context.Context, fn func(tx storage.Tx) error) error {
	if d.log.Log != nil {
		if err := d.log.Healthy(); errors.Is(err, storage.ErrFailed) {
			return fmt.Errorf("the event log has failed: %w", err)
		}
	}
	if d.quota == nil {
		return d.DB.InTx(ctx, fn)
	}
	return d.quota.InTx(ctx, d.DB, fn)
}
