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
	// The commits of the migration are not the writer's, so the write-ahead log is begun, with its marks, before them.
	if err := d.InTx(ctx, func(storage.Tx) error { return nil }); err != nil {
		return fmt.Errorf("sqlite: migrate %s: %w", m.Owner, err)
	}
	if err := d.migrate(m, status); err != nil {
		return fmt.Errorf("sqlite: migrate %s: %w", m.Owner, d.writer.note(mapped(err)))
	}
	return nil
}

func (d *DB) migrate(m storage.Migrations, status storage.MigrationStatus) (err error) {
	c, err := connect(d.cfg, "foreign_keys(0)", "temp_store(file)", "wal_autocheckpoint(0)") // see writer.checkpoint
	if err != nil {
		return err
	}
	own := &stepper{conn: c, table: versionTable(m.Owner), fail: d.cfg.Failpoint}
	files, err := iofs.New(m.FS, "sqlite")
	if err != nil {
		return errors.Join(err, c.close())
	}
	steps, err := migrate.NewWithInstance("iofs", files, "sqlite", own)
	if err == nil {
		_, err = c.exec(`CREATE TABLE IF NOT EXISTS ` + own.table + ` (version uint64, dirty bool)`)
	}
	if err == nil && status.Dirty { // it did not happen
		version := database.NilVersion
		if before, none := files.Prev(status.Version); none == nil {
			version = int(before)
		}
		err = own.SetVersion(version, false)
	}
	if err == nil {
		err = steps.Up()
	}
	if errors.Is(err, migrate.ErrNoChange) {
		err = nil
	}
	return errors.Join(err, files.Close(), c.close())
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
		err := q.QueryRow(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`, table).Scan(&n)
		if err != nil || n == 0 {
			return err
		}
		err = q.QueryRow(ctx, `SELECT version, dirty FROM `+table).Scan(&s.Version, &s.Dirty)
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

// stepper is a database.Driver of golang-migrate on a connection.
type stepper struct {
	conn  *conn
	table string
	fail  func(Point) error
}

func (s *stepper) inTx(fn func() error) error {
	_, err := s.conn.exec("BEGIN IMMEDIATE")
	if err == nil {
		err = fn()
	}
	if err == nil {
		_, err = s.conn.exec("COMMIT")
	}
	if err != nil {
		_, _ = s.conn.exec("ROLLBACK") // if SQLite has not done it
	}
	return err
}

// Run takes one step: the file and the word that it happened, in one transaction.
func (s *stepper) Run(file io.Reader) error {
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	err = s.inTx(func() error {
		if err := s.conn.db.Exec(string(text)); err != nil {
			return mapped(err)
		}
		if err := foreignKeys(func(query string, dest ...any) error { return s.conn.scan(query, dest...) }); err != nil {
			return err
		}
		if _, err := s.conn.exec(`UPDATE ` + s.table + ` SET dirty = 0`); err != nil {
			return err
		}
		return s.fail(PointMigrate)
	})
	if err != nil {
		return err
	}
	return s.fail(PointMigrated)
}

// SetVersion is called before a step, with dirty, and after it.
func (s *stepper) SetVersion(version int, dirty bool) error {
	return s.inTx(func() error {
		_, err := s.conn.exec(`DELETE FROM ` + s.table)
		if err == nil && version != database.NilVersion {
			_, err = s.conn.exec(`INSERT INTO `+s.table+` (version, dirty) VALUES ($1, $2)`, version, dirty)
		}
		return err
	})
}

func (s *stepper) Version() (version int, dirty bool, err error) {
	err = s.conn.scan(`SELECT version, dirty FROM `+s.table, &version, &dirty)
	if errors.Is(err, sql.ErrNoRows) {
		return database.NilVersion, false, nil
	}
	return version, dirty, err
}

// The rest of database.Driver is for golang-migrate's own command; the data directory is locked.

func (s *stepper) Open(string) (database.Driver, error) { return s, nil }
func (s *stepper) Close() error                         { return nil }
func (s *stepper) Lock() error                          { return nil }
func (s *stepper) Unlock() error                        { return nil }
func (s *stepper) Drop() error                          { return errors.ErrUnsupported }

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
func foreignKeys(scan func(query string, dest ...any) error) error {
	var table, parent string
	var id sql.NullInt64
	var n int
	err := scan(`PRAGMA foreign_key_check`, &table, &id, &parent, &n)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("a row of %s refers to no row of %s", table, parent)
}

var _ database.Driver = (*stepper)(nil)
