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

// batch is what one reading of the outbox gave.
type batch struct {
	entries []storage.Entry
	bad     *poison     // what stands behind the last entry and cannot be understood; nil = nothing
	rows    int         // found, bad ones too
	oldest  social.Time // of the rows found; 0 = there were none
	more    bool        // there may be other rows
}

// poison is an entry that cannot go into the log.
type poison struct {
	id  int64
	err error
}

func (p *poison) Error() string { return fmt.Sprintf("outbox: entry %d: %v", p.id, p.err) }
func (p *poison) Unwrap() error { return p.err }

var (
	errPoison = errors.New("entry cannot be understood") // however often it is tried
	errFull   = errors.New("batch is full")              // ends a reading
)

// readBatch reads and decodes rows above the mark that are not set aside, in order.
func readBatch(ctx context.Context, db storage.DB, mark social.Position) (b batch, err error) {
	err = db.Read(ctx, func(q storage.Querier) error {
		b = batch{}
		bytes := 0
		epochs, err := epochsFrom(ctx, q, mark)
		if err != nil {
			return err
		}
		err = storage.Each(ctx, q, func(s storage.Row) error {
			r, err := scanRow(s)
			if err != nil {
				return err
			}
			if at, ok := r.time.(int64); ok && b.rows == 0 {
				b.oldest = social.Time(at)
			}
			b.rows++
			doc, _ := bytesOf(r.doc) // of a redaction too: what it empties is as large as its text
			bytes += len(doc)
			e, err := r.entry()
			if err != nil {
				b.bad = &poison{id: r.id, err: err}
				return errFull
			}
			e.Epoch = epochs.Of(e.Position)
			b.entries = append(b.entries, e)
			if bytes >= batchBytes || b.rows == batchRows {
				return errFull
			}
			return nil
		}, `SELECT `+rowColumns+` FROM outbox WHERE id > $1 AND set_aside_at IS NULL ORDER BY id LIMIT $2`,
			int64(mark), batchRows)
		if errors.Is(err, errFull) {
			b.more, err = true, nil
		}
		return err
	})
	return b, social.Wrap(err, "outbox: read above %d", mark)
}

// row is one outbox row as it is stored. Its columns are read without judging them, so that a row nobody can
// understand stops nobody before it.
type row struct {
	id                      int64
	op, internal, time      any
	stream, typ, about, doc any
	person                  any
}

const rowColumns = `id, op, stream, type, actor_id, about, internal, time, data`

func scanRow(s storage.Row) (r row, err error) {
	err = s.Scan(&r.id, &r.op, &r.stream, &r.typ, &r.person, &r.about, &r.internal, &r.time, &r.doc)
	return r, err
}

func (r *row) entry() (e storage.Entry, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPoison, p)
		}
	}()
	op, ok := r.op.(int64)
	at, okTime := r.time.(int64)
	internal, okInternal := r.internal.(int64)
	data, okData := bytesOf(r.doc)
	if !ok || !okTime || !okInternal || !okData || r.id < 1 {
		return e, fmt.Errorf("%w: columns", errPoison)
	}
	//nolint:gosec // the table takes operations from 1 to 3, and ids above 0
	e = storage.Entry{Op: storage.Op(op), Position: social.Position(r.id), OutboxID: r.id, Time: social.Time(at),
		Internal: internal != 0}
	switch e.Op {
	case storage.OpRedact:
		var d redaction
		if err := json.Unmarshal(data, &d); err != nil || len(d.IDs) == 0 {
			return e, fmt.Errorf("%w: what to redact", errPoison)
		}
		e.Targets = d.IDs
	case storage.OpErase:
		if err := e.Person.Scan(r.person); err != nil || e.Person.IsZero() {
			return e, fmt.Errorf("%w: whom to erase", errPoison)
		}
	case storage.OpAppend:
		return e, r.event(&e, data)
	default:
		return e, fmt.Errorf("%w: operation %d", errPoison, op)
	}
	return e, nil
}

// event decodes what an appended entry has more.
func (r *row) event(e *storage.Entry, data []byte) error {
	stream, okStream := bytesOf(r.stream)
	about, okAbout := bytesOf(r.about)
	kind, ok := r.typ.(string)
	if !ok || !okStream || !okAbout || (len(data) > 0 && !json.Valid(data)) {
		return fmt.Errorf("%w: content", errPoison)
	}
	e.Type, e.Data = kind, data
	var err error
	if e.Stream, err = social.StreamOf(stream); err != nil {
		return fmt.Errorf("%w: %w", errPoison, err)
	}
	e.About, err = unpackAbout(about)
	return err
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

// unpackAbout reads the people of an entry.
func unpackAbout(b []byte) ([]social.ID, error) {
	const n = len(social.ID{})
	if len(b)%n != 0 || len(b) > social.MaxAbout*n {
		return nil, fmt.Errorf("%w: people in %d bytes", errPoison, len(b))
	}
	return storage.UnpackIDs(b), nil
}
