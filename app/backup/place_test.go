package backup_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/backup"
)

func enough(string, int64) error { return nil }

// save saves a tar and gives the names in the directory afterwards.
func save(t *testing.T, dir, to string, text []byte, room backup.Room) (names string, err error) {
	t.Helper()
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	_, err = backup.Save(dir+"/"+to, nil, open, room, nil)
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		names += strings.TrimPrefix(path, dir) + " "
		return nil
	})
	return strings.TrimSpace(names), err
}

// What is saved can be opened and is the same; file or directory, it is closed to others.
func TestSaveAndOpen(t *testing.T) {
	text := write(t, sample(t))
	for to, want := range map[string]string{"site.tar": "/site.tar", "new/": "/new /new/belfry.db /new/manifest.json"} {
		dir := t.TempDir()
		names, err := save(t, dir, to, text, enough)
		if err != nil || names != want {
			t.Fatalf("%s: %q, %v; want %q", to, names, err, want)
		}
		for _, name := range strings.Fields(names) {
			if info, err := os.Stat(dir + name); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has the mode %v, %v", name, info.Mode(), err)
			}
		}
		r, err := backup.Open(filepath.Join(dir, to), nil)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, text) {
			t.Errorf("%s: %d bytes come back, %v; %d were saved", to, len(back), err, len(text))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if names, err := save(t, dir, to, text, enough); err == nil || names != want {
			t.Errorf("%s a second time: %q, %v", to, names, err)
		}
	}
	var out bytes.Buffer
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	_, err := backup.Save("-", &out, open, enough, nil)
	if err != nil || !bytes.Equal(out.Bytes(), text) {
		t.Errorf("to standard output: %d bytes, %v; want %d", out.Len(), err, len(text))
	}
	if r, err := backup.Open("-", &out); err != nil {
		t.Error(err)
	} else if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, text) {
		t.Errorf("from standard input: %d bytes, %v", len(back), err)
	}
}

// A backup that breaks off leaves nothing, and nothing that was there is touched.
func TestSaveRefuses(t *testing.T) {
	text := write(t, sample(t))
	full := errors.New("no room")
	for name, tt := range map[string]struct {
		to, there string
		text      []byte
		room      backup.Room
		want      string
	}{
		"a file that is there":        {"site.tar", "site.tar", text, enough, "exists; it is not written over"},
		"a directory that holds more": {"dir/", "dir/x", text, enough, "not empty"},
		"cut off":                     {"site.tar", "", text[:len(text)-1600], enough, "broke off and is not kept"},
		"cut off, a directory":        {"dir/", "", text[:len(text)-1600], enough, "broke off and is not kept"},
		"no room":                     {"site.tar", "", text, func(string, int64) error { return full }, "no room"},
		"no room, a directory":        {"dir/", "", text, func(string, int64) error { return full }, "no room"},
		"no folder":                   {"none/site.tar", "", text, enough, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before := ""
			if tt.there != "" {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, tt.there)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, tt.there), []byte("mine"), 0o600); err != nil {
					t.Fatal(err)
				}
				before = "/" + tt.there
				if strings.Contains(tt.there, "/") {
					before = "/" + filepath.Dir(tt.there) + " " + before
				}
			}
			open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tt.text)), nil }
			_, err := backup.Save(dir+"/"+tt.to, nil, open, tt.room, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("answered %v, want %q", err, tt.want)
			}
			after := ""
			_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
				after += strings.TrimPrefix(path, dir) + " "
				return nil
			})
			if strings.TrimSpace(after) != before {
				t.Errorf("there is %q, there was %q", after, before)
			}
			if tt.there != "" {
				if b, err := os.ReadFile(filepath.Join(dir, tt.there)); string(b) != "mine" {
					t.Errorf("what was there is %q now, %v", b, err)
				}
			}
		})
	}
}

// The source is not asked for when there is no place to put it.
func TestSaveAsksThePlaceFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.tar")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) { t.Error("a backup was made for nothing"); return nil, errors.New("no") }
	if _, err := backup.Save(path, nil, open, enough, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("answered %v", err)
	}
	if _, err := backup.Save("", nil, open, enough, nil); err == nil {
		t.Error("a place without a name was taken")
	}
}

// A directory that is no backup, or one that was changed, is refused.
func TestOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := backup.Open(dir, nil); err == nil || !strings.Contains(err.Error(), "is no backup") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := save(t, dir, "new/", write(t, sample(t)), enough); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{content + "x", content[1:], "X" + content[1:]} {
		if err := os.WriteFile(filepath.Join(dir, "new", "belfry.db"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := backup.Open(filepath.Join(dir, "new"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Read(r, backup.Handler{}); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%q: %v", text, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
