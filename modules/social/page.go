package social

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// PageQuery is what a client asked of a list. It is embedded in the input of every list operation; the host
// checks the bounds.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Items on the page."`
	Cursor string `query:"cursor" doc:"A cursor from an earlier page; none = from the start."`
}

// List is one page of a list, the body of every list answer.
type List[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next" doc:"Where to go on, also behind a short or empty page; null at the end."`
	Prev  *string `json:"prev" doc:"Cursor of the page before; null when there was nothing there."`
}

// Pages gives the cursors of both neighbours; the host makes the Link header of them.
func (l List[T]) Pages() (next, prev *string) { return l.Next, l.Prev }

// AppendJSON appends the page, byte for byte as encoding/json writes it. Items that have such a method themselves
// write themselves; encoding/json writes the others.
func (l List[T]) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"items":`...)
	_, own := any(new(T)).(appender)
	if !own || l.Items == nil {
		text, err := json.Marshal(l.Items)
		if err != nil {
			return nil, err
		}
		b = append(b, text...)
	} else {
		b = append(b, '[')
		for i := range l.Items {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = any(&l.Items[i]).(appender).AppendJSON(b); err != nil {
				return nil, err
			}
		}
		b = append(b, ']')
	}
	b = appendCursor(append(b, `,"next":`...), l.Next)
	b = appendCursor(append(b, `,"prev":`...), l.Prev)
	return append(b, '}'), nil
}

// appender is an item that writes itself.
type appender interface {
	AppendJSON(b []byte) ([]byte, error)
}

// appendCursor: nothing in a page cursor has to be escaped.
func appendCursor(b []byte, cursor *string) []byte {
	if cursor == nil {
		return append(b, "null"...)
	}
	return append(append(append(b, '"'), *cursor...), '"')
}

// PageScope binds a page cursor to one list, one filter and one person, so that it means nothing elsewhere.
type PageScope struct {
	List   string
	Filter string
	Person ID // zero for anonymous
}

// Window is what a store is asked for one page: at most Limit rows whose order key lies on one side of Key.
// Every list is ordered by a number given in a transaction, never by a time.
type Window struct {
	Key    int64 // exclusive bound
	Bound  bool  // false = no bound: from the end that Rising names
	Rising bool  // true: keys > Key in rising order; false: keys < Key in falling order
	Limit  int
	Scan   int   // how many rows a Walk may look at
	Until  int64 // a Walk ends there: nothing beyond it is wanted; 0 = nowhere
}

// From is Key, and without a bound a number beyond every key: below for a rising window, above for a falling one.
func (w Window) From() int64 {
	switch {
	case w.Bound:
		return w.Key
	case w.Rising:
		return -1
	default:
		return math.MaxInt64
	}
}

// Clause ends the query of a window: condition and order by the key column, and the limit. From is $n, Limit $n+1.
func (w Window) Clause(column string, n int) string {
	sign, order := " < $", " DESC"
	if w.Rising {
		sign, order = " > $", ""
	}
	return " AND " + column + sign + strconv.Itoa(n) + " ORDER BY " + column + order + " LIMIT $" + strconv.Itoa(n+1)
}

// PageCursors signs and reads page cursors. The zero value has to be opened first. Safe for concurrent use then.
type PageCursors struct{ key []byte }

func NewPageCursors(key []byte) *PageCursors {
	p := &PageCursors{}
	p.Open(key)
	return p
}

// Open takes a secret key of at least 32 bytes; the same key reads cursors after a restart. The host calls it once,
// before the first page is asked for.
func (p *PageCursors) Open(key []byte) { p.key = slices.Clone(key) }

const (
	pageFront  = 0 // the page after the key, in list order
	pageBack   = 1 // the page before the key
	pageMACLen = 12
)

func (p *PageCursors) mac(s PageScope, payload []byte) []byte {
	h := hmac.New(sha256.New, p.key)
	for _, part := range []string{s.List, s.Filter, string(s.Person[:])} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part))) //nolint:gosec // the parts are names, filters, ids
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Write(payload)
	return h.Sum(nil)[:pageMACLen]
}

func (p *PageCursors) seal(s PageScope, key int64, back byte) *string {
	var payload [9]byte
	payload[0] = back
	binary.BigEndian.PutUint64(payload[1:], uint64(key)) //nolint:gosec // there, bit by bit
	out := base64.RawURLEncoding.EncodeToString(append(payload[:], p.mac(s, payload[:])...))
	return &out
}

func (p *PageCursors) read(s PageScope, cursor string) (key int64, back byte, err error) {
	bad := NewFault(CodeInvalidCursor, "This page cursor is not of this list.")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != 9+pageMACLen || raw[0] > pageBack {
		return 0, 0, bad
	}
	if !hmac.Equal(raw[9:], p.mac(s, raw[:9])) {
		return 0, 0, bad
	}
	return int64(binary.BigEndian.Uint64(raw[1:9])), raw[0], nil //nolint:gosec // and back; it was sealed
}

// Merge puts two lists of a window, each in its order and with keys of its own, into one of at most w.Limit.
func Merge[T any](w Window, a, b []T, key func(T) int64) []T {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...) // one of them as it is
	}
	out := make([]T, 0, min(len(a)+len(b), w.Limit))
	for len(out) < cap(out) {
		if len(b) == 0 || len(a) > 0 && (key(a[0]) < key(b[0])) == w.Rising {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// ScanBudget is how many rows a list looks at for one page, those that it does not show among them. It is far more than
// a page holds, and a few milliseconds of reading: lists whose index holds rows that some readers are not shown end a
// page there, with a cursor to go on.
const ScanBudget = 500

// Found is what a store gives for a window.
type Found[T any] struct {
	Items  []T
	Looked int // rows looked at, shown or not

	// Cut says that Window.Scan was used up before the window was full: there may be more behind Through.
	Cut     bool
	Through int64
}

// beyond reports whether a key lies behind another in the direction of the window.
func (w Window) beyond(key, other int64) bool { return key != other && (key > other) == w.Rising }

// Walk reads a window of an index of which not every row is shown: on and on, in steps that double, until the window is
// full, there are no more rows, or w.Scan of them were looked at. fetch gives at most Limit rows of a window; key gives
// the order key of a row.
func Walk[T any](w Window, key func(T) int64, shown func(T) (bool, error),
	fetch func(Window) ([]T, error)) (Found[T], error) {
	var out Found[T]
	for step := w; ; step.Limit *= 2 {
		if step.Limit = min(step.Limit, w.Scan-out.Looked); step.Limit <= 0 {
			out.Cut, out.Through = true, step.From()
			return out, nil
		}
		rows, err := fetch(step)
		if err != nil {
			return out, err
		}
		for _, row := range rows {
			if w.Until != 0 && w.beyond(key(row), w.Until) {
				return out, nil
			}
			out.Looked++
			ok, err := shown(row)
			if err != nil {
				return out, err
			}
			if !ok {
				continue
			}
			if out.Items = append(out.Items, row); len(out.Items) == w.Limit {
				return out, nil
			}
		}
		if len(rows) < step.Limit {
			return out, nil
		}
		step.Key, step.Bound = key(rows[len(rows)-1]), true
	}
}

// Keys is what was found by its order keys alone.
func Keys[T any](f Found[T], key func(T) int64) Found[int64] {
	out := Found[int64]{Looked: f.Looked, Cut: f.Cut, Through: f.Through}
	for _, item := range f.Items {
		out.Items = append(out.Items, key(item))
	}
	return out
}

// MergeFound is Merge for what two walks have found. Behind the place where one of them was cut nothing is known.
func MergeFound[T any](w Window, a, b Found[T], key func(T) int64) Found[T] {
	out := Found[T]{Looked: a.Looked + b.Looked}
	for _, one := range []Found[T]{a, b} {
		if one.Cut && (!out.Cut || w.beyond(out.Through, one.Through)) {
			out.Cut, out.Through = true, one.Through
		}
	}
	out.Items = Merge(w, a.Items, b.Items, key)
	if out.Cut {
		known := slices.IndexFunc(out.Items, func(item T) bool { return w.beyond(key(item), out.Through) })
		if known >= 0 {
			out.Items = out.Items[:known]
		}
		out.Cut = len(out.Items) < w.Limit
	}
	return out
}

// PageOf is WalkedPage of an index in which every row is shown.
func PageOf[T any](p *PageCursors, s PageScope, q PageQuery, rising bool, key func(T) int64,
	fetch func(Window) ([]T, error)) (List[T], error) {
	return WalkedPage(p, s, q, rising, key, func(w Window) (Found[T], error) {
		rows, err := fetch(w)
		return Found[T]{Items: rows}, err
	})
}

// WalkedPage makes one page. fetch reads rows of a window from the store (a transaction or the reader pool); it is
// called once, and once more with Limit 1 where the page's other side is not known. key gives a row's order key.
// rising is the list's own order: true for oldest first. A cursor that was altered or belongs to another list
// gives CodeInvalidCursor; errors of fetch are returned as they are.
//
// Items is never nil. Rows that a reader may not see have to be left out by fetch itself. Where that was cut the page
// is short, perhaps empty, and has a cursor to go on all the same; the two calls have ScanBudget together.
func WalkedPage[T any](p *PageCursors, s PageScope, q PageQuery, rising bool, key func(T) int64,
	fetch func(Window) (Found[T], error)) (List[T], error) {
	w := Window{Rising: rising, Limit: q.Limit + 1, Scan: ScanBudget}
	back := byte(pageFront)
	if q.Cursor != "" {
		k, b, err := p.read(s, q.Cursor)
		if err != nil {
			return List[T]{}, err
		}
		w.Key, w.Bound, back = k, true, b
		if back == pageBack {
			w.Rising = !rising
		}
	}
	found, err := fetch(w)
	if err != nil {
		return List[T]{}, err
	}
	out := List[T]{Items: found.Items}
	ahead, behind := &out.Next, &out.Prev // as the page was read
	if back == pageBack {
		ahead, behind = behind, ahead
	}
	switch {
	case len(out.Items) > q.Limit:
		out.Items = out.Items[:q.Limit]
		*ahead = p.seal(s, key(out.Items[q.Limit-1]), back)
	case found.Cut:
		*ahead = p.seal(s, found.Through, back)
	}
	if w.Bound { // is there anything on the side we came from?
		side := Window{Key: w.Key - 1, Bound: true, Rising: !w.Rising, Limit: 1, Scan: w.Scan - found.Looked}
		if w.Rising {
			side.Key = w.Key + 1
		}
		other, err := fetch(side)
		if err != nil {
			return List[T]{}, err
		}
		if len(other.Items) > 0 || other.Cut {
			*behind = p.seal(s, side.Key, 1-back)
		}
	}
	if back == pageBack {
		slices.Reverse(out.Items)
	}
	if out.Items == nil {
		out.Items = []T{}
	}
	return out, nil
}
