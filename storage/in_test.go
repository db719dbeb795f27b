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
