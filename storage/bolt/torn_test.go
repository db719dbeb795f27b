package bolt_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

// TestTornCommit cuts the power during commits of all kinds (P2). A cut before the first sync leaves any of the pages
// of the commit on disk, in pieces of a sector, and the meta page as it was; a cut before the second leaves all of
// them, and any sector of the meta page. What Open finds then is the log before the commit or the log behind it,
// whole.
func TestTornCommit(t *testing.T) {
	seed, rounds := number(t, "SEED", 1), number(t, "N", 40)
	t.Logf("SEED=%d N=%d", seed, rounds)
	path := filepath.Join(t.TempDir(), "log")
	cfg := bolt.DefaultConfig(path)
	cfg.Memtable = 64
	var before []byte
	var head social.Position
	var l *bolt.Log
	type commit struct {
		head          social.Position // durable before it
		before, after []byte
	}
	var commits []commit
	rng := rand.New(rand.NewPCG(seed, 2))
	cfg.Failpoint = func(p bolt.Failpoint) error {
		switch {
		case p == bolt.BeforeCommit && rng.IntN(3) == 0:
			if before = pagesOf(t, path); l != nil {
				head = l.Head().Seq
			}
		case p == bolt.AfterCommit && before != nil:
			commits, before = append(commits, commit{head, before, pagesOf(t, path)}), nil
		}
		return nil
	}
	l, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	list := history(seed)[:900]
	if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{10, 1} { // one by one at last: such commits take turns with two sets of pages
		part := list[:840]
		if size == 1 {
			part = list[840:]
		}
		for part := range slices.Chunk(part, size) {
			if err := l.Append(t.Context(), part...); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []func() (int, error){
		func() (int, error) { return l.Sweep(t.Context(), 50) },
		func() (int, error) { return l.Trim(t.Context(), 200, 150) },
		func() (int, error) { return 0, l.Close() },
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	rng.Shuffle(len(commits), func(i, j int) { commits[i], commits[j] = commits[j], commits[i] })
	commits = commits[:min(len(commits), int(rounds))]
	want := expected(t, list)
	cfg.Failpoint = nil
	back := 0
	for i, c := range commits {
		torn := bytes.Clone(c.after)
		copy(torn, c.before)
		clear(torn[min(len(c.before), len(torn)):])
		second := i%2 == 1
		for at := 0; at < len(torn); at += 512 {
			meta := at < 2*4096
			if meta == second && rng.IntN(2) > 0 || !meta && second {
				copy(torn[at:], c.after[at:at+512])
			}
		}
		cfg.Path = filepath.Join(t.TempDir(), "log")
		if err := errors.Join(os.WriteFile(cfg.Path, torn, 0o600), os.Truncate(cfg.Path, 32<<20)); err != nil {
			t.Fatal(err)
		}
		l, err := bolt.Open(cfg)
		if err != nil || l.SetAside() != nil {
			t.Fatalf("commit %d: %v, set aside: %v", i, err, l.SetAside())
		}
		if l.Head().Seq == c.head {
			back++
		}
		if l.Head().Seq < c.head {
			t.Errorf("commit %d: head is %s, and %d was durable before", i, l.Head(), c.head)
		}
		if l.Head().Epoch == 0 {
			if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Append(t.Context(), list...); err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		got, err := tail(t, l)
		if floor := l.Kept().Oldest().Seq; err != nil || !equal(got, above(want, floor)) {
			t.Errorf("commit %d: %d events above %d and %v, want %d", i, len(got), floor, err, len(above(want, floor)))
		}
		if err := errors.Join(l.Check(t.Context()), l.Close()); err != nil {
			t.Errorf("commit %d: %v", i, err)
		}
	}
	if t.Logf("%d of %d were undone", back, len(commits)); back < len(commits)/2 {
		t.Errorf("only %d of %d commits were torn", back, len(commits))
	}
}

// pagesOf reads the front of a file, where this test has all its pages.
func pagesOf(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	content := make([]byte, 2<<20)
	n, err := f.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	return content[:n&^4095]
}

// expected is what readers see of entries when nothing goes wrong.
func expected(t *testing.T, list []storage.Entry) []social.Event {
	t.Helper()
	l := open(t, filepath.Join(t.TempDir(), "log"))
	if err := l.Append(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
	want, err := tail(t, l)
	if err = errors.Join(err, l.Close()); err != nil || len(want) < 200 {
		t.Fatal(len(want), err)
	}
	return want
}

func above(events []social.Event, floor social.Position) []social.Event {
	i := slices.IndexFunc(events, func(e social.Event) bool { return e.Cursor.Seq > floor })
	if i < 0 {
		return nil
	}
	return events[i:]
}
