package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var modelRules = map[string]logRule{
	"model": {"after any sequence of operations every reader sees what a plain list says", func(k *logKit) {
		rapid.Check(k.TB, func(t *rapid.T) {
			fresh := &logKit{TB: k.TB, ctx: k.TB.Context(), open: k.open, dir: k.TempDir()}
			m := &logModel{kit: fresh, erased: map[social.ID]social.Position{}}
			m.kit.log = k.open(k.TB, m.kit.dir)
			defer func() { _ = m.kit.log.Close() }()
			m.reset(t, social.Epochs{{Number: 1}}, 0)
			t.Repeat(map[string]func(*rapid.T){
				"append":  m.doAppend,
				"repeat":  m.doRepeat,
				"sweep":   m.doSweep,
				"trim":    m.doTrim,
				"reopen":  m.doReopen,
				"rebuild": m.doRebuild,
				"reset":   m.doReset,
				"read":    m.doRead,
				"at":      m.doAt,
				"":        m.check,
			})
		})
	}},
}

// logModel is a log as a list.
type logModel struct {
	kit     *logKit
	epochs  social.Epochs
	mark    social.Position
	floor   social.Position
	entries []storage.Entry // all that was given since the last reset, for repetitions and rebuilds
	records []storage.Entry // what is kept; no data = emptied
	erased  map[social.ID]social.Position
}

// id is the event id of a position, found the slow way.
func (m *logModel) id(p social.Position) social.Cursor {
	c := social.Cursor{Epoch: m.epochs[0].Number, Seq: p}
	for _, e := range m.epochs {
		if e.After < p {
			c.Epoch = e.Number
		}
	}
	return c
}

func (m *logModel) reset(t *rapid.T, epochs social.Epochs, floor social.Position) {
	if err := m.kit.log.Reset(context.Background(), epochs, floor); err != nil {
		t.Fatalf("Reset(%v, %d): %v", epochs, floor, err)
	}
	m.epochs, m.mark, m.floor, m.entries, m.records = epochs, floor, floor, nil, nil
	m.erased = map[social.ID]social.Position{}
}

// gone reports whether the record is not to be shown to anybody.
func (m *logModel) gone(e storage.Entry) bool {
	for _, id := range append([]social.ID{e.Stream.User}, e.About...) {
		if e.Position <= m.erased[id] {
			return true
		}
	}
	return len(e.Data) == 0
}

func (m *logModel) apply(e storage.Entry) {
	if e.Position <= m.mark {
		return
	}
	m.mark = e.Position
	switch e.Op {
	case storage.OpAppend:
		m.records = append(m.records, e)
	case storage.OpRedact:
		for i := range m.records {
			if slices.Contains(e.Targets, m.records[i].Position) {
				m.records[i].Data = nil
			}
		}
	case storage.OpErase:
		m.erased[e.Person] = e.Position
	}
}

func drawPerson(t *rapid.T) social.ID { return person(rapid.ByteRange(1, 4).Draw(t, "person")) }

func drawEntry(t *rapid.T, p social.Position) storage.Entry {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return redact(p, rapid.SliceOfN(rapid.Map(rapid.Uint64Range(1, uint64(p)-1+1), func(v uint64) social.Position {
			return min(social.Position(v), p-1)
		}), 0, 4).Draw(t, "targets")...)
	case 1:
		return erase(p, drawPerson(t))
	}
	kind := rapid.SampledFrom([]social.StreamKind{social.To, social.By}).Draw(t, "stream")
	s := social.Stream{Kind: kind, User: drawPerson(t)}
	e := event(p, s)
	for range rapid.IntRange(0, 2).Draw(t, "about") {
		e.About = append(e.About, drawPerson(t))
	}
	e.Internal = rapid.IntRange(0, 4).Draw(t, "internal") == 0
	if rapid.IntRange(0, 9).Draw(t, "redacted before") == 0 {
		e.Data = nil
	}
	return e
}

func (m *logModel) doAppend(t *rapid.T) {
	var list []storage.Entry
	p, run := m.mark, m.epochs[len(m.epochs)-1]
	if rapid.IntRange(0, 3).Draw(t, "new run") == 0 {
		run = social.Epoch{Number: run.Number + 1, After: p}
	}
	for range rapid.IntRange(1, 8).Draw(t, "entries") {
		p += social.Position(rapid.Uint64Range(1, 3).Draw(t, "step"))
		e := drawEntry(t, p)
		e.Epoch = run
		list = append(list, e)
	}
	m.give(t, list)
}

func (m *logModel) give(t *rapid.T, list []storage.Entry) {
	if err := m.kit.log.Append(context.Background(), list...); err != nil {
		t.Fatalf("Append: %v", err)
	}
	for _, e := range list {
		if e.Position > m.mark {
			m.entries = append(m.entries, e)
			if e.Epoch.Number > m.epochs[len(m.epochs)-1].Number {
				m.epochs = append(slices.Clip(m.epochs), e.Epoch)
			}
		}
		m.apply(e)
	}
}

func (m *logModel) doRepeat(t *rapid.T) {
	if len(m.entries) == 0 {
		t.Skip("nothing to repeat")
	}
	from := rapid.IntRange(0, len(m.entries)-1).Draw(t, "from")
	m.give(t, slices.Clone(m.entries[from:]))
}

func (m *logModel) doSweep(t *rapid.T) {
	n, err := m.kit.log.Sweep(context.Background(), rapid.IntRange(1, 5).Draw(t, "limit"))
	if err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if n > 0 && len(m.erased) == 0 {
		t.Fatalf("Sweep emptied %d records while nobody was erased", n)
	}
}

func (m *logModel) doTrim(t *rapid.T) {
	before := social.Position(rapid.Uint64Range(0, uint64(m.mark)+3).Draw(t, "before"))
	limit := rapid.IntRange(0, 6).Draw(t, "limit")
	got, err := m.kit.log.Trim(context.Background(), before, limit)
	if err != nil {
		t.Fatalf("Trim: %v", err)
	}
	want := 0
	if before = min(before, m.mark); limit > 0 && before > m.floor {
		for want < len(m.records) && want < limit && m.records[want].Position <= before {
			want++
		}
		m.floor = before
		if want < len(m.records) && m.records[want].Position <= before {
			m.floor = m.records[want-1].Position
		}
		m.records = m.records[want:]
	}
	if got != want {
		t.Fatalf("Trim(%d, %d) dropped %d, want %d", before, limit, got, want)
	}
}

func (m *logModel) doReopen(*rapid.T) { m.kit.reopen() }

// doRebuild loses the log and makes it again from the entries above the floor, some of them redacted before.
func (m *logModel) doRebuild(t *rapid.T) {
	epochs, floor, mark, entries, records := m.epochs, m.floor, m.mark, m.entries, m.records
	m.reset(t, epochs, floor)
	var list []storage.Entry
	for _, e := range entries {
		if i := slices.IndexFunc(records, func(r storage.Entry) bool { return r.Position == e.Position }); i >= 0 {
			e = records[i]
		}
		if e.Position > floor {
			list = append(list, e)
		}
	}
	m.give(t, list)
	if m.mark != mark {
		t.Fatalf("the model itself lost its mark: %d, want %d", m.mark, mark)
	}
}

func (m *logModel) doReset(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
		floor := social.Position(rapid.Uint64Range(0, uint64(m.mark)+2).Draw(t, "floor"))
		m.reset(t, social.Epochs{{Number: m.epochs[len(m.epochs)-1].Number + 1, After: floor}}, floor)
	}
}

func (m *logModel) doAt(t *rapid.T) {
	p := social.Position(rapid.Uint64Range(0, uint64(m.mark)+2).Draw(t, "position"))
	e, ok, err := m.kit.log.At(context.Background(), p)
	if err != nil {
		t.Fatalf("At(%d): %v", p, err)
	}
	i := slices.IndexFunc(m.records, func(r storage.Entry) bool { return r.Position == p })
	switch {
	case ok != (i >= 0):
		t.Fatalf("At(%d) is there: %v, want %v", p, ok, i >= 0)
	case ok && (e.Data == nil) != m.gone(m.records[i]):
		t.Fatalf("At(%d) has data %q, gone: %v", p, e.Data, m.gone(m.records[i]))
	case ok && e.Data != nil && !same(e, m.records[i]):
		t.Fatalf("At(%d) gave %+v, want %+v", p, e, m.records[i])
	}
}

func (m *logModel) doRead(t *rapid.T) {
	a := social.Audience{Person: person(1), Hidden: map[social.ID]struct{}{}}
	for n := byte(1); n <= 4; n++ {
		for _, s := range []social.Stream{to(n), by(n)} {
			if rapid.Bool().Draw(t, s.String()) {
				since := social.Position(rapid.SampledFrom([]uint64{0, 0, uint64(m.mark) / 2, uint64(m.mark)}).Draw(t, "since"))
				a.Sources = append(a.Sources, social.Source{Stream: s, Since: since})
			}
		}
		if rapid.IntRange(0, 5).Draw(t, "hide") == 0 {
			a.Hidden[person(n)] = struct{}{}
		}
	}
	after := m.id(social.Position(rapid.Uint64Range(0, uint64(m.mark)+2).Draw(t, "after")))
	if rapid.IntRange(0, 4).Draw(t, "other epoch") == 0 {
		after.Epoch += rapid.SampledFrom([]uint32{^uint32(0), 1}).Draw(t, "which")
	}
	m.compareRead(t, a, after, rapid.IntRange(1, 5).Draw(t, "limit"))
}

// compareRead follows one reader to the end.
func (m *logModel) compareRead(t *rapid.T, a social.Audience, after social.Cursor, limit int) {
	var want []storage.Entry
	for _, e := range m.records {
		for _, s := range a.Sources {
			shown := s.Stream == e.Stream && e.Position > max(after.Seq, s.Since) && !e.Internal && !m.gone(e)
			if shown && !a.Hides(social.Event{About: e.About}) {
				want = append(want, e)
			}
		}
	}
	bad := after != m.id(after.Seq) || after.Seq > m.mark || after.Seq < m.floor
	for at := after; ; {
		page, err := m.kit.log.Read(context.Background(), a, at, limit)
		if bad {
			if gap := (*social.GapError)(nil); !errors.As(err, &gap) {
				t.Fatalf("Read after %s (floor %d, mark %d) gave %v, want a gap", at, m.floor, m.mark, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("Read after %s (floor %d, mark %d): %v", at, m.floor, m.mark, err)
		}
		if len(page.Events) > min(limit, len(want)) {
			t.Fatalf("Read after %s gave %v too many", at, positions(page.Events))
		}
		for i, e := range page.Events {
			if !same(e, want[i]) || e.Cursor != m.id(want[i].Position) {
				t.Fatalf("Read after %s gave %+v, want %+v", at, e, want[i])
			}
		}
		want = want[len(page.Events):]
		if len(want) > 0 && page.Through.Seq >= want[0].Position {
			t.Fatalf("Read after %s is through at %s and left out %d", at, page.Through, want[0].Position)
		}
		if !page.More {
			if len(want) > 0 || page.Through.Seq != m.mark {
				t.Fatalf("Read after %s ended at %s (mark %d) with %d events missing", at, page.Through, m.mark, len(want))
			}
			return
		}
		if page.Through.Seq <= at.Seq {
			t.Fatalf("Read after %s is through at %s and wants more", at, page.Through)
		}
		at = page.Through
	}
}

// check compares all that can be seen from outside: marks, and the whole tail.
func (m *logModel) check(t *rapid.T) {
	head, oldest := m.kit.log.Head(), m.kit.log.Kept().Oldest()
	if want := m.id(m.mark); head != want {
		t.Fatalf("head is %s, want %s", head, want)
	}
	if want := m.id(m.floor); oldest != want {
		t.Fatalf("oldest is %s, want %s", oldest, want)
	}
	var want []storage.Entry
	for _, e := range m.records {
		if !m.gone(e) {
			want = append(want, e)
		}
	}
	if len(want) > 0 {
		got := m.kit.tail(m.floor, want[len(want)-1].Position)
		if len(got) != len(want) {
			t.Fatalf("Tail gave %v, want %d events", positions(got), len(want))
		}
		for i := range got {
			if !same(got[i], want[i]) || got[i].Cursor != m.id(want[i].Position) {
				t.Fatalf("Tail gave %+v, want %+v", got[i], want[i])
			}
		}
	}
	if err := m.kit.log.Check(context.Background()); err != nil {
		t.Fatal(fmt.Errorf("a good log: %w", err))
	}
}
