package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// ErrTorn: the database lacks what it had, or holds what it never had beside that.
var ErrTorn = errors.New("the database is torn")

// compareRows bounds what one reading of the outbox gives.
const compareRows = 1000

// Compare holds every announcement against the journal, above both floors and up to where the shorter one ends. A
// database that was copied while it was written can be sound by itself and lack a stretch in the middle, which the log
// has. The host calls it at a start at which files do not fit, before Reconcile; it reads both, for some ten seconds a
// million events. ErrTorn (wrapped) names the first position that does not fit. If the two do not even agree at their
// common end they are of different histories, of which the one says nothing of the other: nil.
func Compare(ctx context.Context, db storage.DB, log storage.LogReader) error {
	c := comparison{db: db, log: log}
	if err := c.bounds(ctx); err != nil {
		return fmt.Errorf("outbox: compare: %w", err)
	}
	if c.from >= c.to {
		return nil
	}
	if _, wrong, err := c.page(ctx, c.newest-1); wrong != "" || err != nil {
		return err
	}
	for at := c.from; at < c.to; {
		next, wrong, err := c.page(ctx, at)
		switch {
		case err != nil:
			return fmt.Errorf("outbox: compare above %d: %w", at, err)
		case wrong != "":
			return fmt.Errorf("%w: %s", ErrTorn, wrong)
		}
		at = next
	}
	return nil
}

// Misfit says in words why the log cannot be of the store as it is; "" = it can.
func Misfit(ctx context.Context, db storage.DB, log storage.LogReader) (string, error) {
	kept, err := storeKept(ctx, db)
	if err != nil {
		return "", err
	}
	head := log.Head()
	switch gap := kept.GapOf(head); {
	case head.IsZero() && kept.Head > 0:
		return "there is no event log that fits it", nil
	case head.IsZero() || gap == nil || gap.Reason == social.GapExpired:
		return "", nil
	case gap.Reason == social.GapFuture:
		return "the event log is ahead of it", nil
	}
	return "the event log is of another history", nil
}

type comparison struct {
	db       storage.DB
	log      storage.LogReader
	from, to social.Position // what is above from and not above to stands on both sides
	newest   social.Position // the last announcement of an event in there
}

func (c *comparison) bounds(ctx context.Context) error {
	return c.db.Read(ctx, func(q storage.Querier) error {
		err := q.QueryRow(ctx, `SELECT floor, (SELECT COALESCE(MAX(id), 0) FROM outbox) FROM log_state WHERE id = 1`).
			Scan(&c.from, &c.to)
		if err != nil {
			return err
		}
		c.from, c.to = max(c.from, c.log.Kept().Floor), min(c.to, c.log.Head().Seq)
		return q.QueryRow(ctx, `SELECT COALESCE(MAX(id), $1 + 1) FROM outbox
			WHERE op = 1 AND set_aside_at IS NULL AND id > $1 AND id <= $2`, int64(c.from), int64(c.to)).Scan(&c.newest)
	})
}

// page compares the rows behind a position. wrong says in words what does not fit; next is how far it got.
func (c *comparison) page(ctx context.Context, at social.Position) (next social.Position, wrong string, err error) {
	var rows []row
	err = c.db.Read(ctx, func(q storage.Querier) (err error) {
		rows, err = storage.All(ctx, q, scanRow, `SELECT `+rowColumns+` FROM outbox
			WHERE id > $1 AND id <= $2 AND set_aside_at IS NULL ORDER BY id LIMIT $3`, int64(at), int64(c.to), compareRows)
		return err
	})
	if next = c.to; err == nil && len(rows) == compareRows {
		next = social.Position(rows[len(rows)-1].id)
	}
	for p := at + 1; err == nil && p <= next; p++ {
		var has *row
		if len(rows) > 0 && rows[0].id == int64(p) {
			has, rows = &rows[0], rows[1:]
		}
		if wrong, err = c.differ(ctx, p, has); wrong != "" {
			return next, wrong, err
		}
	}
	return next, "", err
}

// differ compares one position; has = nil: the database has nothing there.
func (c *comparison) differ(ctx context.Context, p social.Position, has *row) (wrong string, err error) {
	e, kept, err := c.log.At(ctx, p)
	var gap *social.GapError
	if errors.As(err, &gap) {
		return "", nil // damaged: it tells nothing
	}
	if err != nil || has == nil && !kept {
		return "", err
	}
	if has == nil {
		return fmt.Sprintf("it lacks announcement %d, which the event log has", p), nil
	}
	want, bad := has.entry()
	switch {
	case bad != nil: // it is not in the log, and will be set aside
	case want.Op != storage.OpAppend && kept, want.Op == storage.OpAppend &&
		(!kept || e.Stream != want.Stream || e.Type != want.Type || e.Time != want.Time):
		return fmt.Sprintf("announcement %d is another than in the event log", p), nil
	}
	return "", nil
}
