package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/storage"
)

// ErrMixed is returned by Open and by Fits.
var ErrMixed = errors.New("the database and its write-ahead log do not belong together: an old " + FileName +
	" lies beside a newer " + FileName + "-wal, or the other way round; restore a backup, or put the database back " +
	"without the files " + FileName + "-wal and " + FileName + "-shm")

// Fits looks whether the outbox is whole at its end, once its tables are there: the highest announcement is the last
// one that was ever given out, or everything is trimmed. Where the file has no mark yet, that is the only sign of a
// database that was put back beside the write-ahead log of another moment.
func (d *DB) Fits(ctx context.Context) error {
	return d.Read(ctx, func(q storage.Querier) error {
		var last, top, floor int64
		err := q.QueryRow(ctx, `SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0),
			(SELECT COALESCE(MAX(id), 0) FROM outbox), floor FROM log_state`).Scan(&last, &top, &floor)
		if err != nil {
			return fmt.Errorf("sqlite: check %s: %w", d.cfg.Path, err)
		}
		if max(top, floor) != max(last, floor) {
			return fmt.Errorf("sqlite: %s: announcements end at %d, and %d was given out: %w", d.cfg.Path, top, last, ErrMixed)
		}
		return nil
	})
}
