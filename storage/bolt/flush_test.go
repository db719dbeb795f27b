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

func openSmall(t *testing.T, path string, memtable int, failpoint func(Failpoint) error) *Log {
	t.Helper()
	cfg := DefaultConfig(path)
	cfg.Memtable, cfg.Failpoint = memtable, failpoint
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.SetAside(); err != nil {
		t.Fatal(err)
	}
	if l.Head().Epoch == 0 {
		if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
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
		mark = s.flushed
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
	at := l.Kept().Oldest()
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

// TestFlushes: memory is bounded, the flushed mark moves when a flush is through and not before, and readers see
// everything once at each moment of it.
func TestFlushes(t *testing.T) {
	const memtable, people = 40, 9
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), memtable, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	var marks []social.Position
	cut := 0
	for p := social.Position(1); p <= 400; p++ {
		give(t, l, by(p, byte(rng.IntN(people))))
		if n := InMemory(l); n > 2*memtable {
			t.Fatalf("%d postings in memory at %d, bound %d", n, p, 2*memtable)
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
		t.Fatalf("marks were %v, and %d times a flush was under way: this test saw too little", marks, cut)
	}
}

// TestCloseFlushes: at rest each stream is whole in its bucket, in blocks that are not small.
func TestCloseFlushes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openSmall(t, path, 100, nil)
	for p := social.Position(1); p <= 250; p++ {
		give(t, l, by(p, byte(p%3)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openSmall(t, path, 100, nil)
	all, mark := indexedIn(t, l)
	if !slices.Equal(all, upTo(250)) || mark != 250 || InMemory(l) != 0 {
		t.Fatalf("the buckets hold %v up to %d, and memory %d postings", all, mark, InMemory(l))
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

// TestDamageInAFlushCutOff: a block that a flush wrote before it was cut off is checked like any other, since the flush
// that comes goes by it.
func TestDamageInAFlushCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openSmall(t, path, 40, nil)
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
	if l, err = Open(DefaultConfig(path)); err != nil || l.SetAside() == nil {
		t.Fatalf("the file is taken as it is: %v", err)
	}
	_ = l.Close()
}

// TestTrimmedStaysAway: what was trimmed before its posting was flushed leaves nothing in the buckets.
func TestTrimmedStaysAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openSmall(t, path, 100, nil)
	for p := social.Position(1); p <= 50; p++ {
		give(t, l, by(p, byte(p)))
	}
	if n, err := l.Trim(t.Context(), 40, 100); n != 40 || err != nil {
		t.Fatal(n, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if all, _ := indexedIn(t, openSmall(t, path, 100, nil)); !slices.Equal(all, upTo(50)[40:]) {
		t.Fatalf("the buckets hold %v, want the ten that are kept", all)
	}
}

// TestCommitsAreSynced: bbolt syncs the pages and then the meta page of each commit, and writes the list of free pages,
// unless it is told not to.
func TestCommitsAreSynced(t *testing.T) {
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), 100, nil)
	if l.db.NoSync || l.db.NoFreelistSync || l.db.NoGrowSync {
		t.Error("bbolt is told to leave something out")
	}
}

// TestReadBetween: what is flushed between a reader's look into memory and its transaction is seen once.
func TestReadBetween(t *testing.T) {
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), 64, nil)
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
	page, err := l.Read(ctx, a, l.Kept().Oldest(), 256)
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

// TestReadersBesideFlushes reads while each commit is flushed.
func TestReadersBesideFlushes(t *testing.T) {
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), 1, nil)
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

// TestFlushesThatFail: while flushes fail and appends do not, memory stays bounded, and those who append are told. It
// heals.
func TestFlushesThatFail(t *testing.T) {
	const memtable = 30
	full := true
	l := openSmall(t, filepath.Join(t.TempDir(), "log"), memtable, func(p Failpoint) error {
		if p == BeforeFlush && full {
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
	if p < memtable || InMemory(l) > 2*memtable || l.Head().Seq != p || l.Healthy() == nil {
		t.Fatalf("refused behind %d with %d postings in memory; healthy: %v", p, InMemory(l), l.Healthy())
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

// TestPostingsOfAllKinds: dense and sparse, internal and not, in large and small flushes, each posting comes out as
// it went in, from any position on.
func TestPostingsOfAllKinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for try := range 300 {
		var all []posting
		at := social.Position(rng.Uint64N(1 << rng.IntN(62)))
		for range 1 + rng.IntN(300) {
			at += 1 + social.Position(rng.Uint64N(1<<rng.IntN(40)))
			all = append(all, postingOf(at, byte(rng.IntN(2))))
		}
		var key, value []byte
		for rest := all; len(rest) > 0; {
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
			from := all[rng.IntN(len(all))].position() + social.Position(rng.IntN(3)) - 1
			got, err := decodeBlock([]posting{7}, key, value, from)
			if want := above(all, from); err != nil || got[0] != 7 || !slices.Equal(got[1:], want) {
				t.Fatal(fmt.Errorf("try %d: from %d: %v, %w, want %v", try, from, got, err, want))
			}
		}
	}
}

// FuzzBlock: whatever stands in the bucket of a stream gives an error or postings that rise up to the key.
func FuzzBlock(f *testing.F) {
	f.Add(keyOf(9), []byte{0, 4, 7}, uint64(3))
	f.Add(keyOf(9), []byte{2}, uint64(0))
	f.Add(keyOf(1<<62), appendBlock(nil, []posting{2, 5, 1 << 63}, 0, nil), uint64(0))
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
