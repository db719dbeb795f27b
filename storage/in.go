package storage

import (
	"slices"
	"strconv"
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
	text := make([]byte, 0, size*5)
	args = slices.Grow(args, size)
	for i := range size {
		text = append(text, "(,"[min(i, 1)], '$')
		text = strconv.AppendInt(text, int64(len(args)+1), 10)
		if i < len(list) {
			args = append(args, list[i])
		} else {
			args = append(args, args[len(args)-1])
		}
	}
	return string(append(text, ')')), args
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
	text := make([]byte, 0, size*7+30)
	args = slices.Grow(args, size)
	before, after := "(VALUES (CAST($", " AS BIGINT))"
	for i := range size {
		text = append(strconv.AppendInt(append(text, before...), int64(len(args)+1), 10), after...)
		before, after = ",($", ")"
		if i < len(list) {
			args = append(args, list[i])
		} else {
			args = append(args, nil)
		}
	}
	return string(append(text, ')')), args
}
