package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/belfry-social/belfry/storage"
)

// Copy writes the store, as it is when Copy begins, into a new file with mode 0600 that is on disk when Copy returns.
// It does not hold up the writer. Copying the file itself is no copy: the newest commits are beside it. An existing
// file is an error and is not touched; after any other error nothing is left. Where the disk has no room for it nothing
// is written, so that those who post do not pay for it: ErrFull.
func (d *DB) Copy(ctx context.Context, path string) error {
	if err := d.roomFor(ctx, path); err != nil {
		return fmt.Errorf("sqlite: copy: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("sqlite: copy: %w", err)
	}
	err = d.copyInto(ctx, path)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("sqlite: copy to %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return syncDir(filepath.Dir(path))
}

// copySpare is left to those who write while a copy is made, beside the room for the copy.
const copySpare = 16 << 20

// roomFor asks for as much room as the pages in use take; VACUUM needs no more.
func (d *DB) roomFor(ctx context.Context, path string) error {
	var size int64
	err := d.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT (p.page_count - f.freelist_count) * s.page_size FROM pragma_page_count p,
			pragma_freelist_count f, pragma_page_size s`).Scan(&size)
	})
	if err != nil {
		return err
	}
	return Room(filepath.Dir(path), size+copySpare)
}

// Room returns storage.ErrFull, with both numbers, if the file system of dir has less than so many bytes for this
// account. Where the system does not tell, it returns nil.
func Room(dir string, bytes int64) error {
	free, known, err := freeSpace(dir)
	if err != nil || !known || free >= uint64(max(0, bytes)) {
		return err
	}
	return fmt.Errorf("%w: %s needs %.1f MB of room and has %.1f", storage.ErrFull, dir, float64(bytes)/1e6,
		float64(free)/1e6)
}

// Table is what is counted of a table.
type Table struct {
	Rows    int64
	Highest int64 // the highest number ever given by AUTOINCREMENT; 0 without
}

// Tables counts what is in the store, in one snapshot: what a copy of it has to have as well.
func (d *DB) Tables(ctx context.Context) (map[string]Table, error) {
	out := map[string]Table{}
	err := d.Read(ctx, func(q storage.Querier) error {
		names, err := storage.All(ctx, q, storage.One[string], `SELECT name FROM sqlite_schema WHERE type = 'table'
			AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> 'file_marks'`) // which is the file's, not the site's
		if err != nil {
			return err
		}
		for _, name := range names {
			var t Table
			quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
			if err := q.QueryRow(ctx, `SELECT COUNT(*) FROM `+quoted).Scan(&t.Rows); err != nil {
				return err
			}
			err := q.QueryRow(ctx, `SELECT seq FROM sqlite_sequence WHERE name = $1`, name).Scan(&t.Highest)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			out[name] = t
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: count %s: %w", d.cfg.Path, err)
	}
	return out, nil
}

// copyInto fills an empty file. VACUUM INTO takes along nothing that was deleted; the backup interface would.
func (d *DB) copyInto(ctx context.Context, path string) error {
	c, err := connect(d.cfg)
	if err != nil {
		return err
	}
	err = c.interrupted(ctx, func() error { _, err := c.exec(`VACUUM INTO $1`, path); return err })
	return errors.Join(err, c.close())
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sqlite: sync %s: %w", dir, err)
	}
	return nil
}
