package sqlite_test

import (
	"database/sql"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/sqlite"
)

// level is a number with a name of its own.
type level uint8

// TestValues sends a value into the store and back.
func TestValues(t *testing.T) {
	text, none := "text", (*string)(nil)
	for name, tt := range map[string]struct {
		in   any
		dest any // a pointer
		want any // "" with refused
		bad  string
	}{
		"smallest number":    {in: int64(math.MinInt64), dest: new(int64), want: int64(math.MinInt64)},
		"int":                {in: 7, dest: new(int), want: 7},
		"named number":       {in: level(200), dest: new(level), want: level(200)},
		"number too large":   {in: 256, dest: new(level), bad: "out of range"},
		"negative unsigned":  {in: -1, dest: new(uint32), bad: "invalid"},
		"time":               {in: social.Time(5), dest: new(social.Time), want: social.Time(5)},
		"truth":              {in: true, dest: new(bool), want: true},
		"untruth":            {in: false, dest: new(bool), want: false},
		"fraction":           {in: 1.5, dest: new(float64), want: 1.5},
		"text with a NUL":    {in: "a\x00b", dest: new(string), want: "a\x00b"},
		"empty text":         {in: "", dest: new(string), want: ""},
		"text as bytes":      {in: "x", dest: new([]byte), want: []byte("x")},
		"number as text":     {in: 12, dest: new(string), want: "12"},
		"text as number":     {in: "12", dest: new(int64), want: int64(12)},
		"word as number":     {in: "twelve", dest: new(int64), bad: "invalid"},
		"pointer to text":    {in: &text, dest: new(*string), want: &text},
		"pointer to none":    {in: none, dest: new(*string), want: none},
		"bytes":              {in: []byte{0, 1}, dest: new([]byte), want: []byte{0, 1}},
		"no bytes":           {in: []byte{}, dest: new([]byte), want: []byte{}},
		"nil bytes":          {in: []byte(nil), dest: new([]byte), want: []byte(nil)},
		"large bytes":        {in: make([]byte, 1<<20), dest: new([]byte), want: make([]byte, 1<<20)},
		"large text":         {in: strings.Repeat("é", 1<<16), dest: new(string), want: strings.Repeat("é", 1<<16)},
		"id":                 {in: person, dest: new(social.ID), want: person},
		"no id":              {in: social.ID{}, dest: new(social.ID), want: social.ID{}},
		"no id is NULL":      {in: social.ID{}, dest: new(any), want: nil},
		"not an id":          {in: []byte{1, 2}, dest: new(social.ID), bad: "not an id"},
		"anything":           {in: "x", dest: new(any), want: "x"},
		"scanner":            {in: 3, dest: new(sql.NullInt64), want: sql.NullInt64{Int64: 3, Valid: true}},
		"NULL for a scanner": {in: nil, dest: new(sql.NullInt64), want: sql.NullInt64{}},
		"NULL for a number":  {in: nil, dest: new(int64), bad: "NULL"},
		"NULL for a text":    {in: nil, dest: new(string), bad: "NULL"},
		"no place":           {in: 1, dest: 1, bad: "no place"},
		"no value":           {in: struct{}{}, dest: new(int), bad: "unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, sqlite.Config{Readers: 1})
			err := db.Read(t.Context(), func(q storage.Querier) error {
				return q.QueryRow(t.Context(), `SELECT $1`, tt.in).Scan(tt.dest)
			})
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("%T into %T gives %v, want an error with %q", tt.in, tt.dest, err, tt.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := reflect.ValueOf(tt.dest).Elem().Interface(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%T into %T gives %#v, want %#v", tt.in, tt.dest, got, tt.want)
			}
		})
	}
}

// TestStatements asks for what a statement may be and how its rows are read.
func TestStatements(t *testing.T) {
	db := opened(t, sqlite.Config{Readers: 1})
	read := func(fn func(q storage.Querier) error) error { return db.Read(t.Context(), fn) }
	scanned := func(query string, args ...any) (got string, err error) {
		err = read(func(q storage.Querier) error { return q.QueryRow(t.Context(), query, args...).Scan(&got) })
		return got, err
	}
	for range 2 { // prepared, and taken again
		if got, err := scanned(`SELECT $3 || $1 || $2 || $1`, "a", "b", "c"); got != "caba" || err != nil {
			t.Errorf("arguments out of order give %q, %v", got, err)
		}
	}
	for _, bad := range []string{`SELECT $1`, `SELECT ?`, `SELECT @name`, `SELECT "text"`, `SELECT 1; SELECT 2`,
		`SELECT`, ``, `-- nothing`} {
		if got, err := scanned(bad); err == nil {
			t.Errorf("%q gives %q", bad, got)
		}
	}
	if got, err := scanned("SELECT 'still';\n"); got != "still" || err != nil {
		t.Errorf("after the refusals a statement gives %q, %v", got, err)
	}
	err := read(func(q storage.Querier) error {
		outer, err := q.Query(t.Context(), `SELECT 1 UNION ALL SELECT 2`)
		if err != nil {
			return err
		}
		var n int
		if err := outer.Scan(&n); err == nil {
			t.Error("a row could be scanned before Next")
		}
		if !outer.Next() || outer.Scan(&n, &n) == nil || outer.Scan(&n) != nil || n != 1 {
			t.Errorf("the first row is %d", n)
		}
		if err := q.QueryRow(t.Context(), `SELECT 3`).Scan(&n); err != nil {
			return err
		}
		if outer.Next() || outer.Err() == nil {
			t.Error("rows were read on after the next statement, as if they had come to their end")
		}
		whole, err := q.Query(t.Context(), `SELECT 4`)
		if err != nil {
			return err
		}
		for whole.Next() {
		}
		if err := whole.Scan(&n); err == nil {
			t.Error("a row could be scanned after the last")
		}
		if whole.Next() || whole.Err() != nil || whole.Close() != nil || whole.Close() != nil {
			t.Errorf("rows read to their end: %v", whole.Err())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestErrorBetweenRows: rows that break off are not taken for complete, though their reader does not look.
func TestErrorBetweenRows(t *testing.T) {
	db := opened(t, sqlite.Config{})
	broken := func(q storage.Querier) {
		rows, err := q.Query(t.Context(), `SELECT CASE n WHEN 2 THEN abs(-9223372036854775808) ELSE n END FROM
			(SELECT 1 AS n UNION ALL SELECT 2)`)
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() || rows.Next() || rows.Err() == nil {
			t.Errorf("the second row, which is an error, gives %v", rows.Err())
		}
	}
	for name, run := range map[string]func() error{
		"Read": func() error {
			return db.Read(t.Context(), func(q storage.Querier) error { broken(q); return nil })
		},
		"InTx": func() error {
			return db.InTx(t.Context(), func(tx storage.Tx) error {
				if err := put(t.Context(), "before")(tx); err != nil {
					t.Error(err)
				}
				broken(tx)
				return nil
			})
		},
		"the next statement": func() error {
			return db.InTx(t.Context(), func(tx storage.Tx) error {
				broken(tx)
				return put(t.Context(), "after")(tx)
			})
		},
	} {
		if err := run(); err == nil {
			t.Errorf("%s gives no error", name)
		}
	}
	if got := count(t, db); got != 0 {
		t.Errorf("%d rows, want none", got)
	}
}
