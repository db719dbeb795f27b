package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Save puts a backup where the operator wants it, and checks every byte on the way. to is a file that is not there, a
// directory that is empty or, with / at its end, not there, or "-" for out. open gives the tar; it is called when the
// place is found to be good. room is asked before anything large is written. What is there under its name in the end
// is whole and on disk; after an error nothing is.
func Save(to string, out io.Writer, open func() (io.ReadCloser, error), room Room, told Told) (m Manifest, err error) {
	switch to {
	case "":
		return m, errors.New("no place for it is named")
	case "-":
		return through(out, open, Handler{Told: told})
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() || err != nil && strings.HasSuffix(to, "/") {
		return saveDir(to, open, room, told)
	}
	switch _, err := os.Lstat(to); {
	case err == nil:
		return m, fmt.Errorf("%s: %w; it is not written over", to, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return m, err
	}
	return saveFile(to, open, room, told)
}

// Room gives an error if a directory has not so many bytes left.
type Room func(dir string, bytes int64) error

// through copies a tar to w and reads it at the same time.
func through(w io.Writer, open func() (io.ReadCloser, error), h Handler) (m Manifest, err error) {
	r, err := open()
	if err != nil {
		return m, err
	}
	tee := io.TeeReader(r, w)
	m, err = Read(tee, h)
	if err == nil { // the zeros at the end of the tar
		_, err = io.Copy(io.Discard, tee)
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the backup broke off and is not kept: %w", err)
	}
	return m, errors.Join(err, r.Close())
}

func saveFile(path string, open func() (io.ReadCloser, error), room Room, told Told) (m Manifest, err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".partial-*") // mode 0600
	if err != nil {
		return m, err
	}
	m, err = through(f, open, Handler{Told: told, Begin: func(m Manifest) error { return room(dir, m.Size()) }})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		if _, there := os.Lstat(path); there == nil {
			err = fmt.Errorf("%s: %w meanwhile; it is not written over", path, fs.ErrExist)
		} else {
			err = os.Rename(f.Name(), path)
		}
	}
	if err != nil {
		return m, errors.Join(err, os.Remove(f.Name()))
	}
	return m, SyncDir(dir)
}

func saveDir(dir string, open func() (io.ReadCloser, error), room Room, told Told) (m Manifest, err error) {
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return m, fmt.Errorf("%s is a directory that is not empty; name a file, or a new directory with / at its end", dir)
	}
	fresh := os.Mkdir(dir, 0o700) == nil // what else may be wrong is seen when a file is made
	m, err = through(io.Discard, open, Handler{Told: told, Create: Into(dir),
		Begin: func(m Manifest) error { return room(dir, m.Size()) }})
	if err == nil {
		err = m.save(dir)
	}
	if err == nil {
		return m, errors.Join(SyncDir(dir), SyncDir(filepath.Dir(filepath.Clean(dir))))
	}
	for _, name := range []string{Database, manifestName, MediaDir} { // the directory was empty
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
	}
	if fresh {
		err = errors.Join(err, os.Remove(dir))
	}
	return m, err
}

// save writes the manifest of a directory whose files are on disk.
func (m Manifest) save(dir string) error {
	text, err := m.encode()
	if err != nil {
		return err
	}
	f, err := Into(dir)(File{Name: manifestName})
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// Into makes the files of a backup in a directory, new, with mode 0600, on disk when they are closed.
func Into(dir string) func(File) (io.WriteCloser, error) {
	return func(f File) (io.WriteCloser, error) {
		if strings.HasPrefix(f.Name, MediaDir) {
			if err := os.Mkdir(filepath.Join(dir, MediaDir), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
		}
		file, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return synced{file}, err
	}
}

type synced struct{ *os.File }

func (s synced) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

// Open gives the tar of a backup: a file, a directory, or "-" for in.
func Open(from string, in io.Reader) (io.ReadCloser, error) {
	if from == "-" {
		return io.NopCloser(in), nil
	}
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.Open(from)
	}
	text, err := os.ReadFile(filepath.Join(from, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no backup: it has no %s", from, manifestName)
	} else if err != nil {
		return nil, err
	}
	m, err := readManifest(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return Stream(func(w io.Writer) error {
		return Write(w, m, func(f File) (io.ReadCloser, error) { return openFile(filepath.Join(from, f.Name), f.Size) })
	}), nil
}

// openFile opens a file that has to have so many bytes.
func openFile(path string, size int64) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		wrong := fmt.Errorf("%w: %s does not have the %d bytes its manifest says", ErrDamaged, path, size)
		return nil, errors.Join(wrong, err, f.Close())
	}
	return f, nil
}

// Stream has write run on a goroutine of its own and gives what it writes. An error of write is the reader's; Close
// waits for its end.
func Stream(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	s := &stream{PipeReader: r, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = w.CloseWithError(write(w)) // it gives no error
	}()
	return s
}

type stream struct {
	*io.PipeReader
	done chan struct{}
}

func (s *stream) Close() error {
	err := s.PipeReader.Close()
	<-s.done
	return err
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
