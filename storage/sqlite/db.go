package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/belfry-social/belfry/storage"
)

// DB is a storage.DB in one file. All methods may be called from many goroutines.
type DB struct {
	cfg       Config
	pools     []*sql.DB
	writer    *conn
	readers   chan *conn
	committed chan struct{}
	mu        sync.Mutex
	lastKey   int64
}

// Open opens the file, making it if it is not there, and fails if it is no database.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	d := &DB{cfg: cfg, readers: make(chan *conn, cfg.Readers), committed: make(chan struct{}, 1)}
	if err := d.open(ctx); err != nil {
		d.Close()
		return nil, fmt.Errorf("sqlite: open %s: %w", cfg.Path, err)
	}
	return d, nil
}

func (d *DB) open(ctx context.Context) error {
	f, err := os.OpenFile(d.cfg.Path, os.O_RDWR|os.O_CREATE, 0o600) // the engine would make it readable for others
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	pool, err := d.pool(d.cfg.dsn("foreign_keys(1)"))
	if err != nil {
		return err
	}
	if d.writer, err = connect(ctx, pool); err != nil {
		return err
	}
	if pool, err = d.pool(d.cfg.dsn("foreign_keys(1)", "query_only(1)")); err != nil {
		return err
	}
	for range d.cfg.Readers {
		c, err := connect(ctx, pool)
		if err != nil {
			return err
		}
		d.readers <- c
	}
	return nil
}

func (d *DB) pool(dsn string) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	d.pools = append(d.pools, pool)
	return pool, nil
}

type tx struct {
	querier
	d *DB
}

func (t *tx) Exec(_ context.Context, query string, args ...any) (int64, error) {
	r, err := t.c.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *tx) NextKey(ctx context.Context) (int64, error) {
	var k int64
	err := t.QueryRow(ctx, `UPDATE order_keys SET last = last + 1 WHERE id = 1 RETURNING last`).Scan(&k)
	return k, err
}

// InTx is storage.DB's.
func (d *DB) InTx(ctx context.Context, fn func(tx storage.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.writer.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	done := false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sqlite: panic in transaction: %v", r)
		}
		if !done {
			d.writer.exec("ROLLBACK")
		}
	}()
	if err := fn(&tx{querier{c: d.writer}, d}); err != nil {
		return err
	}
	if _, err := d.writer.exec("COMMIT"); err != nil {
		return err
	}
	done = true
	select {
	case d.committed <- struct{}{}:
	default:
	}
	return nil
}

// Read is storage.DB's.
func (d *DB) Read(ctx context.Context, fn func(q storage.Querier) error) error {
	select {
	case c := <-d.readers:
		defer func() { d.readers <- c }()
		if _, err := c.exec("BEGIN DEFERRED"); err != nil {
			return err
		}
		defer c.exec("ROLLBACK")
		return fn(&querier{c: c})
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Committed is storage.DB's.
func (d *DB) Committed() <-chan struct{} { return d.committed }

// Check is storage.DB's.
func (d *DB) Check(ctx context.Context) error { return nil }

// Healthy is storage.DB's.
func (d *DB) Healthy() error { return nil }

// Close is storage.DB's.
func (d *DB) Close() error {
	if d.writer != nil {
		d.writer.close()
	}
	var errs []error
	for _, p := range d.pools {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

var _ storage.DB = (*DB)(nil)
