package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	driver "github.com/golang-migrate/migrate/v4/database/sqlite"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"github.com/belfry-social/belfry/storage"
)

// Migrate is storage.DB's. It works on a handle of its own, with foreign keys off (rebuilding a table would
// otherwise empty the tables that refer to it) and checked before each commit.
//
// A kill at any moment heals at the next call. golang-migrate writes (N, dirty) before it runs file N and
// (N, clean) after it; here the transaction of the file itself also writes "clean". So "dirty at N" means that
// the transaction of N did not happen, and the step is taken again; anything else means that it did.
func (d *DB) Migrate(ctx context.Context, m storage.Migrations) error {
	status, err := d.Versions(ctx, m)
	if err != nil {
		return err
	}
	if err := status.Ahead(); err != nil {
		return err
	}
	if status.Version == status.Latest && !status.Dirty {
		return nil
	}
	if err := d.migrate(ctx, m, status); err != nil {
		return fmt.Errorf("sqlite: migrate %s: %w", m.Owner, d.writer.note(mapped(err)))
	}
	return nil
}

func (d *DB) migrate(ctx context.Context, m storage.Migrations, status storage.MigrationStatus) error {
	handle, err := sql.Open("sqlite", d.cfg.dsn("foreign_keys(0)", "wal_autocheckpoint(0)")) // that is the writer's: see checkpoint
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	handle.SetMaxOpenConns(1)
	if err := handle.PingContext(ctx); err != nil {
		return err
	}
	table := versionTable(m.Owner)
	own, err := driver.WithInstance(handle, &driver.Config{MigrationsTable: table})
	if err != nil {
		return err
	}
	files, err := iofs.New(m.FS, "sqlite")
	if err != nil {
		return err
	}
	if status.Dirty {
		before, err := files.Prev(status.Version)
		if errors.Is(err, fs.ErrNotExist) {
			err = own.SetVersion(database.NilVersion, false)
		} else if err == nil {
			err = own.SetVersion(int(before), false)
		}
		if err != nil {
			return err
		}
	}
	steps, err := migrate.NewWithInstance("iofs", files, "sqlite", &stepper{Driver: own, db: handle, table: table, fail: d.cfg.Failpoint})
	if err != nil {
		return err
	}
	err = steps.Up()
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	fromFiles, fromStore := steps.Close()
	return errors.Join(err, fromFiles, fromStore)
}

// Versions is storage.DB's. It writes nothing.
func (d *DB) Versions(ctx context.Context, m storage.Migrations) (storage.MigrationStatus, error) {
	s := storage.MigrationStatus{Owner: m.Owner}
	if !validOwner(m.Owner) {
		return s, fmt.Errorf("sqlite: migrations: owner %q is not a lower-case word", m.Owner)
	}
	latest, err := latest(m.FS)
	if err != nil {
		return s, fmt.Errorf("sqlite: migrations of %s: %w", m.Owner, err)
	}
	s.Latest = latest
	table := versionTable(m.Owner)
	err = d.Read(ctx, func(q storage.Querier) error {
		var n int
		if err := q.QueryRow(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`, table).Scan(&n); err != nil || n == 0 {
			return err
		}
		err := q.QueryRow(ctx, `SELECT version, dirty FROM `+table).Scan(&s.Version, &s.Dirty)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return s, fmt.Errorf("sqlite: version of %s: %w", m.Owner, err)
	}
	return s, nil
}

// stepper runs files for golang-migrate.
type stepper struct {
	database.Driver
	db    *sql.DB
	table string
	fail  func(Point) error
}

// Run takes one step: the file and the word that it happened, in one transaction.
func (s *stepper) Run(file io.Reader) error {
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after the commit
	if _, err := tx.Exec(string(text)); err != nil {
		return err
	}
	if err := foreignKeys(func(query string) (storage.Rows, error) { return tx.Query(query) }); err != nil { //nolint:rowserrcheck // it looks at it
		return err
	}
	if _, err := tx.Exec(`UPDATE ` + s.table + ` SET dirty = 0`); err != nil {
		return err
	}
	if err := s.fail(PointMigrate); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.fail(PointMigrated)
}

// Version tells how far the tables are. The driver's own takes every error for "nothing applied yet", after
// which the first file would run again.
func (s *stepper) Version() (int, bool, error) {
	var version int
	var dirty bool
	err := s.db.QueryRow(`SELECT version, dirty FROM `+s.table).Scan(&version, &dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return database.NilVersion, false, nil
	}
	return version, dirty, err
}

func versionTable(owner string) string { return "schema_" + owner }

func validOwner(owner string) bool {
	return owner != "" && strings.Trim(owner, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// latest is the newest version among the files.
func latest(files fs.FS) (uint, error) {
	list, err := fs.ReadDir(files, "sqlite")
	if err != nil {
		return 0, err
	}
	var newest uint
	for _, f := range list {
		m, err := source.Parse(f.Name())
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.Name(), err)
		}
		newest = max(newest, m.Version)
	}
	return newest, nil
}

// foreignKeys fails if a row refers to nothing.
func foreignKeys(query func(string) (storage.Rows, error)) error {
	rows, err := query(`PRAGMA foreign_key_check`)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		var id sql.NullInt64
		var n int
		if err := rows.Scan(&table, &id, &parent, &n); err != nil {
			return err
		}
		return fmt.Errorf("a row of %s refers to no row of %s", table, parent)
	}
	return rows.Err()
}
