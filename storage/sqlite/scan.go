package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/ncruces/go-sqlite3"

	"github.com/belfry-social/belfry/modules/social"
)

// scan puts a column of the row at hand into dest, by the rules of database/sql: numbers are checked for their
// range, NULL needs a place that can hold it. The usual pairs come first and cost no more than the copy.
func (s *stmt) scan(i int, dest any) error {
	kind := s.ColumnType(i)
	switch d := dest.(type) {
	case *int64:
		if kind == sqlite3.INTEGER {
			*d = s.ColumnInt64(i)
			return nil
		}
	case *int:
		if kind == sqlite3.INTEGER && strconv.IntSize == 64 {
			*d = int(s.ColumnInt64(i))
			return nil
		}
	case *bool:
		if kind == sqlite3.INTEGER {
			if n := s.ColumnInt64(i); n == 0 || n == 1 {
				*d = n == 1
				return nil
			}
		}
	case *social.Time:
		if kind == sqlite3.INTEGER {
			*d = social.Time(s.ColumnInt64(i))
			return nil
		}
	case *string:
		if kind == sqlite3.TEXT {
			*d = string(s.ColumnRawBlob(i))
			return nil
		}
	case *[]byte:
		if kind == sqlite3.BLOB || kind == sqlite3.TEXT {
			*d = append([]byte{}, s.ColumnRawBlob(i)...)
			return nil
		}
	case *social.ID: // as its Scan, without an allocation
		if v := s.ColumnRawBlob(i); kind == sqlite3.BLOB && len(v) == len(d) {
			copy(d[:], v)
			return nil
		}
	}
	return assign(dest, s.value(kind, i))
}

// value is a copy of a column: nil, int64, float64, string or []byte.
func (s *stmt) value(kind sqlite3.Datatype, i int) any {
	switch kind {
	case sqlite3.INTEGER:
		return s.ColumnInt64(i)
	case sqlite3.FLOAT:
		return s.ColumnFloat(i)
	case sqlite3.TEXT:
		return string(s.ColumnRawBlob(i))
	case sqlite3.BLOB:
		return append([]byte{}, s.ColumnRawBlob(i)...)
	}
	return nil
}

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
func assignPlain(to reflect.Value, v any) (err error) {
	switch to.Kind() {
	case reflect.String:
		var n sql.NullString
		err = n.Scan(v)
		to.SetString(n.String)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var n sql.NullInt64
		if err = n.Scan(v); to.OverflowInt(n.Int64) {
			err = strconv.ErrRange
		}
		to.SetInt(n.Int64)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var n sql.Null[uint64]
		if err = n.Scan(v); to.OverflowUint(n.V) {
			err = strconv.ErrRange
		}
		to.SetUint(n.V)
	case reflect.Float32, reflect.Float64:
		var n sql.NullFloat64
		err = n.Scan(v)
		to.SetFloat(n.Float64)
	case reflect.Bool:
		var n sql.NullBool
		err = n.Scan(v)
		to.SetBool(n.Bool)
	default:
		err = errors.New("no place for a value")
	}
	if err != nil {
		return fmt.Errorf("%T into %s: %w", v, to.Type(), err)
	}
	return nil
}
