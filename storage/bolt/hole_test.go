package bolt

import (
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/belfry-social/belfry/modules/social"
)

// TestHoleInARoundCutOff: of a round that was cut off a stream may have the first places, and never later ones without
// them: the next round goes on behind the last, and readers would never be shown what is missing before it.
func TestHoleInARoundCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openRounds(t, path, 1000, nil)
	for p := social.Position(1); p <= 10; p++ {
		if give(t, l, by(p, 1)); p == 5 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openRounds(t, path, 1000, nil)
		}
	}
	for _, tt := range []struct {
		name   string
		places []social.Position
		sound  bool
	}{{"the first", upTo(8)[5:], true}, {"all but the first", upTo(10)[6:], false}, {"all but one", []social.Position{6, 8, 9}, false}} {
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
				w := &writer{tx: tx, meta: tx.Bucket(bucketMeta), scratch: &scratch{}}
				var err error
				if w.state, err = stateIn(tx); err != nil {
					return err
				}
				var places []place
				for _, p := range tt.places {
					places = append(places, placeOf(p, 0))
				}
				w.state.tx = uint64(tx.ID())
				return errors.Join(w.move(by(1, 1).Stream, places), w.meta.Put(keyState, w.encode()))
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			l, err := Open(DefaultConfig(path))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			if taken := errors.Join(l.SetAside(), l.SteppedBack()) == nil; taken != tt.sound {
				got, err := readAll(l, 2)
				t.Errorf("the file is taken: %v; a reader sees %v, %v", taken, got, err)
			}
		})
	}
}
