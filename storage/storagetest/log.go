package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// OpenLog opens the log whose files are in dir; a folder without files gives a log without an epoch. The kit closes
// what it gets, and opens the same folder again to see what was kept. It fails the test if it cannot.
type OpenLog func(t testing.TB, dir string) storage.Log

// LogCase is one rule of storage.Log and the test for it.
type LogCase struct {
	Name string
	Rule string // what has been broken when the case fails
	Run  func(t testing.TB, open OpenLog)
}

// Log runs all cases against an implementation. It takes a few seconds.
func Log(t *testing.T, open OpenLog) {
	for _, c := range LogCases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.Rule)
				}
			})
			c.Run(t, open)
		})
	}
}

// LogCases are the cases of Log, for those who run them in another way.
func LogCases() []LogCase {
	var all []LogCase
	for _, part := range []map[string]logRule{appendRules, readRules, emptyRules, trimRules, tailRules, epochRules,
		modelRules} {
		for name, r := range part {
			all = append(all, LogCase{Name: name, Rule: r.rule, Run: func(t testing.TB, open OpenLog) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				k := &logKit{TB: t, ctx: ctx, open: open, dir: t.TempDir()}
				k.log = open(t, k.dir)
				t.Cleanup(func() { cancel(); _ = k.log.Close() })
				r.run(k)
			}})
		}
	}
	slices.SortFunc(all, func(a, b LogCase) int { return strings.Compare(a.Name, b.Name) })
	return all
}

type logRule struct {
	rule string
	run  func(k *logKit)
}

// patience bounds every wait of the kit. Only a broken log meets it.
const patience = 30 * time.Second

// logKit is what one case works with.
type logKit struct {
	testing.TB
	ctx  context.Context // of the case; ends after patience
	open OpenLog
	dir  string
	log  storage.Log
}

// Context replaces the one of testing.TB, which has no deadline.
func (k *logKit) Context() context.Context { return k.ctx }

// begin gives the log its first epoch.
func (k *logKit) begin() {
	k.Helper()
	k.reset(0, 1)
}

// reset begins anew behind a floor, in the epoch given.
func (k *logKit) reset(floor social.Position, epoch uint32) {
	k.Helper()
	if err := k.log.Reset(k.Context(), social.Epochs{{Number: epoch, After: floor}}, floor); err != nil {
		k.Fatalf("Reset to %d-%d: %v", epoch, floor, err)
	}
}

func (k *logKit) reopen() {
	k.Helper()
	if err := k.log.Close(); err != nil {
		k.Fatalf("Close: %v", err)
	}
	k.log = k.open(k.TB, k.dir)
}

func (k *logKit) append(entries ...storage.Entry) {
	k.Helper()
	if err := k.log.Append(k.Context(), entries...); err != nil {
		k.Fatalf("Append: %v", err)
	}
}

// cursor is the id of a position.
func (k *logKit) cursor(p social.Position) social.Cursor {
	return k.log.Kept().Cursor(p)
}

// read follows Through and More to the end and checks each page.
func (k *logKit) read(a social.Audience, after social.Position, limit int) []social.Event {
	k.Helper()
	var all []social.Event
	at := k.cursor(after)
	for {
		page, err := k.log.Read(k.Context(), a, at, limit)
		if err != nil {
			k.Fatalf("Read after %s: %v", at, err)
		}
		k.checkPage(page, at, limit)
		all = append(all, page.Events...)
		if !page.More {
			return all
		}
		at = page.Through
	}
}

func (k *logKit) checkPage(page social.EventPage, after social.Cursor, limit int) {
	k.Helper()
	last := after
	for _, e := range page.Events {
		if e.Cursor.Seq <= last.Seq {
			k.Fatalf("Read after %s: event %s stands behind %s", after, e.Cursor, last)
		}
		last = e.Cursor
	}
	switch head := k.log.Head(); {
	case len(page.Events) > limit:
		k.Fatalf("Read after %s gave %d events, limit %d", after, len(page.Events), limit)
	case page.Through.Seq < last.Seq:
		k.Fatalf("Read after %s: Through is %s, below the last event %s", after, page.Through, last)
	case page.Through.Seq > head.Seq:
		k.Fatalf("Read after %s: Through is %s, above the head %s", after, page.Through, head)
	case page.More && page.Through.Seq <= after.Seq:
		k.Fatalf("Read after %s: More, but Through is %s: a reader would go round for ever", after, page.Through)
	}
}

// tail collects what Tail gives up to the event at last.
func (k *logKit) tail(after, last social.Position) []social.Event {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), patience)
	defer cancel()
	var all []social.Event
	for list, err := range k.log.Tail(ctx, k.cursor(after)) {
		if err != nil {
			k.Fatalf("Tail after %d, waiting for %d, after %d events: %v", after, last, len(all), err)
		}
		if len(list) == 0 || len(list) > 256 {
			k.Fatalf("Tail gave a batch of %d events; 1..256 are allowed", len(list))
		}
		all = append(all, list...)
		if all[len(all)-1].Cursor.Seq >= last {
			return all
		}
	}
	k.Fatalf("Tail ended by itself after %d events", len(all))
	return nil
}

// wantPositions compares events with positions.
func (k *logKit) wantPositions(what string, got []social.Event, want ...social.Position) {
	k.Helper()
	if list := positions(got); !slices.Equal(list, want) {
		k.Fatalf("%s gave %s, want %s", what, short(list), short(want))
	}
}

func (k *logKit) wantHead(p social.Position) {
	k.Helper()
	if got := k.log.Head().Seq; got != p {
		k.Fatalf("Head is at %d, want %d", got, p)
	}
}

func (k *logKit) wantFloor(p social.Position) {
	k.Helper()
	if got := k.log.Kept().Oldest().Seq; got != p {
		k.Fatalf("Oldest is at %d, want %d", got, p)
	}
}

// wantGap compares an error with a gap.
func (k *logKit) wantGap(what string, err error, reason social.GapReason, from, to social.Cursor) {
	k.Helper()
	var gap *social.GapError
	if !errors.As(err, &gap) {
		k.Fatalf("%s: got %v, want a gap %s", what, err, reason)
	}
	if want := (social.GapError{From: from, To: to, Reason: reason}); *gap != want {
		k.Fatalf("%s: got %v, want %v", what, gap, &want)
	}
}

func positions(events []social.Event) []social.Position {
	list := make([]social.Position, len(events))
	for i, e := range events {
		list[i] = e.Cursor.Seq
	}
	return list
}

// short prints a list so that a failure stays readable.
func short(list []social.Position) string {
	if len(list) <= 12 {
		return fmt.Sprint(list)
	}
	return fmt.Sprintf("%d positions %v … %v", len(list), list[:6], list[len(list)-6:])
}

// person makes the id of a person from a number.
func person(n byte) social.ID { return social.ID{1, 15: n} }

func to(n byte) social.Stream { return social.Stream{Kind: social.To, User: person(n)} }

func by(n byte) social.Stream { return social.Stream{Kind: social.By, User: person(n)} }

// event is an entry with content that tells its position.
func event(p social.Position, s social.Stream, about ...social.ID) storage.Entry {
	return storage.Entry{
		Op: storage.OpAppend, Position: p, OutboxID: int64(p), Stream: s, Type: "post.created",
		Time: social.Time(1_700_000_000_000 + int64(p)), About: about, Data: fmt.Appendf(nil, `{"n":%d}`, p),
	}
}

func internal(p social.Position, s social.Stream) storage.Entry {
	e := event(p, s)
	e.Internal, e.Type = true, "audience.changed"
	return e
}

func redact(p social.Position, targets ...social.Position) storage.Entry {
	return storage.Entry{Op: storage.OpRedact, Position: p, OutboxID: int64(p), Targets: targets}
}

func erase(p social.Position, who social.ID) storage.Entry {
	return storage.Entry{Op: storage.OpErase, Position: p, OutboxID: int64(p), Person: who}
}

// events are entries from..to in one stream.
func events(from, to social.Position, s social.Stream) []storage.Entry {
	var list []storage.Entry
	for p := from; p <= to; p++ {
		list = append(list, event(p, s))
	}
	return list
}

func span(from, to social.Position) []social.Position {
	var list []social.Position
	for p := from; p <= to; p++ {
		list = append(list, p)
	}
	return list
}

// reads is an audience of whole streams.
func reads(streams ...social.Stream) social.Audience {
	a := social.Audience{Person: person(1)}
	for _, s := range streams {
		a.Sources = append(a.Sources, social.Source{Stream: s})
	}
	return a
}
