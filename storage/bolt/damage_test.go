package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

// number reads a test parameter from the environment: N=1000 SEED=7 go test -run Bitrot.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	if s := os.Getenv(name); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return otherwise
}

// history is a few thousand entries of all kinds.
func history(seed uint64) []storage.Entry {
	rng := rand.New(rand.NewPCG(seed, 1))
	var list []storage.Entry
	for p := social.Position(1); p <= 3000; p++ {
		e := storage.Entry{
			Op: storage.OpAppend, Position: p, OutboxID: int64(p), Type: "post.created", Time: social.Time(p),
			Internal: rng.IntN(9) == 0,
			Stream:   social.Stream{Kind: social.StreamKind(1 + rng.IntN(2)), User: user(rng.IntN(40))},
			About:    []social.ID{user(rng.IntN(40))},
			Data:     bytes.Repeat([]byte{'"'}, 20+rng.IntN(300)),
		}
		if rng.IntN(500) == 0 {
			e.Data = bytes.Repeat([]byte{'"'}, 30_000)
		}
		switch rng.IntN(60) {
		case 0:
			target := 1 + social.Position(rng.IntN(int(p)))
			e = storage.Entry{Op: storage.OpRedact, Position: p, Targets: []social.Position{target}}
		case 1:
			if p%5 == 0 {
				e = storage.Entry{Op: storage.OpErase, Position: p, Person: user(rng.IntN(40))}
			}
		}
		list = append(list, e)
	}
	return list
}

// tail reads all there is, up to an error.
func tail(t *testing.T, l *bolt.Log) (all []social.Event, err error) {
	t.Helper()
	head := l.Head()
	for at := l.Kept().Oldest(); at.Seq < head.Seq; {
		var streams social.Audience
		for n := range 40 {
			for _, kind := range []social.StreamKind{social.To, social.By} {
				streams.Sources = append(streams.Sources, social.Source{Stream: social.Stream{Kind: kind, User: user(n)}})
			}
		}
		page, err := l.Read(t.Context(), streams, at, 1000)
		if err != nil {
			return all, err
		}
		all, at = append(all, page.Events...), page.Through
	}
	return all, nil
}

func equal(a, b []social.Event) bool {
	return slices.EqualFunc(a, b, func(a, b social.Event) bool {
		return a.Cursor == b.Cursor && a.Stream == b.Stream && a.Type == b.Type && a.Time == b.Time &&
			bytes.Equal(a.Data, b.Data)
	})
}

// filled gives the content of a log at rest without what lies behind the pages in use, the size of its file, and what
// readers see of it.
func filled(t *testing.T, list []storage.Entry) (whole []byte, size int64, want []social.Event) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	for part := range slices.Chunk(list, 97) {
		if err := l.Append(t.Context(), part...); err != nil {
			t.Fatal(err)
		}
	}
	want, err := tail(t, l)
	if err != nil || len(want) < 1000 {
		t.Fatal(len(want), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if whole, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	size = int64(len(whole))
	whole = bytes.TrimRight(whole, "\x00")
	return append(whole, make([]byte, -len(whole)&4095)...), size, want
}

// TestBitrot damages the file at rest (P16). What is damaged is set aside and built again; what is not set aside
// holds exactly what it held.
func TestBitrot(t *testing.T) {
	seed, rounds := number(t, "SEED", 1), number(t, "N", 60)
	t.Logf("SEED=%d N=%d", seed, rounds)
	list := history(seed)
	whole, size, want := filled(t, list)
	found := 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(seed, round))
		file := bytes.Clone(whole)
		at := rng.IntN(len(whole))
		what, length := "flip", size
		switch rng.IntN(8) {
		case 0:
			what, length = "truncate", int64(at)
		case 1:
			what = "zero a page"
			clear(file[at&^4095 : min(at|4095, len(file)-1)+1])
		case 2:
			what = "foreign page"
			copy(file[at&^4095:], whole[rng.IntN(len(whole))&^4095:][:4096])
		default:
			file[at] ^= 1 << rng.IntN(8)
		}
		damaged := filepath.Join(t.TempDir(), "log")
		if err := errors.Join(os.WriteFile(damaged, file, 0o600), os.Truncate(damaged, length)); err != nil {
			t.Fatal(err)
		}
		l, err := bolt.Open(bolt.DefaultConfig(damaged))
		if err != nil {
			t.Fatalf("round %d, %s at %d: Open: %v", round, what, at, err)
		}
		if l.SetAside() != nil || l.Head().Seq != social.Position(len(list)) {
			found++
		}
		if l.Head().Epoch == 0 {
			if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
				t.Fatal(err)
			}
		}
		// Whether set aside, or a commit behind because the newer meta page was hit: the same entries again.
		if err := l.Append(t.Context(), list...); err != nil {
			t.Fatalf("round %d, %s at %d: Append: %v", round, what, at, err)
		}
		got, err := tail(t, l)
		if err != nil || !equal(got, want) {
			t.Errorf("round %d, %s at %d: %d events and %v, want %d", round, what, at, len(got), err, len(want))
		}
		if err := errors.Join(l.Check(t.Context()), l.Close()); err != nil {
			t.Errorf("round %d, %s at %d: %v", round, what, at, err)
		}
	}
	t.Logf("%d of %d were found; the others fell where nothing is", found, rounds)
	if found < int(rounds)/2 {
		t.Errorf("only %d of %d damages were found", found, rounds)
	}
}

// TestDamagedStructure flips bits of what bbolt keeps for itself: page headers, branches, the list of free pages. A
// file that is taken holds everything, and goes on doing so when its pages are used again.
func TestDamagedStructure(t *testing.T) {
	seed, rounds := number(t, "SEED", 1), number(t, "N", 60)
	t.Logf("SEED=%d N=%d", seed, rounds)
	list := history(seed)
	whole, size, want := filled(t, list)
	const branch, free = 1, 16
	kind := func(page int) uint16 { return binary.NativeEndian.Uint16(whole[page*4096+8:]) }
	var inner []int
	for page := range len(whole) / 4096 {
		if kind(page) == branch || kind(page) == free {
			inner = append(inner, page)
		}
	}
	for round := range rounds {
		rng := rand.New(rand.NewPCG(seed, round))
		page := inner[rng.IntN(len(inner))]
		offset := rng.IntN(min(4096, 16+16*int(binary.NativeEndian.Uint16(whole[page*4096+10:]))))
		if rng.IntN(3) == 0 {
			page, offset = rng.IntN(len(whole)/4096), rng.IntN(16)
		}
		file := bytes.Clone(whole)
		file[page*4096+offset] ^= 1 << rng.IntN(8)
		if offset >= 16 && kind(page) == branch { // what decision 0038 says cannot be seen
			child := binary.NativeEndian.Uint64(file[page*4096+offset&^15+8:])
			if offset < 24 || slices.Contains(inner, int(child)) {
				continue
			}
		}
		cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "log"))
		if err := errors.Join(os.WriteFile(cfg.Path, file, 0o600), os.Truncate(cfg.Path, size)); err != nil {
			t.Fatal(err)
		}
		l, err := bolt.Open(cfg)
		if err != nil {
			t.Fatalf("round %d, page %d at %d: %v", round, page, offset, err)
		}
		if l.SetAside() == nil {
			got, err := tail(t, l)
			if err != nil || !equal(got, want) {
				t.Errorf("round %d, page %d at %d: %d events and %v, want %d",
					round, page, offset, len(got), err, len(want))
			}
			err = l.Append(t.Context(), entry(3001, 9000), entry(3002, 9000))
			if _, errTrim := l.Trim(t.Context(), 1500, 1000); errors.Join(err, errTrim, l.Check(t.Context())) != nil {
				t.Errorf("round %d, page %d at %d: %v, %v", round, page, offset, err, errTrim)
			}
		}
		aside := l.SetAside()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if l, err = bolt.Open(cfg); err != nil || l.SetAside() != nil {
			t.Fatalf("round %d, page %d at %d: %v; set aside first: %v, then: %v", round, page, offset, err, aside, l.SetAside())
		}
		_ = l.Close()
	}
}

// TestDamageBelowARunningLog damages single records while the log is open.
func TestDamageBelowARunningLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	stream := social.Stream{Kind: social.To, User: user(1)}
	for p := social.Position(1); p <= 20; p++ {
		data := binary.BigEndian.AppendUint64([]byte("canary--"), uint64(p))
		e := storage.Entry{Op: storage.OpAppend, Position: p, Stream: stream, Type: "x", Data: data}
		if err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []uint64{1, 9, 10} {
		after := binary.BigEndian.AppendUint64([]byte("canary-!"), p)
		overwrite(t, path, binary.BigEndian.AppendUint64([]byte("canary--"), p), after)
	}
	at := func(p social.Position) social.Cursor { return social.Cursor{Epoch: 1, Seq: p} }
	a := social.Audience{Sources: []social.Source{{Stream: stream}}}
	for _, tt := range []struct {
		after    social.Position
		events   int
		through  social.Position
		more     bool
		gapUntil social.Position
	}{{0, 0, 0, false, 1}, {1, 7, 8, true, 0}, {8, 0, 0, false, 9}, {9, 0, 0, false, 10}, {10, 10, 20, false, 0}} {
		page, err := l.Read(t.Context(), a, at(tt.after), 100)
		var gap *social.GapError
		if errors.As(err, &gap) {
			want := social.GapError{From: at(tt.after), To: at(tt.gapUntil), Reason: social.GapDamaged}
			if tt.gapUntil == 0 || *gap != want {
				t.Errorf("Read after %d gave %v", tt.after, gap)
			}
			continue
		}
		if err != nil || len(page.Events) != tt.events || page.Through != at(tt.through) || page.More != tt.more {
			t.Errorf("Read after %d gave %d events, through %s, more %v, %v",
				tt.after, len(page.Events), page.Through, page.More, err)
		}
	}
	var got []social.Position
	for from := social.Position(0); ; {
		var gap *social.GapError
		for list, err := range l.Tail(t.Context(), at(from)) {
			if errors.As(err, &gap) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				got = append(got, e.Cursor.Seq)
			}
			if got[len(got)-1] == 20 {
				break
			}
		}
		if gap == nil {
			break
		}
		if gap.Reason != social.GapDamaged || gap.To.Seq <= from {
			t.Fatal(gap)
		}
		from = gap.To.Seq
	}
	if want := []social.Position{2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}; !slices.Equal(got, want) {
		t.Errorf("Tail gave %v, want %v", got, want)
	}
	if _, _, err := l.At(t.Context(), 9); err == nil {
		t.Error("At gave a damaged record")
	}
	if err := l.Check(t.Context()); err == nil {
		t.Error("Check did not see the damage")
	}
	// A damaged record can be redacted and trimmed like any other.
	redaction := storage.Entry{Op: storage.OpRedact, Position: 21, Targets: []social.Position{9}}
	if err := l.Append(t.Context(), redaction); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Trim(t.Context(), 10, 100); n != 10 || err != nil {
		t.Fatalf("Trim gave %d, %v", n, err)
	}
	if err := errors.Join(l.Check(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	if l = open(t, path); l.SetAside() != nil || l.Head() != at(21) {
		t.Fatalf("a log whose damage was trimmed is set aside: %v", l.SetAside())
	}
}

// TestDamagedPosting changes a position in a stream below a running log, so that it points at the record of another: no
// reader is given what is not theirs.
func TestDamagedPosting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := open(t, path)
	for p := social.Position(1); p <= 40; p++ {
		if err := l.Append(t.Context(), entry(p, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil { // which flushes
		t.Fatal(err)
	}
	l = open(t, path)
	newest := binary.BigEndian.AppendUint64(nil, 35) // entry spreads seven streams: 7, 14, 21, 28, 35
	overwrite(t, path, append(newest, 0, 14, 14, 14, 14), append(newest, 0, 14, 14, 14, 12))
	a := social.Audience{Sources: []social.Source{{Stream: entry(7, 1).Stream}}}
	_, err := l.Read(t.Context(), a, l.Kept().Oldest(), 100)
	var gap *social.GapError
	if !errors.As(err, &gap) || gap.Reason != social.GapDamaged || gap.To.Seq != 8 {
		t.Errorf("Read gave %v, want a gap", err)
	}
	if err := l.Check(t.Context()); err == nil {
		t.Error("Check did not see it")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = bolt.Open(bolt.DefaultConfig(path)); err != nil || l.SetAside() == nil {
		t.Fatalf("the next start takes the file as it is: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// overwrite changes bytes of the file below the log, everywhere they stand.
func overwrite(t *testing.T, path string, before, after []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for from := 0; ; {
		i := bytes.Index(content[from:], before)
		if i < 0 && from == 0 {
			t.Fatalf("%x is not in the file", before)
		} else if i < 0 {
			return
		}
		if _, err := f.WriteAt(after, int64(from+i)); err != nil {
			t.Fatal(err)
		}
		from += i + len(before)
	}
}
