package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/belfry-social/belfry/storage/sqlite"
)

// TestOpenSyncs: what is found in the write-ahead log may be of a process that died before its sync. It is on disk
// before anybody reads it. Here the log is the device that takes what is written and cannot be synced.
func TestOpenSyncs(t *testing.T) {
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	if err := open(t, sqlite.Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", path+"-wal"); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a store whose write-ahead log cannot be synced is opened: %v", err)
	}
	if err == nil {
		_ = db.Close()
	}
}

// TestOpenBehindALink: where the database is a link, the files beside it lie beside what it leads to. They are closed
// to others and synced there.
func TestOpenBehindALink(t *testing.T) {
	link, target := filepath.Join(t.TempDir(), sqlite.FileName), filepath.Join(t.TempDir(), "there.db")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	db := open(t, sqlite.Config{Path: link})
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(target + end); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s%s: %v, %v", filepath.Base(target), end, info, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", target+"-wal"); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: link})
	if !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a store whose write-ahead log cannot be synced is opened: %v", err)
	}
	if err == nil {
		_ = db.Close()
	}
}
