package sqlite

import (
	"context"
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
