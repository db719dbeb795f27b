package storage_test

import (
	"slices"
	"testing"

	"github.com/belfry-social/belfry/storage"
)

func TestIn(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []any
		list []int
		text string
		want []any
	}{
		{"nothing", []any{"a"}, nil, "(NULL)", []any{"a"}},
		{"one", nil, []int{7}, "($1)", []any{7}},
		{"rounded up", []any{"a"}, []int{7, 8, 9}, "($2,$3,$4,$5)", []any{"a", 7, 8, 9, 9}},
		{"a power of two", []any{"a", "b"}, []int{1, 2}, "($3,$4)", []any{"a", "b", 1, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, args := storage.In(tt.args, tt.list)
			if text != tt.text || !slices.Equal(args, tt.want) {
				t.Errorf("In(%v, %v) = %q, %v; want %q, %v", tt.args, tt.list, text, args, tt.text, tt.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		args []any
		list []int64
		text string
		want []any
	}{
		{nil, []int64{7}, "(VALUES (CAST($1 AS BIGINT)))", []any{int64(7)}},
		{[]any{"a"}, []int64{7, 8, 9}, "(VALUES (CAST($2 AS BIGINT)),($3),($4),($5))",
			[]any{"a", int64(7), int64(8), int64(9), nil}},
		{nil, nil, "(VALUES (CAST($1 AS BIGINT)))", []any{nil}},
	} {
		text, args := storage.Values(tt.args, tt.list)
		if text != tt.text || !slices.Equal(args, tt.want) {
			t.Errorf("Values(%v, %v) = %q, %v; want %q, %v", tt.args, tt.list, text, args, tt.text, tt.want)
		}
	}
}
