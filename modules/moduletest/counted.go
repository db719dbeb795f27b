package moduletest

import (
	"context"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// Counted is a Querier that counts what its queries cost. Each is run once more on a connection of its own, so it counts
// what is committed.
type Counted struct {
	storage.Querier
	Queries int
	Steps   int // of the engine's machine: it grows with the rows looked at

	t  testing.TB
	db *sqlite.DB
}

// Counted makes a counter of what is asked through it of q.
func (f *Fixture) Counted(t testing.TB, q storage.Querier) *Counted {
	return &Counted{Querier: q, t: t, db: f.DB}
}

func (c *Counted) note(ctx context.Context, query string, args []any) {
	c.t.Helper()
	n, err := c.db.Steps(ctx, query, args...)
	if err != nil {
		c.t.Fatalf("count the steps of %s: %v", query, err)
	}
	c.Queries++
	c.Steps += n
}

func (c *Counted) Query(ctx context.Context, query string, args ...any) (storage.Rows, error) {
	c.note(ctx, query, args)
	return c.Querier.Query(ctx, query, args...)
}

func (c *Counted) QueryRow(ctx context.Context, query string, args ...any) storage.Row {
	c.note(ctx, query, args)
	return c.Querier.QueryRow(ctx, query, args...)
}

// CountedDB is a store that counts what each of its readers costs.
type CountedDB struct {
	storage.DB
	F *Fixture
	T testing.TB

	Queries, Steps int // since they were last set to 0
}

func (d *CountedDB) Read(ctx context.Context, fn func(q storage.Querier) error) error {
	return d.DB.Read(ctx, func(q storage.Querier) error {
		c := d.F.Counted(d.T, q)
		err := fn(c)
		d.Queries, d.Steps = d.Queries+c.Queries, d.Steps+c.Steps
		return err
	})
}
