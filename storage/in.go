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

// Values appends the values of list, which are whole numbers, to args and gives them as a table of one column, named
// column1: "(VALUES (CAST($3 AS BIGINT)),($4),…)", for use in a join. SQLite answers it in half the time of IN, for
// which it makes a sorted table first. The count is rounded up to a power of two by NULLs, which nothing equals. An
// empty list gives one NULL. Callers bound the list as for In.
func Values(args []any, list []int64) (string, []any) {
	size := 1
	for size < len(list) {
		size *= 2
	}
	var b strings.Builder
	b.Grow(size*7 + 30)
	b.WriteString("(VALUES (CAST($" + strconv.Itoa(len(args)+1) + " AS BIGINT))")
	for i := range size {
		if i > 0 {
			b.WriteString(",($" + strconv.Itoa(len(args)+1) + ")")
		}
		if i < len(list) {
			args = append(args, list[i])
		} else {
			args = append(args, nil)
		}
	}
	b.WriteByte(')')
	return b.String(), args
}
