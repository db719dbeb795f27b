package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Write writes a backup as a tar. open gives the files that the manifest names, in its order.
func Write(w io.Writer, m Manifest, open func(File) (io.ReadCloser, error)) error {
	text, err := m.encode()
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	if err := put(t, m, manifestName, int64(len(text))); err != nil {
		return err
	}
	if _, err := t.Write(text); err != nil {
		return fmt.Errorf("backup: write: %w", err)
	}
	for _, f := range m.Files {
		if err := writeFile(t, m, f, open); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("backup: write: %w", err)
	}
	return nil
}

func (m Manifest) encode() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

func put(t *tar.Writer, m Manifest, name string, size int64) error {
	h := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: m.MadeAt.Std()}
	if err := t.WriteHeader(&h); err != nil {
		return fmt.Errorf("backup: write %s: %w", name, err)
	}
	return nil
}

func writeFile(t *tar.Writer, m Manifest, f File, open func(File) (io.ReadCloser, error)) error {
	r, err := open(f)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer r.Close()
	if err := put(t, m, f.Name, f.Size); err != nil {
		return err
	}
	if _, err := io.Copy(t, r); err != nil {
		return fmt.Errorf("backup: write %s: %w", f.Name, err)
	}
	return nil
}

// Sum gives the entry of a manifest, under a name, for the file at path.
func Sum(name, path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	sum, err := SumOf(name, f)
	return sum, errors.Join(err, f.Close())
}

// SumOf is Sum of what is read.
func SumOf(name string, r io.Reader) (File, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return File{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// Told hears how much of a step is done; a step of unknown length has the total 0. It is called often.
type Told func(step string, done, total int64)

// Handler takes what Read finds. Each member may be nil.
type Handler struct {
	// Begin is given the checked manifest before the first file; its error ends the reading.
	Begin func(Manifest) error
	// Create gives the place of a file. Closing it makes it durable. nil = files are checked and dropped.
	Create func(File) (io.WriteCloser, error)
	Told   Told
}

// ErrDamaged says that something cannot be a whole backup: it is cut off, changed, or something else. An error without
// it is of the disk, of the source, or of a newer program.
var ErrDamaged = errors.New("this is no backup, or a damaged one")

// damaged marks what the bytes themselves say; the reader's own errors stay as they are.
func damaged(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends too early", ErrDamaged)
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// Read goes through a tar and returns its manifest when every file came whole, with its sum, and nothing else did. What
// stands behind the tar is not read.
func Read(r io.Reader, h Handler) (m Manifest, err error) {
	t := tar.NewReader(r)
	if err := next(t, File{Name: manifestName, Size: -1}); err != nil {
		return m, err
	}
	if m, err = readManifest(t); err != nil {
		return m, err
	}
	if h.Begin != nil {
		if err := h.Begin(m); err != nil {
			return m, err
		}
	}
	done, total := int64(0), m.Size()
	for _, f := range m.Files {
		told := func(n int64) {
			if done += n; h.Told != nil {
				h.Told("reading the backup", done, total)
			}
		}
		if err := readFile(t, f, h.Create, told); err != nil {
			return m, err
		}
	}
	if _, err := t.Next(); err == nil {
		return m, fmt.Errorf("%w: it holds more than its manifest names", ErrDamaged)
	} else if !errors.Is(err, io.EOF) {
		return m, damaged(err)
	}
	return m, nil
}

// next goes to the file that has to be next. The name in the tar is compared, and never used.
func next(t *tar.Reader, want File) error {
	h, err := t.Next()
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %s is missing", ErrDamaged, want.Name)
	case err != nil:
		return damaged(err)
	case h.Name != want.Name || h.Typeflag != tar.TypeReg:
		return fmt.Errorf("%w: %q (type %q) stands in the place of %s", ErrDamaged, h.Name, h.Typeflag, want.Name)
	case want.Size >= 0 && h.Size != want.Size:
		return fmt.Errorf("%w: %s has %d bytes, its manifest says %d", ErrDamaged, want.Name, h.Size, want.Size)
	}
	return nil
}

func readFile(t *tar.Reader, f File, create func(File) (io.WriteCloser, error), told func(int64)) (err error) {
	if err := next(t, f); err != nil {
		return err
	}
	var w io.WriteCloser = nowhere{}
	if create != nil {
		if w, err = create(f); err != nil {
			return err
		}
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(w, sum, counter(told)), t)
	if err = errors.Join(damaged(err), w.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%w: %s has the sum %s, its manifest says %s", ErrDamaged, f.Name, got, f.SHA256)
	}
	return nil
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

type counter func(int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}
