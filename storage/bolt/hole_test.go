package bolt

import (
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// TestHoleInAFlushCutOff: of a flush that was cut off a stream may have the first postings, and never later ones
// without them: the next flush goes on behind the last, and readers would never be shown what is missing before it.
func TestHoleInAFlushCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openSmall(t, path, 1000, nil)
	for p := social.Position(1); p <= 10; p++ {
		if give(t, l, by(p, 1)); p == 5 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openSmall(t, path, 1000, nil)
		}
	}
	for _, tt := range []struct {
		name      string
		positions []social.Position
		sound     bool
	}{
		{"the first", upTo(8)[5:], true},
		{"all but the first", upTo(10)[6:], false},
		{"all but one", []social.Position{6, 8, 9}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			err := l.view(t.Context(), func(tx *bbolt.Tx) error { return tx.CopyFile(path, 0o600) })
			if err != nil {
				t.Fatal(err)
			}
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error {
				w := &writer{tx: tx}
				var list []posting
				for _, p := range tt.positions {
					list = append(list, postingOf(p, 0))
				}
				return w.index(by(1, 1).Stream, list)
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			l, err := Open(DefaultConfig(path))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			if taken := l.SetAside() == nil; taken != tt.sound {
				got, err := readAll(l, 2)
				t.Errorf("the file is taken: %v; a reader sees %v, %v", taken, got, err)
			}
		})
	}
}
