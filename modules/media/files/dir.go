package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir is a Store in a directory. Files lie in folders by the first two characters of their names; what is being written
// lies in one of its own until it is whole.
type Dir struct{ path string }

var _ Store = (*Dir)(nil)

// partsDir holds what is being written. No name begins with a dot.
const partsDir = ".parts"

// OpenDir takes a directory, makes it if it is not there, and drops what an earlier process left half written. One
// process at a time uses it.
func OpenDir(path string) (*Dir, error) {
	parts := filepath.Join(path, partsDir)
	if err := os.RemoveAll(parts); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if err := os.MkdirAll(parts, 0o700); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	return &Dir{path}, nil
}

// place is the path of a name; "" if it is none.
func (d *Dir) place(name string) string {
	if len(name) < 3 || name[0] == '.' || strings.ContainsAny(name, `/\:`) || strings.ContainsRune(name, 0) {
		return ""
	}
	return filepath.Join(d.path, name[:2], name)
}

// Put writes into a file of another name, syncs it, gives it its name, and syncs the folder.
func (d *Dir) Put(_ context.Context, name string, content []byte) error {
	place := d.place(name)
	if place == "" {
		return fmt.Errorf("media: %q is no name of a file", name)
	}
	f, err := os.CreateTemp(filepath.Join(d.path, partsDir), "*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = d.moveIn(f.Name(), place)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (d *Dir) moveIn(from, place string) error {
	folder := filepath.Dir(place)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(d.path); err != nil {
			return err
		}
	}
	if err := os.Rename(from, place); err != nil {
		return err
	}
	return syncDir(folder)
}

func syncDir(path string) error {
	f, err := os.Open(path) //nolint:gosec // a folder of the store
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *Dir) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	f, err := os.Open(d.place(name)) // "" is not there
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, ErrAbsent
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func (d *Dir) Remove(_ context.Context, names ...string) error {
	for _, name := range names {
		if place := d.place(name); place != "" {
			if err := os.Remove(place); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func (d *Dir) List(ctx context.Context, each func(Entry) error) error {
	return filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return err
		case e.IsDir() && e.Name() == partsDir:
			return fs.SkipDir
		case e.IsDir():
			return ctx.Err()
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return each(Entry{Name: e.Name(), Size: info.Size(), Written: info.ModTime()})
	})
}
