package bolt

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// tailers follow the log from a place, each a page at a time.
type tailers []func() ([]social.Event, error, bool)

func startTailers(t *testing.T, l *Log, n int, after social.Cursor) (list tailers) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	for range n {
		next, stop := iter.Pull2(l.Tail(ctx, after))
		t.Cleanup(stop)
		list = append(list, next)
	}
	t.Cleanup(cancel) // before the stops: a tail that waits is not stopped
	return list
}

// next gives what one of them hears next, as text.
func (x tailers) next(t *testing.T, i int) string {
	t.Helper()
	events, err, ok := x[i]()
	if err != nil || !ok {
		t.Fatalf("tail %d: %v, %v", i, err, ok)
	}
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d %s ", e.Cursor.Seq, e.Data)
	}
	return b.String()
}

func said(p social.Position, text string) storage.Entry {
	return storage.Entry{Op: storage.OpAppend, Position: p, OutboxID: int64(p), Type: "x", Data: []byte(`"` + text + `"`),
		Stream: social.Stream{Kind: social.To, User: social.ID{1}}, About: []social.ID{{2}}}
}

func mustAppend(t *testing.T, l *Log, entries ...storage.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

func TestFollowersOfTheTailShareAPage(t *testing.T) {
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), 64, nil)
	all := startTailers(t, l, 4, l.Head())
	before := Reads(l)
	const pages = 20
	for n := range pages {
		p := social.Position(n + 1)
		mustAppend(t, l, said(p, fmt.Sprint("text ", n)))
		for i := range all {
			if got, want := all.next(t, i), fmt.Sprintf(`%d "text %d" `, p, n); got != want {
				t.Fatalf("tail %d heard %q, want %q", i, got, want)
			}
		}
	}
	// Each append measures the file in a transaction of its own.
	if reads := Reads(l) - before; reads > 2*pages {
		t.Errorf("%d read transactions for %d appends and %d readers", reads, pages, len(all))
	}
}

// What was taken back between two readers of the same page is not shown to the second.
func TestASharedPageForgetsWhatIsTakenBack(t *testing.T) {
	author := social.ID{2}
	for name, take := range map[string]func(t *testing.T, l *Log){
		"redacted": func(t *testing.T, l *Log) {
			mustAppend(t, l, storage.Entry{Op: storage.OpRedact, Position: 3, OutboxID: 3, Targets: []social.Position{1}})
		},
		"erased": func(t *testing.T, l *Log) {
			mustAppend(t, l, storage.Entry{Op: storage.OpErase, Position: 3, OutboxID: 3, Person: author})
		},
		"trimmed": func(t *testing.T, l *Log) {
			if _, err := l.Trim(t.Context(), 1, 10); err != nil {
				t.Fatal(err)
			}
		},
		"of another file": func(t *testing.T, l *Log) {
			if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
				t.Fatal(err)
			}
			other := said(2, "other")
			mustAppend(t, l, other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := openSmall(t, filepath.Join(t.TempDir(), "log"), 64, nil)
			mustAppend(t, l, said(1, "secret"), said(2, "public"))
			start := social.Cursor{Epoch: 1}
			first := startTailers(t, l, 1, start)
			if got := first.next(t, 0); !strings.Contains(got, "secret") {
				t.Fatalf("heard %q", got)
			}
			take(t, l)
			mustAppend(t, l, said(9, "later"))
			events, _, _ := startTailers(t, l, 1, start)[0]() // a gap, after the trim
			for _, e := range events {
				if strings.Contains(string(e.Data), "secret") {
					t.Errorf("heard %s, which was taken back", e.Data)
				}
			}
		})
	}
}

func TestALargePageIsNotKept(t *testing.T) {
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), 1<<20, nil)
	for p := range social.Position(12) {
		mustAppend(t, l, said(p+1, strings.Repeat("x", 50<<10)))
	}
	if got := startTailers(t, l, 1, social.Cursor{Epoch: 1}).next(t, 0); len(got) < 600<<10 {
		t.Fatalf("%d bytes", len(got))
	}
	if len(l.last.events) != 0 {
		t.Errorf("%d events are kept", len(l.last.events))
	}
}
