package backup_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/app/backup"
)

const content = "what stands in the database"

// sample is a good manifest for content.
func sample(t testing.TB) backup.Manifest {
	t.Helper()
	file, err := sumOf(t, backup.Database, content)
	if err != nil {
		t.Fatal(err)
	}
	return backup.Manifest{Format: 1, Program: "1.2.3", MadeAt: 1000, Files: []backup.File{file},
		Tables: map[string]backup.Table{"posts": {Rows: 3}, "outbox": {Rows: 7, Highest: 9}}, Floor: 2}
}

func sumOf(t testing.TB, name, text string) (backup.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return backup.Sum(name, path)
}

func write(t testing.TB, m backup.Manifest) []byte {
	t.Helper()
	var b bytes.Buffer
	err := backup.Write(&b, m, func(backup.File) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// entry is one entry of a tar made by hand.
type entry struct {
	name, text string
	kind       byte // 0 = a file
}

func byHand(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := tar.Header{Name: e.name, Size: int64(len(e.text)), Mode: 0o777, Typeflag: e.kind}
		if e.kind != 0 {
			h.Size, h.Linkname = 0, "/etc/passwd"
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if e.kind == 0 {
			_, _ = io.WriteString(w, e.text)
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// unpack reads a tar into an empty directory below another one, and gives what is in both afterwards.
func unpack(t testing.TB, text []byte) (m backup.Manifest, files []string, err error) {
	t.Helper()
	above := t.TempDir()
	dir := filepath.Join(above, "in")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m, err = backup.Read(bytes.NewReader(text), backup.Handler{Create: backup.Into(dir)})
	_ = filepath.WalkDir(above, func(path string, e fs.DirEntry, _ error) error {
		if !e.IsDir() {
			files = append(files, strings.TrimPrefix(path, above+"/"))
		}
		return nil
	})
	return m, files, err
}

func jsonOf(t testing.TB, m backup.Manifest) []byte {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWriteAndRead(t *testing.T) {
	want := sample(t)
	m, files, err := unpack(t, write(t, want))
	if err != nil || fmt.Sprint(m) != fmt.Sprint(want) || !slices.Equal(files, []string{"in/belfry.db"}) {
		t.Errorf("read %+v, %v, %v; want %+v", m, files, err, want)
	}
}

// Nothing but a whole backup is taken, and nothing is written but its files.
func TestReadRefuses(t *testing.T) {
	manifest := func(change func(*backup.Manifest)) entry {
		m := sample(t)
		change(&m)
		return entry{name: "manifest.json", text: string(jsonOf(t, m))}
	}
	text := func(text string) entry { return entry{name: "manifest.json", text: text} }
	file := func(change func(*backup.File)) entry {
		return manifest(func(m *backup.Manifest) { change(&m.Files[0]) })
	}
	more := func(name string) entry {
		return manifest(func(m *backup.Manifest) {
			m.Files = append(m.Files, backup.File{Name: name, Size: m.Files[0].Size, SHA256: m.Files[0].SHA256})
		})
	}
	same := manifest(func(*backup.Manifest) {})
	newer := manifest(func(m *backup.Manifest) { m.Format, m.Program = 3, "9.0" })
	upwards := file(func(f *backup.File) { f.Name = "../x" })
	noSum, otherSum := file(func(f *backup.File) { f.SHA256 = "x" }), file(func(f *backup.File) {
		f.SHA256 = strings.Repeat("0", 64)
	})
	larger, below := file(func(f *backup.File) { f.Size++ }), file(func(f *backup.File) { f.Size = -1 })
	database := entry{name: "belfry.db", text: content}
	link := func(kind byte) entry { return entry{name: "belfry.db", kind: kind} }
	for name, tt := range map[string]struct {
		tar  []byte
		want string
		ok   bool // it is not the bytes that are wrong
	}{
		"nothing":                 {nil, "manifest.json is missing", false},
		"no tar":                  {bytes.Repeat([]byte("this is no tar. "), 100), "invalid tar header", false},
		"another tar":             {byHand(t, entry{name: "x", text: "y"}), `"x" (type '0') stands in the place of`, false},
		"no manifest":             {byHand(t, database), "in the place of manifest.json", false},
		"a manifest that is none": {byHand(t, text("[]"), database), "manifest.json: json", false},
		"an empty manifest":       {byHand(t, text("{}"), database), "names no form", false},
		"a huge manifest":         {byHand(t, text(strings.Repeat(" ", 64<<20+1))), "more than", false},
		"no database":             {byHand(t, same), "belfry.db is missing", false},
		"a newer form":            {byHand(t, newer, database), `form 3, made by Belfry "9.0"`, true},
		"two databases":           {byHand(t, same, database, database), "more than its manifest names", false},
		"something more":          {byHand(t, same, database, entry{name: "x"}), "more than its manifest names", false},
		"a path upwards":          {byHand(t, same, entry{name: "../belfry.db", text: content}), `"../belfry.db"`, false},
		"a path upwards, named":   {byHand(t, upwards, entry{name: "../x", text: content}), `it names ["../x"]`, false},
		"a whole path":            {byHand(t, same, entry{name: "/tmp/belfry.db"}), "stands in the place", false},
		"a link":                  {byHand(t, same, link(tar.TypeSymlink)), "(type '2') stands", false},
		"a hard link":             {byHand(t, same, link(tar.TypeLink)), "(type '1') stands", false},
		"a device":                {byHand(t, same, link(tar.TypeBlock)), "(type '4') stands", false},
		"a directory":             {byHand(t, same, link(tar.TypeDir)), "(type '5') stands", false},
		"a sum that is none":      {byHand(t, noSum, database), "no SHA-256", false},
		"another sum":             {byHand(t, otherSum, database), "has the sum", false},
		"another size":            {byHand(t, larger, database), "has 27 bytes, its manifest says 28", false},
		"a size below nothing":    {byHand(t, below, database), "the size of belfry.db is -1", false},
		"two databases, named":    {byHand(t, more("belfry.db"), database, database), "nothing else", false},
		"what is not known yet":   {byHand(t, more("media/x"), database), "nothing else", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, files, err := unpack(t, tt.tar)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, backup.ErrDamaged) == tt.ok {
				t.Errorf("answered %v, want %q", err, tt.want)
			}
			for _, f := range files {
				if f != "in/belfry.db" {
					t.Errorf("wrote %s", f)
				}
			}
		})
	}
}

// A tar that is cut off anywhere is refused, unless only the zeros behind it are missing; of one with a changed byte no
// other database comes.
func TestReadDamaged(t *testing.T) {
	text := write(t, sample(t))
	whole := len(text) - 1024 // two blocks of zeros
	for n := range len(text) {
		_, err := backup.Read(bytes.NewReader(text[:n]), backup.Handler{})
		if padded := whole - (512 - len(content)%512); n < padded && !errors.Is(err, backup.ErrDamaged) {
			t.Fatalf("cut off after %d of %d bytes: %v", n, len(text), err)
		}
	}
	for n := range whole {
		flipped := bytes.Clone(text)
		flipped[n] ^= 1 << (n % 8)
		var got bytes.Buffer
		_, err := backup.Read(bytes.NewReader(flipped), backup.Handler{Create: func(backup.File) (io.WriteCloser, error) {
			got.Reset()
			return nopCloser{&got}, nil
		}})
		if err == nil && got.String() != content {
			t.Fatalf("byte %d changed: taken, with %q", n, got.String())
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// What cannot be written is no damage of the backup.
func TestReadTellsWhoseFaultItIs(t *testing.T) {
	broken := errors.New("broken")
	text := write(t, sample(t))
	for name, h := range map[string]backup.Handler{
		"begin":  {Begin: func(backup.Manifest) error { return broken }},
		"create": {Create: func(backup.File) (io.WriteCloser, error) { return nil, broken }},
		"close":  {Create: func(backup.File) (io.WriteCloser, error) { return badClose{}, nil }},
	} {
		if _, err := backup.Read(bytes.NewReader(text), h); err == nil || errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	source := io.MultiReader(bytes.NewReader(text[:1500]), badReader{broken})
	if _, err := backup.Read(source, backup.Handler{}); !errors.Is(err, broken) || errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a source that fails: %v", err)
	}
}

type badClose struct{}

func (badClose) Write(p []byte) (int, error) { return len(p), nil }
func (badClose) Close() error                { return errors.New("no space") }

type badReader struct{ err error }

func (b badReader) Read([]byte) (int, error) { return 0, b.err }

// FuzzRead: whatever is read, nothing but the database is written, and only with its sum is it taken.
func FuzzRead(f *testing.F) {
	f.Add(write(f, sample(f)))
	f.Add(byHand(f, entry{name: "manifest.json", text: "{}"}, entry{name: "../x", text: "y"}))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got bytes.Buffer
		var name string
		m, err := backup.Read(bytes.NewReader(text), backup.Handler{Create: func(f backup.File) (io.WriteCloser, error) {
			name = f.Name
			return nopCloser{&got}, nil
		}})
		if name != "" && name != backup.Database {
			t.Errorf("writes %q", name)
		}
		if err != nil {
			return
		}
		if sum, err := sumOf(t, name, got.String()); err != nil || sum != m.Files[0] {
			t.Errorf("took %+v, %v for %+v", sum, err, m.Files[0])
		}
	})
}
