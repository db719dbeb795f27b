package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/belfry-social/belfry/modules/social"
)

// stmt is a prepared statement. It runs at most once at a time: bind, step until it says false or fails, reset.
type stmt struct {
	e      *engine
	p      uintptr // sqlite3_stmt*
	places []int   // the argument of each placeholder
	args   int     // how many arguments it takes
	writes bool    // it may change the database
	used   int     // of engine.values
	lent   bool    // the library holds memory for arguments that had no room there
}

// findPlaceholders learns which argument is whose: SQLite counts placeholders as they come, not by their numbers.
func (s *stmt) findPlaceholders() error {
	n := lib.Xsqlite3_bind_parameter_count(s.e.tls, s.p)
	s.places = make([]int, n)
	for i := range s.places {
		name := libc.GoString(lib.Xsqlite3_bind_parameter_name(s.e.tls, s.p, int32(i+1)))
		number, err := strconv.Atoi(name[min(1, len(name)):])
		if err != nil || number < 1 || name[0] != '$' {
			return fmt.Errorf("sqlite: placeholder %q is not $1, $2, …", name)
		}
		s.places[i] = number - 1
		s.args = max(s.args, number)
	}
	return nil
}

// bind gives the statement its arguments. They lie in engine.values until the next statement runs.
func (s *stmt) bind(args []any) error {
	if len(args) < s.args {
		return fmt.Errorf("sqlite: %d arguments for a statement with %d", len(args), s.args)
	}
	s.used = 0
	for i, place := range s.places {
		if err := s.bindOne(int32(i+1), args[place]); err != nil {
			return err
		}
	}
	return nil
}

func (s *stmt) bindOne(i int32, arg any) error {
	var rc int32
	switch v := arg.(type) {
	case nil:
		rc = lib.Xsqlite3_bind_null(s.e.tls, s.p, i)
	case int64:
		rc = lib.Xsqlite3_bind_int64(s.e.tls, s.p, i, v)
	case int:
		rc = lib.Xsqlite3_bind_int64(s.e.tls, s.p, i, int64(v))
	case bool:
		var bit int32
		if v {
			bit = 1
		}
		rc = lib.Xsqlite3_bind_int(s.e.tls, s.p, i, bit)
	case float64:
		rc = lib.Xsqlite3_bind_double(s.e.tls, s.p, i, v)
	case string:
		rc = bindBytes(s, i, v, lib.Xsqlite3_bind_text)
	case []byte:
		rc = bindBytes(s, i, v, lib.Xsqlite3_bind_blob)
		if v == nil {
			rc = lib.Xsqlite3_bind_null(s.e.tls, s.p, i)
		}
	case social.ID: // as its Value, without an allocation
		rc = bindBytes(s, i, v[:], lib.Xsqlite3_bind_blob)
		if v.IsZero() {
			rc = lib.Xsqlite3_bind_null(s.e.tls, s.p, i)
		}
	default:
		plain, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return fmt.Errorf("sqlite: argument %d: %w", i, err)
		}
		switch plain.(type) {
		case nil, int64, bool, float64, string, []byte:
			return s.bindOne(i, plain)
		}
		return fmt.Errorf("sqlite: argument %d is a %T", i, arg)
	}
	if rc != lib.SQLITE_OK {
		return s.e.failed(rc)
	}
	return nil
}

// bindBytes hands over a copy of v.
func bindBytes[T string | []byte](s *stmt, i int32, v T, bind func(tls *libc.TLS, stmt uintptr, i int32, data uintptr, size int32, end uintptr) int32) int32 {
	if s.used+len(v) <= valuesSize {
		p := s.e.values + uintptr(s.used)
		copy(bytesAt(p, len(v)), v)
		s.used += len(v)
		return bind(s.e.tls, s.p, i, p, int32(len(v)), lib.SQLITE_STATIC)
	}
	p := lib.Xsqlite3_malloc64(s.e.tls, uint64(len(v)))
	if p == 0 {
		return lib.SQLITE_NOMEM
	}
	copy(bytesAt(p, len(v)), v)
	s.lent = true
	free := lib.Xsqlite3_free
	return bind(s.e.tls, s.p, i, p, int32(len(v)), *(*uintptr)(unsafe.Pointer(&free)))
}

// step goes to the next row; false when there is none, or none any more.
func (s *stmt) step() (bool, error) {
	switch rc := lib.Xsqlite3_step(s.e.tls, s.p); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, s.e.failed(rc)
	}
}

// reset makes the statement ready to run again. What went wrong was said by step.
func (s *stmt) reset() {
	lib.Xsqlite3_reset(s.e.tls, s.p)
	if s.lent {
		lib.Xsqlite3_clear_bindings(s.e.tls, s.p)
		s.lent = false
	}
}

// exec runs the statement to its end and tells how many rows it changed.
func (s *stmt) exec(args []any) (int64, error) {
	defer s.reset()
	if err := s.bind(args); err != nil {
		return 0, err
	}
	for {
		more, err := s.step()
		if err != nil {
			return 0, err
		}
		if !more {
			return lib.Xsqlite3_changes64(s.e.tls, s.e.db), nil
		}
	}
}

func (s *stmt) close() error {
	if rc := lib.Xsqlite3_finalize(s.e.tls, s.p); rc != lib.SQLITE_OK {
		return s.e.failed(rc)
	}
	return nil
}
