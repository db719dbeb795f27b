package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// engine is one connection of the library, which is C in Go's clothes. It is driven directly and not through
// database/sql, whose locks, conversions and copies cost as much as the work of a small statement.
//
// It is for one goroutine at a time, so it is opened without the library's own locks. What passes its border is a
// number or lies in memory that the library's allocator gave: it is never shown memory of Go's, and what it shows
// (through bytesAt) is copied before the next call. tls stands for the C thread and goes with the connection.
type engine struct {
	tls    *libc.TLS
	db     uintptr // sqlite3*
	values uintptr // where the arguments of the statement that runs lie

	gathers []uintptr // memory that lives as long as the files
}

// valuesSize is room for the arguments of nearly every statement; what is larger is copied by the library.
const valuesSize = 16 << 10

var errMemory = errors.New("sqlite: out of memory")

// openEngine opens the file at path, making it if it is not there.
func openEngine(path string, pragmas []string) (*engine, error) {
	e := &engine{tls: libc.NewTLS()}
	if err := e.open(path); err != nil {
		return nil, errors.Join(err, e.close())
	}
	for _, p := range pragmas {
		if err := e.pragma(p); err != nil {
			return nil, errors.Join(err, e.close())
		}
	}
	return e, nil
}

func (e *engine) open(path string) error {
	name, err := libc.CString(path)
	if err != nil {
		return err
	}
	defer libc.Xfree(e.tls, name)
	if e.values = lib.Xsqlite3_malloc(e.tls, valuesSize); e.values == 0 {
		return errMemory
	}
	const flags = lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_CREATE | lib.SQLITE_OPEN_NOMUTEX | lib.SQLITE_OPEN_EXRESCODE
	out := e.tls.Alloc(16)
	defer e.tls.Free(16)
	rc := lib.Xsqlite3_open_v2(e.tls, name, out, flags, 0)
	if e.db = *at[uintptr](out); rc != lib.SQLITE_OK {
		return e.failed(rc)
	}
	return errors.Join(e.configure(lib.SQLITE_DBCONFIG_DQS_DDL, 0), e.configure(lib.SQLITE_DBCONFIG_DQS_DML, 0)) // "text" in double quotes is never a string
}

// configure switches something of the connection on (1) or off (0) that has no pragma.
func (e *engine) configure(what, on int32) error {
	list := e.tls.Alloc(16)
	defer e.tls.Free(16)
	if rc := lib.Xsqlite3_db_config(e.tls, e.db, what, libc.VaList(list, on, uintptr(0))); rc != lib.SQLITE_OK {
		return e.failed(rc)
	}
	return nil
}

// pragma sets one setting of the connection.
func (e *engine) pragma(text string) error {
	s, err := e.prepare("PRAGMA " + text)
	if err != nil {
		return err
	}
	_, err = s.exec(nil)
	return errors.Join(err, s.close())
}

// prepare makes a statement of a text that holds just one.
func (e *engine) prepare(query string) (*stmt, error) {
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(e.tls, text)
	out := e.tls.Alloc(16)
	defer e.tls.Free(16)
	rc := lib.Xsqlite3_prepare_v3(e.tls, e.db, text, int32(len(query)+1), lib.SQLITE_PREPARE_PERSISTENT, out, out+8)
	if rc != lib.SQLITE_OK {
		return nil, e.failed(rc)
	}
	s := &stmt{e: e, p: *at[uintptr](out)}
	s.writes = lib.Xsqlite3_stmt_readonly(e.tls, s.p) == 0
	if rest := query[*at[uintptr](out + 8)-text:]; s.p == 0 || strings.TrimSpace(rest) != "" {
		return nil, errors.Join(fmt.Errorf("sqlite: not one statement: %q", query), s.close())
	}
	if err := s.findPlaceholders(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// inTransaction reports whether BEGIN was run and neither COMMIT nor the engine has ended it.
func (e *engine) inTransaction() bool { return lib.Xsqlite3_get_autocommit(e.tls, e.db) == 0 }

// close gives the connection back. All its statements have to be closed before.
func (e *engine) close() (err error) {
	if rc := lib.Xsqlite3_close(e.tls, e.db); rc != lib.SQLITE_OK {
		err = e.failed(rc)
	}
	for _, p := range append(e.gathers, e.values) {
		lib.Xsqlite3_free(e.tls, p)
	}
	e.tls.Close()
	return err
}

// failed makes an error of the answer to a call.
func (e *engine) failed(code int32) error {
	text := libc.GoString(lib.Xsqlite3_errstr(e.tls, code))
	if more := libc.GoString(lib.Xsqlite3_errmsg(e.tls, e.db)); more != text {
		text += ": " + more
	}
	return mapped(&engineError{code: int(code), text: text})
}

// at shows what lies at an address of the library's memory.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// bytesAt shows n bytes at an address of the library's memory.
func bytesAt(p uintptr, n int) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](p), n)
}
