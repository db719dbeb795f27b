//go:build unix

package sqlite_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

func TestLockDir(t *testing.T) {
	if dir := os.Getenv("BELFRY_TEST_LOCK"); dir != "" { // the child: hold the lock until the input ends
		if _, err := sqlite.LockDir(dir); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		bufio.NewReader(os.Stdin).ReadString('\n')
		return
	}
	dir := filepath.Join(t.TempDir(), "deep", "data")
	child := exec.Command(os.Args[0], "-test.run=^TestLockDir$")
	child.Env = append(os.Environ(), "BELFRY_TEST_LOCK="+dir)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	_, err = sqlite.LockDir(dir)
	if !errors.Is(err, storage.ErrLocked) {
		t.Errorf("a second process is answered %v, want ErrLocked", err)
	} else if pid := strconv.Itoa(child.Process.Pid); !strings.Contains(err.Error(), pid) ||
		!strings.HasPrefix(err.Error(), "data directory "+dir+": in use: it is held") {
		t.Errorf("%q does not name the holder %s and the directory", err, pid)
	}
	if err := child.Process.Kill(); err != nil { // the lock ends with the process, however it ends
		t.Fatal(err)
	}
	_ = in.Close()
	_ = child.Wait()
	for range 2 {
		l, err := sqlite.LockDir(dir)
		if err != nil {
			t.Fatalf("after the holder died: %v", err)
		}
		if _, err := sqlite.LockDir(dir); !errors.Is(err, storage.ErrLocked) || !strings.Contains(err.Error(),
			strconv.Itoa(os.Getpid())) {
			t.Errorf("twice in one process is answered %v", err)
		}
		if err := l.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestH51DataDirectory: what is open to others is closed or refused, and every refusal names directory and cure.
func TestH51DataDirectory(t *testing.T) {
	mode := func(t *testing.T, path string) fs.FileMode {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	lock := func(t *testing.T, dir string) error {
		t.Helper()
		l, err := sqlite.LockDir(dir)
		if err == nil {
			t.Cleanup(func() { l.Unlock() })
		}
		return err
	}
	folder := func(t *testing.T, perm fs.FileMode, names ...string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, perm); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Run("empty and world-readable is closed", func(t *testing.T) {
		dir := folder(t, 0o755)
		if err := lock(t, dir); err != nil {
			t.Fatal(err)
		}
		if got := mode(t, dir); got != 0o700 {
			t.Errorf("mode is %o", got)
		}
		if got := mode(t, filepath.Join(dir, sqlite.LockName)); got != 0o600 {
			t.Errorf("mode of the lock is %o", got)
		}
	})
	t.Run("our files are closed, others left alone", func(t *testing.T) {
		dir := folder(t, 0o755, "belfry.db", "belfry.db-wal", "notes.txt")
		if err := lock(t, dir); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]fs.FileMode{"belfry.db": 0o600, "belfry.db-wal": 0o600, "notes.txt": 0o644} {
			if got := mode(t, filepath.Join(dir, name)); got != want {
				t.Errorf("mode of %s is %o, want %o", name, got, want)
			}
		}
	})
	t.Run("somebody's home is not changed", func(t *testing.T) {
		dir := folder(t, 0o755, "notes.txt")
		if err := lock(t, dir); err == nil || !strings.Contains(err.Error(), "chmod 700 "+dir) {
			t.Errorf("answered %v", err)
		}
		if got := mode(t, dir); got != 0o755 {
			t.Errorf("mode is %o", got)
		}
	})
	t.Run("a file is no directory", func(t *testing.T) {
		path := filepath.Join(folder(t, 0o700, "belfry.db"), "belfry.db")
		if err := lock(t, path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("the database is closed to others", func(t *testing.T) {
		dir := folder(t, 0o700)
		db := open(t, sqlite.Config{Path: filepath.Join(dir, sqlite.FileName)})
		migrate(t, db, `CREATE TABLE things (name TEXT)`)
		list, err := os.ReadDir(dir)
		if err != nil || len(list) < 3 {
			t.Fatalf("%d files, %v", len(list), err)
		}
		for _, f := range list {
			if got := mode(t, filepath.Join(dir, f.Name())); got != 0o600 {
				t.Errorf("mode of %s is %o", f.Name(), got)
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database. ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]sqlite.Config{
		"a file that is no database": {Path: text},
		"a folder that is not there": {Path: filepath.Join(dir, "none", "belfry.db")},
		"an unknown synchronous":     {Path: filepath.Join(dir, "a.db"), Synchronous: "sometimes"},
	} {
		if db, err := sqlite.Open(t.Context(), cfg); err == nil {
			t.Errorf("%s was opened", name)
			db.Close()
		}
	}
	if after, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(after), "this is no database") {
		t.Errorf("a file that is no database was changed: %.20q, %v", after, err)
	}
	odd := filepath.Join(dir, "odd name?#%20&_pragma=x.db")
	migrate(t, open(t, sqlite.Config{Path: odd}), acts)
	if _, err := os.Stat(odd); err != nil {
		t.Errorf("a path with odd characters: %v", err)
	}
}
