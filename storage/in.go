package storage

import (
	"slices"
	"strconv"
	"strings"
)

// In appends the values of list to args and gives the text of their placeholders, "($3,$4,…)", for use behind IN.
// The count is rounded up to a power of two by repeating the last value, so the texts made of one query stay few
// (see Querier). An empty list gives "(NULL)", which nothing is in. Callers bound the list, to 256 values at a time.
func In[T any](args []any, list []T) (string, []any) {
	if len(list) == 0 {
		return "(NULL)", args
	}
	size := 1
	for size < len(list) {
		size *= 2
	}
	var b strings.Builder
	b.Grow(size * 5)
	args = slices.Grow(args, size)
	for i := range size {
		b.WriteByte("(,"[min(i, 1)])
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(len(args) + 1))
		if i < len(list) {
			args = append(args, list[i])
		} else {
			args = append(args, args[len(args)-1])
		}
	}
	b.WriteByte(')')
	return b.String(), args
}
