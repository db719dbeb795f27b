package bolt

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func openInside(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if l.Head().Epoch == 0 {
		if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func give(t *testing.T, l *Log, entries ...storage.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

func by(p social.Position, who byte) storage.Entry {
	s := social.Stream{Kind: social.By, User: social.ID{who}}
	return storage.Entry{Op: storage.OpAppend, Position: p, Stream: s, Type: "x", Data: []byte(`"x"`)}
}

func erasing(p social.Position, who byte) storage.Entry {
	return storage.Entry{Op: storage.OpErase, Position: p, Person: social.ID{who}}
}

// emptyAt reports whether the record itself has no payload any more, whoever may see it.
func emptyAt(t *testing.T, l *Log, p social.Position) bool {
	t.Helper()
	empty := false
	err := l.view(t.Context(), func(tx *bbolt.Tx) error {
		r, err := decode(keyOf(p), recordsIn(tx).get(keyOf(p)))
		empty = len(r.data) == 0
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return empty
}

// TestSweepBesideAnErase: an erasure that comes between two pages of a sweep is swept as well.
func TestSweepBesideAnErase(t *testing.T) {
	l := openInside(t, filepath.Join(t.TempDir(), "log"))
	give(t, l, by(1, 7), by(2, 8), by(3, 9), by(4, 7), erasing(5, 7))
	if n, err := l.Sweep(t.Context(), 1); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	give(t, l, erasing(6, 8))
	for n := 1; n > 0; {
		var err error
		if n, err = l.Sweep(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	for p, want := range map[social.Position]bool{1: true, 2: true, 3: false, 4: true} {
		if emptyAt(t, l, p) != want {
			t.Errorf("%d is empty: %v, want %v", p, !want, want)
		}
	}
}

// TestTrimForgets: nothing is kept for ever of those who were erased, or of streams that are empty.
func TestTrimForgets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openInside(t, path)
	for p := social.Position(1); p <= 400; p += 2 {
		give(t, l, by(p, byte(p/2)+1), erasing(p+1, byte(p/2)+1))
	}
	if err := l.Close(); err != nil { // which fills the buckets of the streams
		t.Fatal(err)
	}
	l = openInside(t, path)
	if _, err := l.Trim(t.Context(), 300, 1000); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		streams := 0
		err := l.view(t.Context(), func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketStreams).ForEachBucket(func([]byte) error { streams++; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(l.now.Load().erased); n != 50 || streams != 50 {
			t.Errorf("%d people and %d streams are kept, want 50 and 50", n, streams)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openInside(t, path)
	}
	if l.SetAside() != nil {
		t.Error(l.SetAside())
	}
}

// TestLostErasure: a damaged page header that hides one of those who were erased is seen.
func TestLostErasure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openInside(t, path)
	give(t, l, by(1, 7), erasing(2, 7), erasing(3, 8), erasing(4, 9))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// An inline bucket: page 0, a leaf, three elements, the first of which has a key of 16 bytes and a value of 12.
	found := 0
	for at := 0; at+32 < len(content); at++ {
		b := content[at:]
		if binary.NativeEndian.Uint64(b) == 0 && binary.NativeEndian.Uint16(b[8:]) == 2 &&
			binary.NativeEndian.Uint16(b[10:]) == 3 &&
			binary.NativeEndian.Uint32(b[24:]) == 16 && binary.NativeEndian.Uint32(b[28:]) == 12 {
			binary.NativeEndian.PutUint16(b[10:], 2)
			found++
		}
	}
	if err := os.WriteFile(path, content, 0o600); err != nil || found == 0 {
		t.Fatal(found, err)
	}
	if l = openInside(t, path); l.SetAside() == nil {
		t.Error("the file was taken, and somebody who was erased is back")
	}
}
