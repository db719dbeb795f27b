package sqlite

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// fileLayer is the name by which a connection asks for files.
const fileLayer = "belfry"

// files is the file layer of SQLite: the library's own, with four differences. A new file is closed to other
// accounts. A write that finds the disk full or read-only says so; the library reports every failed write as an
// I/O error, which would end the store (I9). The frames of a synced commit are gathered into one write. A page goes
// into the database without what was left in its gap.
type files struct{ vfs.VFSFilename }

func (l files) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if path := name.String(); path != "" && flags&vfs.OPEN_CREATE != 0 && flags&vfs.OPEN_EXCLUSIVE == 0 {
		if f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err == nil { // else the library reports it
			_ = f.Close()
		}
	}
	f, flags, err := l.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	if d, ok := f.(mainFile); ok && flags&vfs.OPEN_MAIN_DB != 0 {
		return &databaseFile{mainFile: d}, flags, nil
	}
	log := &logFile{File: f}
	if flags&vfs.OPEN_WAL != 0 && name.URIParameter("gather") != "" {
		log.limit = gatherSize
	}
	return log, flags, nil
}

// mainFile is what SQLite uses of the library's database file.
type mainFile interface {
	vfs.FileSharedMemory
	vfs.FileHasMoved
	vfs.FileSizeHint
}

type databaseFile struct {
	mainFile
	page []byte
}

// DeviceCharacteristics is vfs.File's. On F2FS the library's file promises atomic writes, whose calls mainFile leaves
// out: SQLite would fail each commit that tries one.
func (f *databaseFile) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return f.mainFile.DeviceCharacteristics() &^ vfs.IOCAP_BATCH_ATOMIC
}

// onlyTrees reports whether no page of the file could be taken for one of a tree by wiped. A file with auto_vacuum,
// which somebody may have set by hand, has such pages. A checkpoint writes the first page before them.
func (f *databaseFile) onlyTrees() bool {
	var largestRoot [4]byte
	_, err := f.mainFile.ReadAt(largestRoot[:], 52)
	return (err == nil || err == io.EOF) && largestRoot == [4]byte{} //nolint:errorlint // the library's is not wrapped
}

// WriteAt is given a page at a time: with a write-ahead log a checkpoint alone writes here, and such a page no reader
// needs in another form.
func (f *databaseFile) WriteAt(p []byte, at int64) (int, error) {
	if size := int64(len(p)); size > 0 && at%size == 0 && f.onlyTrees() {
		p = wiped(p, at/size, &f.page)
	}
	n, err := f.mainFile.WriteAt(p, at)
	return n, refused(err)
}

// logFile is a write-ahead log, or any other file beside the database. Consecutive writes are held back, up to limit
// bytes (0 = none), until the sync. No reader misses held bytes: other connections read as far as the shared index
// says, which SQLite writes after the sync (SyncFull), and the connection's own reads write them out first. What is
// held at a crash belongs to no commit.
type logFile struct {
	vfs.File
	limit int
	held  []byte
	from  int64 // where in the file held begins
}

// gatherSize is room for the frames of some thirty pages; a larger commit takes more writes.
const gatherSize = 128 << 10

func (f *logFile) WriteAt(p []byte, at int64) (int, error) {
	if len(f.held) > 0 && (at != f.from+int64(len(f.held)) || len(f.held)+len(p) > f.limit) {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > f.limit {
		n, err := f.File.WriteAt(p, at)
		return n, refused(err)
	}
	if len(f.held) == 0 {
		f.from = at
	}
	f.held = append(f.held, p...)
	return len(p), nil
}

// flush writes what is held. After an error it is dropped: SQLite undoes the transaction.
func (f *logFile) flush() error {
	if len(f.held) == 0 {
		return nil
	}
	_, err := f.File.WriteAt(f.held, f.from)
	f.held = f.held[:0]
	return refused(err)
}

func (f *logFile) ReadAt(p []byte, at int64) (n int, err error) {
	if err = f.flush(); err == nil {
		n, err = f.File.ReadAt(p, at)
	}
	return n, err
}

func (f *logFile) Size() (n int64, err error) {
	if err = f.flush(); err == nil {
		n, err = f.File.Size()
	}
	return n, err
}

func (f *logFile) Truncate(size int64) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *logFile) Sync(flags vfs.SyncFlag) error {
	if err := f.flush(); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

// refused gives the error of a write the code that SQLite has for it.
func refused(err error) error {
	switch is := func(target error) bool { return errors.Is(err, target) }; {
	case slices.ContainsFunc(noSpace, is):
		return vfs.SystemError(err, sqlite3.FULL)
	case is(syscall.EROFS):
		return vfs.SystemError(err, sqlite3.READONLY)
	}
	return err
}

var _ vfs.VFSFilename = files{}
