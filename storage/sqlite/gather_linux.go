package sqlite

import (
	"syscall"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// gather stands between the engine and one of its files, in the writing connection. The engine writes a commit in
// pieces, two for each page, and syncs it by fsync, which writes the times of the file through the file system's
// journal as well. Here the pieces are gathered into one write before the sync, and the sync is an fdatasync, as it is
// in every usual build of SQLite: half the time of a commit, and less than half of the processor's.
//
// Memory. A gather lies in the library's memory, since the library holds its address: an open file begins with the
// address of its methods, and a gather begins with methods. The methods are functions of this file, never closures
// (the collector does not see who holds them). It belongs to the goroutine that uses the connection, without locks:
// a reading connection has a file of its own, which is served by the system's methods.
//
// Visible. What is gathered is in nobody's file yet. Nobody looks for it there: a reader goes as far as the shared
// index says, and the engine writes the index after the sync. So it is done only where every commit is synced
// (SyncFull). The connection's own reads write it out first.
type gather struct {
	methods lib.Tsqlite3_io_methods // first: what the engine calls
	system  uintptr                 // the methods of the file system
	buffer  uintptr
	size    int64 // of buffer; 0 = do not gather
	from    int64 // where in the file the gathered bytes belong
	used    int64
	synced  bool
}

// gatherSize is as much as the system's method writes at once; a commit of more than thirty pages takes more writes.
const gatherSize = 1<<17 - 1

// gather puts a gather on the file and the write-ahead log of the connection, which must be open.
func (e *engine) gather(full bool) error {
	if err := e.gatherFile(lib.SQLITE_FCNTL_FILE_POINTER, 0); err != nil {
		return err
	}
	if full {
		return e.gatherFile(lib.SQLITE_FCNTL_JOURNAL_POINTER, gatherSize)
	}
	return e.gatherFile(lib.SQLITE_FCNTL_JOURNAL_POINTER, 0)
}

func (e *engine) gatherFile(which int32, size int64) error {
	out := e.tls.Alloc(16)
	defer e.tls.Free(16)
	if rc := lib.Xsqlite3_file_control(e.tls, e.db, 0, which, out); rc != lib.SQLITE_OK {
		return e.failed(rc)
	}
	file := *at[uintptr](out)
	p := lib.Xsqlite3_malloc64(e.tls, uint64(unsafe.Sizeof(gather{}))+uint64(size))
	if p == 0 {
		return errMemory
	}
	e.gathers = append(e.gathers, p)
	methods := at[uintptr](file)
	g := at[gather](p)
	*g = gather{methods: *at[lib.Tsqlite3_io_methods](*methods), system: *methods, buffer: p + unsafe.Sizeof(gather{}), size: size}
	g.methods.FxRead = pointer(gatherRead)
	g.methods.FxWrite = pointer(gatherWrite)
	g.methods.FxTruncate = pointer(gatherTruncate)
	g.methods.FxFileSize = pointer(gatherFileSize)
	g.methods.FxSync = pointer(gatherSync)
	*methods = p
	return nil
}

// gathered finds the gather of an open file.
func gathered(file uintptr) (*gather, *lib.Tsqlite3_io_methods) {
	g := at[gather](*at[uintptr](file))
	return g, at[lib.Tsqlite3_io_methods](g.system)
}

// flush writes out what is gathered. After an error it is dropped: the engine undoes the transaction.
func (g *gather) flush(tls *libc.TLS, file uintptr) int32 {
	n := g.used
	if g.used = 0; n == 0 {
		return lib.SQLITE_OK
	}
	system := at[lib.Tsqlite3_io_methods](g.system)
	return function[writeMethod](system.FxWrite)(tls, file, g.buffer, int32(n), g.from)
}

type (
	readMethod  = func(tls *libc.TLS, file, to uintptr, n int32, offset int64) int32
	writeMethod = func(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32
	sizeMethod  = func(tls *libc.TLS, file uintptr, size int64) int32
	askMethod   = func(tls *libc.TLS, file, size uintptr) int32
	syncMethod  = func(tls *libc.TLS, file uintptr, flags int32) int32
)

func gatherRead(tls *libc.TLS, file, to uintptr, n int32, offset int64) int32 {
	g, system := gathered(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return function[readMethod](system.FxRead)(tls, file, to, n, offset)
}

func gatherWrite(tls *libc.TLS, file, data uintptr, n int32, offset int64) int32 {
	g, system := gathered(file)
	if g.used > 0 && (offset != g.from+g.used || g.used+int64(n) > g.size) {
		if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
			return rc
		}
	}
	if int64(n) > g.size {
		return function[writeMethod](system.FxWrite)(tls, file, data, n, offset)
	}
	if g.used == 0 {
		g.from = offset
	}
	copy(bytesAt(g.buffer+uintptr(g.used), int(n)), bytesAt(data, int(n)))
	g.used += int64(n)
	return lib.SQLITE_OK
}

func gatherTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	g, system := gathered(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return function[sizeMethod](system.FxTruncate)(tls, file, size)
}

func gatherFileSize(tls *libc.TLS, file, size uintptr) int32 {
	g, system := gathered(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	return function[askMethod](system.FxFileSize)(tls, file, size)
}

// gatherSync: the first sync is left to the system's methods, which make the name of a new file durable as well.
func gatherSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	g, system := gathered(file)
	if rc := g.flush(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	if !g.synced {
		rc := function[syncMethod](system.FxSync)(tls, file, flags)
		g.synced = rc == lib.SQLITE_OK
		return rc
	}
	if err := syscall.Fdatasync(int(at[lib.TunixFile](file).Fh)); err != nil { // not tried again: I9
		return lib.SQLITE_IOERR_FSYNC
	}
	return lib.SQLITE_OK
}

// pointer is a function as the library holds it, and function the way back: a Go function value is one address.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }
