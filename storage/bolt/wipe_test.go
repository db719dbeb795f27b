package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

// canary is in what is erased, and nowhere else.
const canary = "zebracanary"

// wipe wipes to the end of a round.
func wipe(t *testing.T, l *bolt.Log) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = l.Wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// canaries counts the canary in the raw bytes of the file.
func canaries(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte(canary))
}

// loudHistory is a log with some 2,000 records of a person and others, and at the end the erasure of that person.
func loudHistory(t *testing.T, path string, seed uint64) *bolt.Log {
	t.Helper()
	l, err := bolt.Open(bolt.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	doomed, at := user(7), social.Position(0)
	for range 60 {
		var batch []storage.Entry
		for range 1 + random.IntN(80) {
			at++
			e := storage.Entry{Op: storage.OpAppend, Position: at, Type: "x", Time: 1,
				Stream: social.Stream{Kind: social.By, User: user(1 + random.IntN(5))},
				Data:   []byte(`"` + strings.Repeat("other", 1+random.IntN(60)) + `"`)}
			switch random.IntN(8) {
			case 0:
				e.Stream.User, e.Data = doomed, []byte(`"`+strings.Repeat(canary, 1+random.IntN(900))+`"`)
			case 1:
				e.About, e.Data = []social.ID{doomed}, []byte(`"`+canary+`"`)
			case 2:
				e = storage.Entry{Op: storage.OpRedact, Position: at,
					Targets: []social.Position{social.Position(random.IntN(int(at)))}}
			}
			batch = append(batch, e)
		}
		if err := l.Append(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append(t.Context(), storage.Entry{Op: storage.OpErase, Position: at + 1, Person: doomed}); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestWipe: nothing of who was erased is in the raw bytes of a log that nobody writes any more; all else is there, for
// this process and the next.
func TestWipe(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			l := loudHistory(t, path, seed)
			for n := 1; n > 0; {
				var err error
				if n, err = l.Sweep(t.Context(), 256); err != nil {
					t.Fatal(err)
				}
			}
			want, err := tail(t, l)
			if err != nil || len(want) < 500 || canaries(t, path) == 0 {
				t.Fatalf("%d events, %v; the canary is there %d times", len(want), err, canaries(t, path))
			}
			wipe(t, l)
			if n := canaries(t, path); n > 0 {
				t.Errorf("%d times it is still there", n)
			}
			same := func(when string) {
				t.Helper()
				if got, err := tail(t, l); err != nil || !equal(got, want) {
					t.Errorf("%s: %d events, want %d; %v", when, len(got), len(want), err)
				}
				if err := l.Check(t.Context()); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
			same("after the wipe")
			if err := l.Append(t.Context(), by(l.Head().Seq+1)); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l, err = bolt.Open(bolt.DefaultConfig(path)); err != nil || l.SetAside() != nil {
				t.Fatal(err, l.SetAside())
			}
			defer l.Close()
			if got, err := tail(t, l); err != nil || len(got) != len(want)+1 || !equal(got[:len(want)], want) {
				t.Errorf("opened again: %d events, %v", len(got), err)
			}
		})
	}
}

func by(at social.Position) storage.Entry {
	return storage.Entry{Op: storage.OpAppend, Position: at, Type: "x", Data: []byte(`"y"`),
		Stream: social.Stream{Kind: social.By, User: user(1)}}
}

// TestWipeAmongOthers: appends, reads and trims go on between the steps of a round, and a new file is wiped anew.
func TestWipeAmongOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := loudHistory(t, path, 9)
	at := l.Head().Seq
	for i := range 60 {
		if _, err := l.Wipe(t.Context()); err != nil {
			t.Fatal(err)
		}
		at++
		if err := l.Append(t.Context(), entry(at, 100*(i%7))); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Trim(t.Context(), social.Position(i*20), 64); err != nil {
			t.Fatal(err)
		}
		if _, err := tail(t, l); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
	wipe(t, l)
	wipe(t, l) // the round under way has begun before
	if more, err := l.Wipe(t.Context()); more || err != nil {
		t.Errorf("with nothing written since: %v, %v", more, err)
	}
	if err := l.Reset(t.Context(), social.Epochs{{Number: 2}}, 0); err != nil {
		t.Fatal(err)
	}
	wipe(t, l)
	if err := l.Append(t.Context(), entry(1, 10)); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Wipe(t.Context()); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a closed log: %v", err)
	}
}
