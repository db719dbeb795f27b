package bolt

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// layoutOneFile writes a file as layout 1 had it: positions 11..n of three people, the floor at 10, one record
// redacted, one person erased.
func layoutOneFile(t *testing.T, path string, n social.Position, people uint32) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		erased, err := meta.CreateBucket(bucketErased)
		if err == nil {
			err = erased.Put(make([]byte, 16), encodeErasure(social.ID{}, 15))
		}
		journal, errJournal := tx.CreateBucket(bucketJournal)
		streams, errStreams := tx.CreateBucket(bucketStreams)
		if err := errors.Join(err, errJournal, errStreams); err != nil {
			return err
		}
		for p := social.Position(11); p <= n; p++ {
			e := by(p, byte(p%3))
			if p == 20 {
				e.Data = nil
			}
			r, name := recordOf(&e, nil), e.Stream.Bytes()
			b, err := streams.CreateBucketIfNotExists(name[:])
			if err == nil {
				err = errors.Join(journal.Put(keyOf(p), r.appendTo(nil, keyOf(p))), b.Put(keyOf(p), []byte{r.flags}))
			}
			if err != nil {
				return err
			}
		}
		s := binary.BigEndian.AppendUint32(nil, 1)
		s = binary.BigEndian.AppendUint32(s, 7)
		for _, p := range []social.Position{n, 10, 0} {
			s = binary.BigEndian.AppendUint64(s, uint64(p))
		}
		s = binary.BigEndian.AppendUint32(s, people)
		return meta.Put(keyState, binary.BigEndian.AppendUint32(s, checksum(s)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestLayoutOne: a file of the layout before is used as it is, and grows on.
func TestLayoutOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	layoutOneFile(t, path, 100, 1)
	want := upTo(240)[10:]
	want = slices.DeleteFunc(want, func(p social.Position) bool { return p == 20 || (p <= 15 && p%3 == 0) })
	for p := social.Position(100); p <= 240; p += 20 {
		l := openRounds(t, path, 16, nil)
		if l.Head() != (social.Cursor{Epoch: 7, Seq: p}) || l.Oldest().Seq != 10 {
			t.Fatalf("head %s, oldest %s", l.Head(), l.Oldest())
		}
		if n := InMemory(l); n != 0 {
			t.Fatalf("%d places are in memory at start", n)
		}
		got, err := readAll(l, 3)
		if end, _ := slices.BinarySearch(want, p+1); err != nil || !slices.Equal(got, want[:end]) {
			t.Fatalf("with the head at %d a reader sees %v, %v", p, got, err)
		}
		if err := l.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		for q := p + 1; q <= p+20; q++ {
			give(t, l, by(q, byte(q%3)))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := openRounds(t, path, 16, nil)
	for dropped := 1; dropped > 0; {
		var err error
		if dropped, err = l.Trim(t.Context(), 260, 50); err != nil {
			t.Fatal(err)
		}
	}
	if all, _ := indexedIn(t, l); len(all) != 0 || len(l.now.Load().erased) != 0 {
		t.Errorf("all is trimmed, and the buckets keep %v; %d people are marked", all, len(l.now.Load().erased))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	openRounds(t, path, 16, nil)
}

// TestLayoutOneDamaged: a file that has lost one of those who were erased is not taken; its one commit is undone.
func TestLayoutOneDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	layoutOneFile(t, path, 30, 2)
	l, err := Open(DefaultConfig(path))
	if err != nil || l.Head().Epoch != 0 {
		t.Fatal(err, "the file was taken")
	}
	_ = l.Close()
}
