package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Copy writes the store, as it is when Copy begins, into a new file with mode 0600 that is on disk when Copy returns.
// It does not hold up the writer. Copying the file itself is no copy: the newest commits are beside it. An existing
// file is an error and is not touched; after any other error nothing is left.
func (d *DB) Copy(ctx context.Context, path string) error {
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

// copyInto fills an empty file.
func (d *DB) copyInto(ctx context.Context, path string) error {
	handle, err := sql.Open("sqlite", d.cfg.dsn())
	if err != nil {
		return err
	}
	_, err = handle.ExecContext(ctx, `VACUUM INTO $1`, path)
	return errors.Join(mapped(err), handle.Close())
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
