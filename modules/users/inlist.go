package users

import (
	"context"
	"strconv"
	"strings"

	"github.com/belfry-social/belfry/storage"
)

// inSizes are the lengths of the lists that "IN (…)" is written with. A list in between is filled up with its last
// value, so the store keeps four prepared statements for a question and not one for each length.
var inSizes = [...]int{1, 8, 32, 128}

// inList is one question about many values, written out for each of inSizes.
type inList [len(inSizes)]string

// newInList writes the texts: head, the list in parentheses, tail.
func newInList(head, tail string) inList {
	var l inList
	for i, size := range inSizes {
		marks := make([]string, size)
		for n := range marks {
			marks[n] = "$" + strconv.Itoa(n+1)
		}
		l[i] = head + " (" + strings.Join(marks, ", ") + ") " + tail
	}
	return l
}

// each asks about all values and gives every row to scan, in no order. A value that stands twice gives its row
// once in a chunk, and perhaps again in another.
func (l inList) each(ctx context.Context, q storage.Querier, values []any, scan func(storage.Rows) error) error {
	for len(values) > 0 {
		size := 0
		for size < len(inSizes)-1 && inSizes[size] < len(values) {
			size++
		}
		chunk := values[:min(len(values), inSizes[size])]
		values = values[len(chunk):]
		if missing := inSizes[size] - len(chunk); missing > 0 {
			full := append(make([]any, 0, inSizes[size]), chunk...)
			for range missing {
				full = append(full, chunk[len(chunk)-1])
			}
			chunk = full
		}
		if err := eachRow(ctx, q, scan, l[size], chunk...); err != nil {
			return err
		}
	}
	return nil
}

// eachRow runs one query and gives every row to scan.
func eachRow(ctx context.Context, q storage.Querier, scan func(storage.Rows) error, query string, args ...any) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
