package bolt_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

func entry(p social.Position, size int) storage.Entry {
	return storage.Entry{
		Op: storage.OpAppend, Position: p, OutboxID: int64(p), Stream: social.Stream{Kind: social.To, User: user(int(p % 7))},
		Type: "x", Data: make([]byte, size),
	}
}

func TestOpenLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	cfg := bolt.DefaultConfig(path)
	cfg.Timeout = 50 * time.Millisecond
	if _, err := bolt.Open(cfg); !errors.Is(err, storage.ErrLocked) {
		t.Fatalf("a second opening gave %v, want ErrLocked", err)
	}
	if err := l.Append(t.Context(), entry(1, 10)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file has mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err = bolt.Open(bolt.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	if l.SetAside() == nil || l.Head().Epoch != 0 {
		t.Fatalf("junk was opened: head %s", l.Head())
	}
	if content, err := os.ReadFile(path + ".aside"); err != nil || string(content) != "no database at all" {
		t.Fatalf("the junk was not kept: %q, %v", content, err)
	}
	// Once somebody is erased, a file that nothing can empty is not kept any longer.
	if err := l.Reset(t.Context(), social.Epochs{{Number: 2}}, 0); err != nil {
		t.Fatal(err)
	}
	erase := storage.Entry{Op: storage.OpErase, Position: 2, Person: user(1)}
	if err := l.Append(t.Context(), entry(1, 10), erase); err != nil {
		t.Fatal(err)
	}
	for n := 1; n > 0; {
		if n, err = l.Sweep(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path + ".aside"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the file set aside is still there: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(bolt.DefaultConfig(filepath.Join(t.TempDir(), "no", "such", "folder"))); err == nil {
		t.Fatal("a log was opened in a folder that is not there")
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*bolt.Config){
		"path: must be set":                     func(c *bolt.Config) { c.Path = "" },
		"timeout: must be positive":             func(c *bolt.Config) { c.Timeout = 0 },
		"max_size: must be 0 or at least 16MiB": func(c *bolt.Config) { c.MaxSize = 1 },
	} {
		cfg := bolt.DefaultConfig("x")
		change(&cfg)
		if err := cfg.Validate(); err == nil || err.Error() != name {
			t.Errorf("Validate gave %v, want %s", err, name)
		}
	}
}

// faulty opens a log whose next commit fails with what *fault says.
func faulty(t *testing.T, path string, fault *error) *bolt.Log {
	t.Helper()
	cfg := bolt.DefaultConfig(path)
	cfg.Failpoint = func(p bolt.Failpoint) error {
		if p == bolt.BeforeCommit {
			return *fault
		}
		return nil
	}
	l, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if l.Head().Epoch == 0 {
		if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestDiskFullHeals(t *testing.T) {
	for _, tt := range []struct {
		errno syscall.Errno
		want  error
	}{{syscall.ENOSPC, storage.ErrFull}, {syscall.EDQUOT, storage.ErrFull}, {syscall.EROFS, storage.ErrReadOnly}} {
		var fault error
		l := faulty(t, filepath.Join(t.TempDir(), "log"), &fault)
		if err := l.Append(t.Context(), entry(1, 10)); err != nil {
			t.Fatal(err)
		}
		fault = &fs.PathError{Op: "write", Path: "log", Err: tt.errno}
		for range 2 {
			if err := l.Append(t.Context(), entry(2, 10)); !errors.Is(err, tt.want) {
				t.Fatalf("%v gave %v, want %v", tt.errno, err, tt.want)
			}
		}
		if err := l.Healthy(); !errors.Is(err, tt.want) || l.Head().Seq != 1 {
			t.Fatalf("%v: healthy %v, head %s", tt.errno, err, l.Head())
		}
		if events, err := tail(t, l); err != nil || len(events) != 1 {
			t.Fatalf("%v: reads do not go on: %d, %v", tt.errno, len(events), err)
		}
		fault = nil
		if err := errors.Join(l.Append(t.Context(), entry(2, 10)), l.Healthy()); err != nil {
			t.Fatalf("%v: it did not heal: %v", tt.errno, err)
		}
	}
}

// TestFsyncError: what a failed sync has left on disk is not known, so nothing is written any more (I9).
func TestFsyncError(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.ENOSPC} { // ENOSPC of a sync is no less unknown
		var fault error
		path := filepath.Join(t.TempDir(), "log")
		l := faulty(t, path, &fault)
		if err := l.Append(t.Context(), entry(1, 10)); err != nil {
			t.Fatal(err)
		}
		fault = errno
		if err := l.Append(t.Context(), entry(2, 10)); !errors.Is(err, storage.ErrFailed) {
			t.Fatalf("%v gave %v, want ErrFailed", errno, err)
		}
		fault = nil
		_, errTrim := l.Trim(t.Context(), 1, 1)
		for what, err := range map[string]error{
			"Append": l.Append(t.Context(), entry(2, 10)), "Trim": errTrim,
			"Healthy": l.Healthy(), "Reset": l.Reset(t.Context(), social.Epochs{{Number: 2}}, 0),
		} {
			if !errors.Is(err, storage.ErrFailed) {
				t.Errorf("%s after a failed sync gave %v, want ErrFailed", what, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l = open(t, path); l.Head().Seq != 1 {
			t.Errorf("the next start finds head %s, want 1-1", l.Head())
		}
	}
}

// TestMaxSize: a log at its limit refuses appends, can be trimmed, and goes on.
func TestMaxSize(t *testing.T) {
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "log"))
	cfg.MaxSize = bolt.Reserve
	l, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	p := social.Position(0)
	fill := func() {
		for {
			batch := make([]storage.Entry, 16)
			for i := range batch {
				batch[i] = entry(p+1+social.Position(i), 16<<10)
			}
			if err := l.Append(t.Context(), batch...); errors.Is(err, storage.ErrFull) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
			p += 16
		}
	}
	fill()
	if l.Size() > cfg.MaxSize || l.Size() < cfg.MaxSize/2 {
		t.Fatalf("full at %d bytes of %d", l.Size(), cfg.MaxSize)
	}
	for range 3 {
		if n, err := l.Trim(t.Context(), p, 400); err != nil || n != 400 {
			t.Fatalf("a full log cannot be trimmed: %d, %v", n, err)
		}
		before := p
		fill()
		if p < before+200 {
			t.Fatalf("after 400 records were trimmed only %d found room", p-before)
		}
	}
	if err := l.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOpenSyncs: what Open finds may be the commit of a process that died before its sync. Nobody is shown it, and
// nothing is written behind it, before it is on disk.
func TestOpenSyncs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	if err := errors.Join(l.Append(t.Context(), entry(1, 10)), l.Close()); err != nil {
		t.Fatal(err)
	}
	cfg := bolt.DefaultConfig(path)
	cfg.Failpoint = func(p bolt.Failpoint) error {
		if p == bolt.BeforeSync {
			return syscall.EIO
		}
		return nil
	}
	if l, err := bolt.Open(cfg); !errors.Is(err, syscall.EIO) {
		t.Errorf("a log that cannot be synced is opened: %v", err)
		_ = l.Close()
	}
	if l := open(t, path); l.Head().Seq != 1 || l.SetAside() != nil {
		t.Errorf("head %s, set aside: %v", l.Head(), l.SetAside())
	}
}
