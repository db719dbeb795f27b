package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/media/files"
)

// contract holds a store against what Store promises. open gives the same store each time, as after a restart.
func contract(t *testing.T, open func() files.Store) {
	ctx := t.Context()
	s := open()
	read := func(name string) string {
		t.Helper()
		r, size, err := s.Open(ctx, name)
		if err != nil {
			t.Fatalf("open %s: %v", name, err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil || int64(len(b)) != size {
			t.Fatalf("%s has %d bytes and is said to have %d (%v)", name, len(b), size, err)
		}
		return string(b)
	}
	list := func() map[string]int64 {
		t.Helper()
		out := map[string]int64{}
		if err := s.List(ctx, func(e files.Entry) error { out[e.Name] = e.Size; return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if n := len(list()); n != 0 {
		t.Fatalf("%d files at the beginning", n)
	}
	if _, _, err := s.Open(ctx, "ab-full.jpg"); !errors.Is(err, files.ErrAbsent) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := s.Remove(ctx, "ab-full.jpg", "cd-full.jpg"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := s.Put(ctx, fmt.Sprintf("%02d-full.jpg", i), []byte(fmt.Sprint("content ", i))); err != nil {
				t.Errorf("put %d: %v", i, err)
			}
		})
	}
	all.Wait()
	s = open()
	if got := list(); len(got) != 20 || got["07-full.jpg"] != 9 {
		t.Errorf("the list is %v", got)
	}
	if got := read("13-full.jpg"); got != "content 13" {
		t.Errorf("13 holds %q", got)
	}
	if err := s.Remove(ctx, "13-full.jpg", "nothing.jpg", "14-full.jpg"); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Open(ctx, "13-full.jpg"); !errors.Is(err, files.ErrAbsent) || len(list()) != 18 {
		t.Errorf("after the end: %v, %d files", err, len(list()))
	}
	stop := errors.New("enough")
	if err := s.List(ctx, func(files.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a list that is ended early: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.List(ended, func(files.Entry) error { return nil }); err == nil {
		t.Error("a list goes on when nobody waits for it")
	}
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "media")
	contract(t, func() files.Store {
		d, err := files.OpenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

// TestDirNames: no name leads out of the directory, or to what is being written.
func TestDirNames(t *testing.T) {
	above := t.TempDir()
	if err := os.WriteFile(filepath.Join(above, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := files.OpenDir(filepath.Join(above, "media"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "a", "ab", "../secret", "..", "../../secret", "/etc/passwd", ".parts",
		"a/../../secret",
		`a\b`, "a:b", "abc\x00", ".hidden"} {
		if err := d.Put(t.Context(), name, []byte("y")); err == nil {
			t.Errorf("%q was written", name)
		}
		if _, _, err := d.Open(t.Context(), name); !errors.Is(err, files.ErrAbsent) {
			t.Errorf("%q was opened: %v", name, err)
		}
		if err := d.Remove(t.Context(), name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(above, "secret")); err != nil || string(b) != "x" {
		t.Errorf("the file outside: %q, %v", b, err)
	}
}

// TestDirForgetsParts: what an earlier process had half written is gone when the directory is opened.
func TestDirForgetsParts(t *testing.T) {
	path := t.TempDir()
	if _, err := files.OpenDir(path); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(path, ".parts", "half")
	if err := os.WriteFile(half, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := files.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	_ = d.List(t.Context(), func(e files.Entry) error { t.Errorf("%s is listed", e.Name); return nil })
}
