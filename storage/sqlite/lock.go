package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/storage"
)

// LockName is the name of the lock file in a data directory.
const LockName = "belfry.lock"

// DirLock is the right of one process to use a data directory.
type DirLock struct{ file *os.File }

// LockDir makes the directory if it is not there, closes it to other accounts, and locks it, before anything in it is
// opened. It never waits: when another process holds the lock the error wraps storage.ErrLocked and names that process.
// The lock ends with Unlock or with the process; the file stays.
//
// The directory has to belong to this account and gets mode 0700, its files named belfry* 0600. One that others may
// enter and that holds other things is refused, as is a network file system, whose locks cannot be relied on.
func LockDir(dir string) (*DirLock, error) {
	if err := prepareDir(dir); err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	l, err := lockFile(filepath.Join(dir, LockName))
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	return l, nil
}

func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w; name a directory that can be made, or make it", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("is no directory; name another one")
	}
	if err := checkOwner(info); err != nil {
		return err
	}
	if err := checkFileSystem(dir); err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w; it has to be readable and writable", err)
	}
	own := slices.IndexFunc(list, isOurs) >= 0
	if info.Mode().Perm()&^0o700 != 0 && len(list) > 0 && !own {
		return fmt.Errorf("other accounts may enter it and it holds other things; "+
			"run chmod 700 %s, or name another directory", dir)
	}
	if err := closeToOthers(dir, info, 0o700); err != nil {
		return err
	}
	for _, entry := range list { // what an earlier copy or umask left readable
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || !isOurs(entry) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return err
		}
		if err := closeToOthers(filepath.Join(dir, entry.Name()), info, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func isOurs(entry fs.DirEntry) bool { return strings.HasPrefix(entry.Name(), "belfry") }

// closeToOthers takes away every right that is not in allowed.
func closeToOthers(path string, info fs.FileInfo, allowed fs.FileMode) error {
	if info.Mode().Perm()&^allowed == 0 {
		return nil
	}
	if err := os.Chmod(path, info.Mode().Perm()&allowed); err != nil {
		return fmt.Errorf("other accounts may read it, and that cannot be changed (%w); run chmod %o %s", err, allowed, path)
	}
	return nil
}

func lockFile(path string) (*DirLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w; it has to be writable", err)
	}
	if err := tryLock(f); err != nil {
		holder := readHolder(f)
		return nil, errors.Join(fmt.Errorf("%w by process %s; stop it or name another directory", err, holder), f.Close())
	}
	l := &DirLock{file: f}
	if err := l.sign(); err != nil {
		return nil, errors.Join(err, l.Unlock())
	}
	return l, nil
}

// sign writes the number of this process into the file, for whoever is refused.
func (l *DirLock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// Unlock gives the directory back. It is called after everything in it is closed; twice is an error.
func (l *DirLock) Unlock() error { return l.file.Close() }

// readHolder reads the number of the process that holds the lock; it may not have written it yet.
func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	number := strings.TrimSpace(string(b))
	if _, bad := strconv.Atoi(number); err != nil || bad != nil {
		return "unknown"
	}
	return number
}

var errHeld = fmt.Errorf("%w: it is held", storage.ErrLocked)
