package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/storage"
)

// DB is a storage.DB in one file. All methods may be called from many goroutines.
type DB struct {
	cfg     Config
	writer  *writer
	readers chan *conn            // those that are free
	closing chan struct{}         // closed by Close
	corrupt atomic.Pointer[error] // the first that a reader met
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
		return nil, fmt.Errorf("sqlite: open %s: %w", cfg.Path, errors.Join(err, d.closeConns(len(d.readers))))
	}
	go d.writer.run()
	return d, nil
}

func (d *DB) open() error {
	err := makeFile(d.cfg.Path)
	if err == nil { // the files beside it lie where a link leads
		d.cfg.Path, err = filepath.EvalSymlinks(d.cfg.Path)
	}
	if err == nil {
		err = makeFile(d.cfg.Path + "-shm")
	}
	if err != nil {
		return err
	}
	if err := syncFile(d.cfg.Path + "-wal"); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(d.cfg.Path)); err != nil {
		return err
	}
	c, err := connect(d.cfg, "wal_autocheckpoint(0)") // the writer looks after the write-ahead log: see checkpoint
	if err != nil {
		return err
	}
	d.writer = newWriter(c, d.cfg)
	var mode string
	if err := c.scan("PRAGMA journal_mode", &mode); err != nil {
		return err
	}
	if mode != "wal" { // SQLite goes on without it and says nothing
		return fmt.Errorf("the file system does not support a write-ahead log (journal mode %q); use a local disk", mode)
	}
	if d.writer.marks, err = openMarks(c, d.cfg.Path); err != nil {
		_, keep := c.db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true) // the log may be of another file
		return errors.Join(err, keep)
	}
	for range d.cfg.Readers {
		c, err := connect(d.cfg, "query_only(1)")
		if err != nil {
			return err
		}
		d.readers <- c
	}
	return nil
}

// makeFile makes a file if it is not there: the library would let others read it.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
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

// Close ends the writer after the commit at hand, waits for the readers, and closes the file. Calls that still wait for
// the writer get ErrClosed and did not run. The write-ahead log of a store that has failed stays as it is, for the next
// process to read. Close must not be called inside InTx or Read.
func (d *DB) Close() error {
	d.once.Do(func() {
		close(d.closing)
		close(d.writer.stop)
		<-d.writer.stopped
		d.writer.lastMark()
		if d.writer.failure() != nil {
			_, d.result = d.writer.conn.db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
		}
		if err := errors.Join(d.result, d.closeConns(d.cfg.Readers)); err != nil {
			d.result = fmt.Errorf("sqlite: close %s: %w", d.cfg.Path, err)
		}
	})
	return d.result
}

// closeConns closes the writer after so many readers.
func (d *DB) closeConns(readers int) error {
	var errs []error
	for range readers {
		errs = append(errs, (<-d.readers).close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.conn.close())
	}
	return errors.Join(errs...)
}

func (d *DB) Path() string { return d.cfg.Path }

func (d *DB) Committed() <-chan struct{} { return d.writer.committed }

// Check is storage.DB's. It reads the whole file.
func (d *DB) Check(ctx context.Context) error {
	err := d.Read(ctx, func(q storage.Querier) error {
		faults, err := storage.All(ctx, q, storage.One[string], `PRAGMA integrity_check(5)`)
		if err != nil {
			return err
		}
		if faults[0] != "ok" {
			return errors.New(strings.Join(faults, "; "))
		}
		return foreignKeys(func(query string, dest ...any) error { return q.QueryRow(ctx, query).Scan(dest...) })
	})
	if err != nil {
		return fmt.Errorf("sqlite: check %s: %w", d.cfg.Path, err)
	}
	return nil
}

var _ storage.DB = (*DB)(nil)
