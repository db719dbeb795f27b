package sqlite

import (
	"database/sql"
	"fmt"
	"reflect"
	"strconv"

	lib "modernc.org/sqlite/lib"

	"github.com/belfry-social/belfry/modules/social"
)

// scan puts a column of the row at hand into dest, by the rules of database/sql: numbers are checked for their
// range, NULL needs a place that can hold it. The usual pairs come first and cost no more than the copy.
func (s *stmt) scan(i int32, dest any) error {
	kind := lib.Xsqlite3_column_type(s.e.tls, s.p, i)
	switch d := dest.(type) {
	case *int64:
		if kind == lib.SQLITE_INTEGER {
			*d = lib.Xsqlite3_column_int64(s.e.tls, s.p, i)
			return nil
		}
	case *int:
		if kind == lib.SQLITE_INTEGER && strconv.IntSize == 64 {
			*d = int(lib.Xsqlite3_column_int64(s.e.tls, s.p, i))
			return nil
		}
	case *bool:
		if kind == lib.SQLITE_INTEGER {
			if n := lib.Xsqlite3_column_int64(s.e.tls, s.p, i); n == 0 || n == 1 {
				*d = n == 1
				return nil
			}
		}
	case *social.Time:
		if kind == lib.SQLITE_INTEGER {
			*d = social.Time(lib.Xsqlite3_column_int64(s.e.tls, s.p, i))
			return nil
		}
	case *string:
		if kind == lib.SQLITE_TEXT {
			*d = string(s.bytes(i))
			return nil
		}
	case *[]byte:
		if kind == lib.SQLITE_BLOB || kind == lib.SQLITE_TEXT {
			*d = append([]byte{}, s.bytes(i)...)
			return nil
		}
	case *social.ID: // as its Scan, without an allocation
		if v := s.bytes(i); kind == lib.SQLITE_BLOB && len(v) == len(d) {
			copy(d[:], v)
			return nil
		}
	}
	return assign(dest, s.value(kind, i))
}

// bytes shows a text or blob; for a number, its text.
func (s *stmt) bytes(i int32) []byte {
	p := lib.Xsqlite3_column_blob(s.e.tls, s.p, i)
	return bytesAt(p, int(lib.Xsqlite3_column_bytes(s.e.tls, s.p, i)))
}

// value is a copy of a column: nil, int64, float64, string or []byte.
func (s *stmt) value(kind, i int32) any {
	switch kind {
	case lib.SQLITE_INTEGER:
		return lib.Xsqlite3_column_int64(s.e.tls, s.p, i)
	case lib.SQLITE_FLOAT:
		return lib.Xsqlite3_column_double(s.e.tls, s.p, i)
	case lib.SQLITE_TEXT:
		return string(s.bytes(i))
	case lib.SQLITE_BLOB:
		return append([]byte{}, s.bytes(i)...)
	}
	return nil
}

// assign puts v into *dest.
func assign(dest, v any) error {
	if d, ok := dest.(sql.Scanner); ok {
		return d.Scan(v)
	}
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("%T is no place for a value", dest)
	}
	to := p.Elem()
	switch to.Kind() {
	case reflect.Pointer:
		if v == nil {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return assign(to.Interface(), v)
	case reflect.Interface:
		if to.NumMethod() == 0 {
			own := v // of this case alone, so that v itself stays off the heap
			to.Set(reflect.ValueOf(&own).Elem())
			return nil
		}
	case reflect.Slice:
		if to.Type().Elem().Kind() == reflect.Uint8 {
			b, ok := v.([]byte)
			if s, text := v.(string); text {
				b, ok = []byte(s), true
			}
			if ok || v == nil {
				to.SetBytes(b)
				return nil
			}
		}
	}
	if v == nil {
		return fmt.Errorf("NULL has no place in a %s", to.Type())
	}
	return assignPlain(to, v)
}

// assignPlain puts v, which is not nil, into a number, text or truth value.
func assignPlain(to reflect.Value, v any) error {
	text := fmt.Sprint(v)
	if b, ok := v.([]byte); ok {
		text = string(b)
	}
	var err error
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(text, 10, to.Type().Bits())
		to.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var n uint64
		n, err = strconv.ParseUint(text, 10, to.Type().Bits())
		to.SetUint(n)
	case reflect.Float32, reflect.Float64:
		var f float64
		f, err = strconv.ParseFloat(text, to.Type().Bits())
		to.SetFloat(f)
	case reflect.Bool:
		var yes bool
		yes, err = strconv.ParseBool(text)
		to.SetBool(yes)
	default:
		err = fmt.Errorf("%s is no place for a value", to.Type())
	}
	if err != nil {
		return fmt.Errorf("%T into %s: %w", v, to.Type(), err)
	}
	return nil
}
