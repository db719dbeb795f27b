package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func openRounds(t *testing.T, path string, round int, failpoint func(Failpoint) error) *Log {
	t.Helper()
	cfg := DefaultConfig(path)
	cfg.Round, cfg.Failpoint = round, failpoint
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := errors.Join(l.SetAside(), l.SteppedBack()); err != nil {
		t.Fatal(err)
	}
	if l.Head().Epoch == 0 {
		if err := l.Reset(t.Context(), 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// indexedIn lists what the buckets of the streams hold, and the mark below which they hold everything.
func indexedIn(t *testing.T, l *Log) (all []social.Position, mark social.Position) {
	t.Helper()
	err := l.view(t.Context(), func(tx *bbolt.Tx) error {
		s, err := stateIn(tx)
		if err != nil {
			return err
		}
		mark = s.indexed
		return tx.Bucket(bucketStreams).ForEachBucket(func(name []byte) error {
			return tx.Bucket(bucketStreams).Bucket(name).ForEach(func(k, v []byte) error {
				list, err := decodeBlock(nil, k, v, 0)
				for _, p := range list {
					all = append(all, p.position())
				}
				return err
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all, mark
}

// readAll follows one reader of the first n people to the head.
func readAll(l *Log, n byte) (list []social.Position, err error) {
	var a social.Audience
	for who := range n {
		a.Sources = append(a.Sources, social.Source{Stream: social.Stream{Kind: social.By, User: social.ID{who}}})
	}
	at := l.Oldest()
	for more := true; more; {
		page, err := l.Read(context.Background(), a, at, 256)
		if err != nil {
			return list, err
		}
		for _, e := range page.Events {
			list = append(list, e.Cursor.Seq)
		}
		at, more = page.Through, page.More
	}
	return list, nil
}

func upTo(head social.Position) (list []social.Position) {
	for p := social.Position(1); p <= head; p++ {
		list = append(list, p)
	}
	return list
}

// TestRounds: memory is bounded, the mark of the places moves when a round is through and not before, and readers see
// everything once at each moment of it.
func TestRounds(t *testing.T) {
	const round, people = 40, 9
	l := openRounds(t, filepath.Join(t.TempDir(), "log"), round, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	var marks []social.Position
	cut := 0
	for p := social.Position(1); p <= 400; p++ {
		give(t, l, by(p, byte(rng.IntN(people))))
		if n := InMemory(l); n > 2*round {
			t.Fatalf("%d places in memory at %d, bound %d", n, p, 2*round)
		}
		all, mark := indexedIn(t, l)
		if len(marks) == 0 || mark != marks[len(marks)-1] {
			marks = append(marks, mark)
		}
		if below := upTo(mark); !slices.Equal(all[:len(below)], below) {
			t.Fatalf("at %d the buckets hold %v, and not all up to %d", p, all, mark)
		} else if len(all) > len(below) {
			cut++
		}
		if got, err := readAll(l, people); err != nil || !slices.Equal(got, upTo(p)) {
			t.Fatalf("at %d a reader sees %v, %v", p, got, err)
		}
	}
	if len(marks) < 5 || cut < 50 {
		t.Fatalf("marks were %v, and %d times a round was under way: this test saw too little", marks, cut)
	}
}

// TestCloseMoves: at rest each stream is whole in its bucket, in blocks that are not small.
func TestCloseMoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openRounds(t, path, 100, nil)
	for p := social.Position(1); p <= 250; p++ {
		give(t, l, by(p, byte(p%3)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openRounds(t, path, 100, nil)
	all, mark := indexedIn(t, l)
	if !slices.Equal(all, upTo(250)) || mark != 250 || InMemory(l) != 0 {
		t.Fatalf("the buckets hold %v up to %d, and memory %d places", all, mark, InMemory(l))
	}
	blocks := 0
	err := l.view(t.Context(), func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketStreams).ForEachBucket(func(name []byte) error {
			blocks += tx.Bucket(bucketStreams).Bucket(name).Stats().KeyN
			return nil
		})
	})
	if err != nil || blocks != 3 {
		t.Fatalf("three streams have %d blocks, %v; want one each", blocks, err)
	}
}

// TestDamageInARoundCutOff: a block that a round wrote before it was cut off is checked like any other, since the round
// that comes goes by it.
func TestDamageInARoundCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openRounds(t, path, 40, nil)
	for p, cut := social.Position(1), false; !cut; p++ {
		give(t, l, by(p, byte(p%9)))
		all, mark := indexedIn(t, l)
		cut = len(all) > int(mark)+10
	}
	var before []byte // the last block of the first stream: it is moved first
	err := l.view(t.Context(), func(tx *bbolt.Tx) error {
		name, _ := tx.Bucket(bucketStreams).Cursor().First()
		k, v := tx.Bucket(bucketStreams).Bucket(name).Cursor().Last()
		before = append(bytes.Clone(k), v...)
		return nil
	})
	content, errRead := os.ReadFile(path)
	if err := errors.Join(err, errRead, l.Close()); err != nil {
		t.Fatal(err)
	}
	after := bytes.Clone(before)
	after[keyLen-1]++
	if !bytes.Contains(content, before) {
		t.Fatal("the block is not in the file")
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(content, before, after), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(DefaultConfig(path)); err != nil || errors.Join(l.SetAside(), l.SteppedBack()) == nil {
		t.Fatalf("the file is taken as it is: %v", err)
	}
	_ = l.Close()
}

// TestTrimmedStaysAway: what was trimmed before its place was moved leaves nothing in the buckets.
func TestTrimmedStaysAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openRounds(t, path, 100, nil)
	for p := social.Position(1); p <= 50; p++ {
		give(t, l, by(p, byte(p)))
	}
	if n, err := l.Trim(t.Context(), 40, 100); n != 40 || err != nil {
		t.Fatal(n, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if all, _ := indexedIn(t, openRounds(t, path, 100, nil)); !slices.Equal(all, upTo(50)[40:]) {
		t.Fatalf("the buckets hold %v, want the ten that are kept", all)
	}
}

// TestSyncIsAsked: a commit that cannot be synced is not answered, and ends the log.
func TestSyncIsAsked(t *testing.T) {
	var l *Log
	l = openRounds(t, filepath.Join(t.TempDir(), "log"), 100, func(p Failpoint) error {
		if p == BeforeSync && l != nil {
			return l.ahead.file.Close()
		}
		return nil
	})
	if err := l.Append(t.Context(), by(1, 1)); !errors.Is(err, storage.ErrFailed) || l.Head().Seq != 0 || l.Healthy() == nil {
		t.Fatalf("Append gave %v; head %s", err, l.Head())
	}
}

// TestReadBetween: what is moved between a reader's look into memory and its transaction is seen once.
func TestReadBetween(t *testing.T) {
	l := openRounds(t, filepath.Join(t.TempDir(), "log"), 64, nil)
	for p := social.Position(1); p <= 40; p++ {
		give(t, l, by(p, byte(p%4)))
	}
	var a social.Audience
	for who := range byte(4) {
		a.Sources = append(a.Sources, social.Source{Stream: social.Stream{Kind: social.By, User: social.ID{who}}})
	}
	moved := false
	ctx := between{Context: t.Context(), do: func() {
		for p := social.Position(41); p <= 140 && !moved; p++ {
			give(t, l, by(p, byte(p%4)))
			_, mark := indexedIn(t, l)
			moved = mark >= 40
		}
	}}
	page, err := l.Read(ctx, a, l.Oldest(), 256)
	var got []social.Position
	for _, e := range page.Events {
		got = append(got, e.Cursor.Seq)
	}
	if err != nil || !moved || !slices.Equal(got, upTo(40)) {
		t.Fatalf("Read gave %v, %v; moved meanwhile: %v", got, err, moved)
	}
}

// between does something at the moment when Read has looked into memory and has no transaction yet: there it asks
// whether its context has ended.
type between struct {
	context.Context
	do func()
}

func (b between) Err() error {
	b.do()
	return b.Context.Err()
}

// TestReadersBesideRounds reads with each commit a round of its own.
func TestReadersBesideRounds(t *testing.T) {
	l := openRounds(t, filepath.Join(t.TempDir(), "log"), 1, nil)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				head := l.Head().Seq
				got, err := readAll(l, 3)
				if err != nil || len(got) < int(head) || !slices.Equal(got, upTo(social.Position(len(got)))) {
					t.Errorf("with the head at %d a reader sees %d, %v", head, len(got), err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for p := social.Position(1); p <= 600; p++ {
		give(t, l, by(p, byte(p%3)))
	}
	close(done)
	readers.Wait()
}

// TestRoundsThatFail: while rounds fail and appends do not, memory stays bounded, and those who append are told. It
// heals.
func TestRoundsThatFail(t *testing.T) {
	const round = 30
	full := true
	l := openRounds(t, filepath.Join(t.TempDir(), "log"), round, func(p Failpoint) error {
		if p == BeforeMove && full {
			return &fs.PathError{Op: "write", Path: "log", Err: syscall.ENOSPC}
		}
		return nil
	})
	p := social.Position(0)
	for p < 1000 {
		if err := l.Append(t.Context(), by(p+1, byte(p%5))); errors.Is(err, storage.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p++
	}
	if p < round || InMemory(l) > 2*round || l.Head().Seq != p || l.Healthy() == nil {
		t.Fatalf("refused behind %d with %d places in memory; healthy: %v", p, InMemory(l), l.Healthy())
	}
	if got, err := readAll(l, 5); err != nil || !slices.Equal(got, upTo(p)) {
		t.Fatalf("a reader sees %v, %v", got, err)
	}
	full = false
	give(t, l, by(p+1, 0))
	if got, err := readAll(l, 5); err != nil || !slices.Equal(got, upTo(p+1)) || l.Healthy() != nil {
		t.Fatalf("a reader sees %v, %v; healthy: %v", got, err, l.Healthy())
	}
}

// TestPlacesOfAllKinds: dense and sparse, internal and not, in large and small rounds, each place comes out as it went
// in, from any position on.
func TestPlacesOfAllKinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for try := range 300 {
		var places []place
		at := social.Position(rng.Uint64N(1 << rng.IntN(62)))
		for range 1 + rng.IntN(300) {
			at += 1 + social.Position(rng.Uint64N(1<<rng.IntN(40)))
			places = append(places, placeOf(at, byte(rng.IntN(2))))
		}
		var key, value []byte
		for rest := places; len(rest) > 0; {
			part := rest[:1+rng.IntN(len(rest))]
			rest = rest[len(part):]
			if key == nil {
				value = appendBlock(nil, part, 0, nil)
			} else {
				value = appendBlock(nil, part, positionOf(key), value)
			}
			key = keyOf(part[len(part)-1].position())
		}
		for range 20 {
			from := places[rng.IntN(len(places))].position() + social.Position(rng.IntN(3)) - 1
			got, err := decodeBlock([]place{7}, key, value, from)
			if want := above(places, from); err != nil || got[0] != 7 || !slices.Equal(got[1:], want) {
				t.Fatal(fmt.Errorf("try %d: from %d: %v, %w, want %v", try, from, got, err, want))
			}
		}
	}
}

// FuzzBlock: whatever stands in the bucket of a stream gives an error or places that rise up to the key.
func FuzzBlock(f *testing.F) {
	f.Add(keyOf(9), []byte{0, 4, 7}, uint64(3))
	f.Add(keyOf(9), []byte{2}, uint64(0))
	f.Add(keyOf(1<<62), appendBlock(nil, []place{2, 5, 1 << 63}, 0, nil), uint64(0))
	f.Fuzz(func(t *testing.T, key, value []byte, from uint64) {
		list, err := decodeBlock(nil, key, value, social.Position(from))
		if err != nil {
			return
		}
		last := social.Position(0)
		for _, p := range list {
			if p.position() <= last || p.position() < social.Position(from) {
				t.Fatalf("%x at %x from %d gives %v", value, key, from, list)
			}
			last = p.position()
		}
		if len(list) > 0 && last != positionOf(key) {
			t.Fatalf("%x at %x ends with %d", value, key, last)
		}
	})
}
