package outbox

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// allEpochs reads the table of epochs.
func allEpochs(ctx context.Context, q storage.Querier) (social.Epochs, error) {
	return storage.All(ctx, q, scanEpoch, `SELECT epoch, after FROM epochs ORDER BY n`)
}

// epochsFrom reads the table from the row on that the position behind mark belongs to.
func epochsFrom(ctx context.Context, q storage.Querier, mark social.Position) (social.Epochs, error) {
	return storage.All(ctx, q, scanEpoch, `SELECT epoch, after FROM epochs WHERE n >= COALESCE(
		(SELECT n FROM epochs WHERE after <= $1 ORDER BY n DESC LIMIT 1), 0) ORDER BY n`, int64(mark))
}

func scanEpoch(row storage.Row) (e social.Epoch, err error) {
	err = row.Scan(&e.Number, &e.After)
	return e, err
}
