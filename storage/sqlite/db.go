package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	lib "modernc.org/sqlite/lib"

	"github.com/belfry-social/belfry/storage"
)

// DB is a storage.DB in one file. All methods may be called from many goroutines.
type DB struct {
	cfg     Config
	writer  *writer
	readers chan *conn    // those that are free
	closing chan struct{} // closed by Close
	once    sync.Once
	result  error // of Close
}

// Open opens the file, making it if it is not there, and fails if it is no database. It makes no tables.
func Open(_ context.Context, cfg Config) (*DB, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	d := &DB{cfg: cfg, readers: make(chan *conn, cfg.Readers), closing: make(chan struct{})}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", cfg.Path, errors.Join(err, d.closeConns()))
	}
	go d.writer.run()
	return d, nil
}

func (d *DB) open() error {
	f, err := os.OpenFile(d.cfg.Path, os.O_RDWR|os.O_CREATE, 0o600) // the engine would let others read it
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := syncFile(d.cfg.Path + "-wal"); err != nil {
		return err
	}
	// The writer looks after the write-ahead log itself (see writer.checkpoint).
	c, err := connect(d.cfg.Path, d.cfg.pragmas("foreign_keys(1)", "wal_autocheckpoint(0)"))
	if err != nil {
		return err
	}
	d.writer = newWriter(c, d.cfg)
	if err := checkMode(c); err != nil {
		return err
	}
	if _, err := c.exec("SELECT 1 FROM sqlite_schema"); err != nil { // opens the write-ahead log
		return err
	}
	if err := c.gather(d.cfg.Synchronous == SyncFull); err != nil {
		return err
	}
	for range d.cfg.Readers {
		c, err := connect(d.cfg.Path, d.cfg.pragmas("foreign_keys(1)", "query_only(1)"))
		if err != nil {
			return err
		}
		d.readers <- c
	}
	return nil
}

// syncFile makes durable what a process that died may have left unsynced, before anybody is shown it or copies it to
// the event log. No file is nothing to sync.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkMode makes sure of the write-ahead log: where the file system cannot share memory the engine goes on without
// it and says nothing.
func checkMode(c *conn) error {
	var mode string
	if err := c.row("PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not support a write-ahead log (journal mode %q); use a local disk", mode)
	}
	return nil
}

// Close ends the writer after the commit at hand, waits for the readers, and closes the file. Whoever still waits
// for the writer gets ErrClosed and did not run. The write-ahead log of a store that has failed stays as it is, for the
// next process to read what is on disk: nothing is synced again, moved or removed. It must not be called inside InTx or Read.
func (d *DB) Close() error {
	d.once.Do(func() {
		close(d.closing)
		close(d.writer.stop)
		<-d.writer.stopped
		var errs []error
		for range d.cfg.Readers {
			errs = append(errs, (<-d.readers).close())
		}
		if d.writer.failure() != nil {
			errs = append(errs, d.writer.conn.configure(lib.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1))
		}
		if err := errors.Join(append(errs, d.writer.conn.close())...); err != nil {
			d.result = fmt.Errorf("sqlite: close %s: %w", d.cfg.Path, err)
		}
	})
	return d.result
}

// closeConns closes what open has opened.
func (d *DB) closeConns() error {
	var errs []error
	for len(d.readers) > 0 {
		errs = append(errs, (<-d.readers).close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.conn.close())
	}
	return errors.Join(errs...)
}

// Path is the database file.
func (d *DB) Path() string { return d.cfg.Path }

// Committed is storage.DB's.
func (d *DB) Committed() <-chan struct{} { return d.writer.committed }

// Check is storage.DB's. It reads the whole file.
func (d *DB) Check(ctx context.Context) error {
	err := d.Read(ctx, func(q storage.Querier) error {
		if err := integrity(ctx, q); err != nil {
			return err
		}
		return foreignKeys(func(query string) (storage.Rows, error) { return q.Query(ctx, query) })
	})
	if err != nil {
		return fmt.Errorf("sqlite: check %s: %w", d.cfg.Path, err)
	}
	return nil
}

func integrity(ctx context.Context, q storage.Querier) error {
	rows, err := q.Query(ctx, `PRAGMA integrity_check(5)`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var faults []error
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			faults = append(faults, errors.New(text))
		}
	}
	return errors.Join(append(faults, rows.Err())...)
}

var _ storage.DB = (*DB)(nil)
