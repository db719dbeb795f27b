package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Bounds of one batch: what the relay holds in memory, and what one Append carries.
const (
	batchRows  = 8192
	batchBytes = 4 << 20
)

// row is one outbox row as it is stored. Its columns are read without judging them, so that a row nobody can
// understand stops nobody before it.
type row struct {
	id                      int64
	op, internal, time      any
	stream, typ, about, doc any
	person                  any
}

// readRows reads rows above the mark that are not set aside, in order. more = there may be others.
func readRows(ctx context.Context, db storage.DB, mark social.Position) (list []row, more bool, err error) {
	err = db.Read(ctx, func(q storage.Querier) error {
		list, more = nil, false
		rows, err := q.Query(ctx, `SELECT id, op, stream, type, actor_id, about, internal, time, data FROM outbox
			WHERE id > $1 AND set_aside_at IS NULL ORDER BY id LIMIT $2`, int64(mark), batchRows)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for bytes := 0; !more && rows.Next(); {
			var r row
			if err := rows.Scan(&r.id, &r.op, &r.stream, &r.typ, &r.person, &r.about, &r.internal, &r.time, &r.doc); err != nil {
				return err
			}
			if data, ok := r.doc.([]byte); ok {
				bytes += len(data)
			}
			list = append(list, r)
			more = bytes >= batchBytes || len(list) == batchRows
		}
		return rows.Err()
	})
	if err != nil {
		return nil, false, fmt.Errorf("outbox: read above %d: %w", mark, err)
	}
	return list, more, nil
}

// errPoison marks what is wrong with a row itself: no time and no space will mend it.
var errPoison = errors.New("entry cannot be understood")

// entry decodes a row.
func (r *row) entry() (e storage.Entry, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPoison, p)
		}
	}()
	op, ok := r.op.(int64)
	at, okTime := r.time.(int64)
	internal, okInternal := r.internal.(int64)
	if !ok || !okTime || !okInternal || r.id < 1 {
		return e, fmt.Errorf("%w: numbers", errPoison)
	}
	e = storage.Entry{
		Op: storage.Op(op), Position: social.Position(r.id), OutboxID: r.id, Time: social.Time(at), Internal: internal != 0,
	}
	data, okData := bytesOf(r.doc)
	switch e.Op {
	case storage.OpRedact:
		var d redaction
		if err := json.Unmarshal(data, &d); err != nil || len(d.IDs) == 0 {
			return e, fmt.Errorf("%w: what to redact", errPoison)
		}
		for _, id := range d.IDs {
			e.Targets = append(e.Targets, social.Position(id))
		}
		return e, nil
	case storage.OpErase:
		if err := e.Person.Scan(r.person); err != nil || e.Person.IsZero() {
			return e, fmt.Errorf("%w: whom to erase", errPoison)
		}
		return e, nil
	case storage.OpAppend:
	default:
		return e, fmt.Errorf("%w: operation %d", errPoison, op)
	}
	stream, okStream := bytesOf(r.stream)
	about, okAbout := bytesOf(r.about)
	if e.Type, ok = r.typ.(string); !ok || !okStream || !okAbout || !okData || (len(data) > 0 && !json.Valid(data)) {
		return e, fmt.Errorf("%w: content", errPoison)
	}
	if e.Stream, err = social.StreamOf(stream); err != nil {
		return e, fmt.Errorf("%w: %w", errPoison, err)
	}
	if e.About, err = unpackAbout(about); err != nil {
		return e, err
	}
	e.Data = data
	return e, nil
}

// bytesOf takes what a driver gives for bytes; NULL is none.
func bytesOf(v any) ([]byte, bool) {
	switch b := v.(type) {
	case nil:
		return nil, true
	case []byte:
		return b, true
	case string:
		return []byte(b), true
	}
	return nil, false
}

// unpackAbout reads what packAbout wrote.
func unpackAbout(b []byte) ([]social.ID, error) {
	const n = len(social.ID{})
	if len(b)%n != 0 || len(b) > social.MaxAbout*n {
		return nil, fmt.Errorf("%w: people in %d bytes", errPoison, len(b))
	}
	var ids []social.ID
	for ; len(b) > 0; b = b[n:] {
		ids = append(ids, social.ID(b[:n]))
	}
	return ids, nil
}
