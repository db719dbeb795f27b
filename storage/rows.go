package storage

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
)

// Each runs a query and gives every row, in the query's order, to scan. An error of scan ends it and is returned as it
// is. The rows are closed when it returns, so scan asks nothing of q.
func Each(ctx context.Context, q Querier, scan func(Row) error, query string, args ...any) error {
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

// All is Each that collects what scan makes of the rows; nil when there are none. The caller bounds the query.
func All[T any](ctx context.Context, q Querier, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := Each(ctx, q, func(row Row) error {
		v, err := scan(row)
		out = append(out, v)
		return err
	}, query, args...)
	return out, err
}

// One scans a row of one column, for All.
func One[T any](row Row) (v T, err error) {
	err = row.Scan(&v)
	return v, err
}

// Found tells a row that is not there, which is false and no error, from a failure. It takes the error of a Scan.
func Found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Absent turns a row that is not there into the fault not_found. It takes the error of a Scan.
func Absent(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return social.NotFound()
	}
	return err
}

// Bit is a boolean as every store keeps it.
func Bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// PackIDs is how every store keeps a few ids in one column: 16 bytes each, at most so many, doubles and zeros dropped.
func PackIDs(most int, ids ...social.ID) []byte {
	out := make([]byte, 0, most*len(social.ID{}))
	for i, id := range ids {
		if !id.IsZero() && len(out) < cap(out) && !slices.Contains(ids[:i], id) {
			out = append(out, id[:]...)
		}
	}
	return out
}

// UnpackIDs gives the ids of a column that PackIDs made, as far as it holds whole ones.
func UnpackIDs(b []byte) (ids []social.ID) {
	ids = slices.Grow(ids, len(b)/len(social.ID{}))
	for ; len(b) >= len(social.ID{}); b = b[len(social.ID{}):] {
		ids = append(ids, social.ID(b[:len(social.ID{})]))
	}
	return ids
}

// Provisional reports whether q is an open transaction; a wrapper of a Querier keeps it so. What a Tx shows may be
// undone, so a cache neither keeps what it read from one, nor answers one from what it keeps.
func Provisional(q Querier) bool {
	_, tx := q.(Tx)
	return tx
}
