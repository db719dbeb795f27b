package outbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

func (s *site) removeLog() {
	s.Helper()
	if err := os.Remove(s.logPath()); err != nil {
		s.Fatal(err)
	}
}

// trimAll runs the job to its end.
func (s *site) trimAll(job social.Job) {
	s.Helper()
	for more := true; more; {
		var err error
		if more, err = job.Run(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
}

// TestReconcile: a log goes on if its head is a position of the store's history, and is filled again otherwise (I27).
func TestReconcile(t *testing.T) {
	for name, tt := range map[string]struct {
		between func(s *site) // while the program is not running
		rebuild bool          // which the operator is told, since there was a log
		want    []string
	}{
		"nothing happened": {func(*site) {}, false, []string{"a", "b", "c"}},
		"the log is gone":  {(*site).removeLog, true, []string{"a", "b", "c"}},
		"the log is damaged": {func(s *site) {
			content, err := os.ReadFile(s.logPath())
			if err == nil {
				err = os.WriteFile(s.logPath(), bytes.ReplaceAll(content, []byte(`"b"`), []byte(`"x"`)), 0o600)
			}
			if err != nil {
				s.Fatal(err)
			}
		}, true, []string{"a", "b", "c"}},
		"the log is behind": {func(s *site) { s.add(s.post(1, "d")) }, false, []string{"a", "b", "c", "d"}},
		"the log is gone and was behind": {func(s *site) { s.removeLog(); s.add(s.post(1, "d")) }, true,
			[]string{"a", "b", "c", "d"}},
		"the log is ahead": {func(s *site) { s.exec(`DELETE FROM outbox WHERE id = 3`) }, true, []string{"a", "b"}},
		"the log is of another site": {func(s *site) { s.exec(`UPDATE epochs SET epoch = 77 WHERE n = 2`) }, true,
			[]string{"a", "b", "c"}},
		"announcements are gone that the log never saw": {func(s *site) {
			s.add(s.post(1, "d"), s.post(1, "e"))
			s.exec(`DELETE FROM outbox WHERE id <= 4`)
			s.exec(`UPDATE log_state SET floor = 4`)
		}, true, []string{"e"}},
		"the store was trimmed further": {func(s *site) {
			s.exec(`DELETE FROM outbox WHERE id <= 2`)
			s.exec(`UPDATE log_state SET floor = 2`)
		}, false, []string{"c"}},
		"the store is trimmed to its end": {func(s *site) {
			s.exec(`DELETE FROM outbox`)
			s.exec(`UPDATE log_state SET floor = 3`)
		}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if r := s.reconcile(); r.Lost || !r.Rebuild || !r.Log.IsZero() {
				t.Fatalf("the first start gave %s", r)
			}
			s.add(s.post(1, "a"), s.post(2, "b"), s.post(1, "c"))
			if err := s.relay.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r := s.restart(func() { tt.between(s) }); r.Lost != tt.rebuild || r.Rebuild != tt.rebuild {
				t.Errorf("%s (lost %v, rebuild %v, want %v)", r, r.Lost, r.Rebuild, tt.rebuild)
			}
			if got := s.texts(); !slices.Equal(got, tt.want) {
				t.Errorf("the log shows %q, want %q", got, tt.want)
			}
			if again := s.restart(nil); again.Lost || again.Rebuild || again.Log != again.Store.Newest() {
				t.Errorf("the next start gave %s", again)
			}
		})
	}
}

// TestReconcileCutOff: a crash before the new log is durable is made good by the next start.
func TestReconcileCutOff(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	s.add(s.post(1, "a"))
	if err := s.relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.log.Head()
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
	s.removeLog()
	s.open()
	fault := errors.New("crash")
	s.fault.Store(&fault)
	if _, err := outbox.Reconcile(t.Context(), s.db, s.log); err == nil {
		t.Fatal("the log was reset despite its fault")
	}
	s.fault.Store(nil)
	if r := s.restart(nil); !r.Rebuild || s.log.Head() != before {
		t.Fatalf("%s; the head is %s and was %s", r, s.log.Head(), before)
	}
}

// TestRebuild drops the log and gets the same ids and bytes again (P28), redactions and erasures included.
func TestRebuild(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	rng := rand.New(rand.NewPCG(1, 1))
	var erased []social.ID
	for n := 0; n < 5000; n += 50 {
		s.inTx(func(tx storage.Tx) error {
			var err error
			for i := range 50 {
				a := s.post(byte(rng.IntN(40)), fmt.Sprintf("%d %d", n, i))
				a.Object, a.Internal = social.ID{8, 14: byte(n % 100), 15: byte(i)}, i%20 == 0
				a.About = append(a.About, person(byte(rng.IntN(40))))
				_, e := outbox.Add(t.Context(), tx, a)
				err = errors.Join(err, e)
			}
			err = errors.Join(err, outbox.Redact(t.Context(), tx, 1, outbox.Match{Object: social.ID{8, 14: byte(rng.IntN(100)),
				15: byte(rng.IntN(50))}}))
			if n%1000 == 0 {
				erased = append(erased, person(byte(rng.IntN(40))))
				err = errors.Join(err, outbox.Erase(t.Context(), tx, 1, erased[len(erased)-1]))
			}
			return err
		})
		if n%700 == 0 {
			if err := s.relay.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := s.events()
	if len(want) < 2000 {
		t.Fatalf("only %d events are left to compare", len(want))
	}
	compare := func(how string) {
		t.Helper()
		got := s.events()
		for i := range want {
			if i >= len(got) || got[i].Cursor != want[i].Cursor || !bytes.Equal(got[i].AppendJSON(nil),
				want[i].AppendJSON(nil)) {
				t.Fatalf("%s: event %d of %d differs: want %+v", how, i, len(got), want[i])
			}
		}
		if err := s.log.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.restart(s.removeLog)
	compare("the file was removed")
	if n, err := outbox.Rebuild(t.Context(), s.db, s.log); err != nil || n < 5000 {
		t.Fatalf("Rebuild copied %d, %v", n, err)
	}
	compare("log rebuild")
	erase := outbox.EraseJob(s.db, s.log)
	s.trimAll(erase)
	s.restart(s.removeLog)
	compare("erased rows were emptied, the file was removed")
}

// TestOutboxRace: 64 writers, some of which roll back; everything that committed is in the log, once, in the order of
// ids, and nothing else (P12).
func TestOutboxRace(t *testing.T) {
	const writers, each = 64, 5000 / 64
	s := newSite(t)
	s.reconcile()
	s.relay.Start()
	refused := errors.New("refused")
	var mu sync.Mutex
	committed := map[string]bool{}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for n := range each {
				text := fmt.Sprintf("%d-%d", w, n)
				back := rng.IntN(10) == 0
				err := s.db.InTx(t.Context(), func(tx storage.Tx) error {
					for range 1 + n%3 {
						if _, err := outbox.Add(t.Context(), tx, s.post(byte(w), text)); err != nil {
							return err
						}
						text += "+"
					}
					text = text[:len(text)-1-n%3]
					if back {
						return refused
					}
					return nil
				})
				if back != errors.Is(err, refused) || (err != nil && !back) {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				mu.Lock()
				for i := range 1 + n%3 {
					committed[text+"++"[:i]] = !back
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	s.stop()
	seen, last := map[string]bool{}, map[byte]string{}
	for _, e := range s.events() {
		text := string(bytes.Trim(e.Data, `"`))
		if !committed[text] || seen[text] {
			t.Fatalf("%s is shown; committed: %v, seen before: %v", text, committed[text], seen[text])
		}
		seen[text] = true
		who := e.Stream.User[15]
		if newer(last[who], text) {
			t.Fatalf("%s stands behind %s", text, last[who])
		}
		last[who] = text
	}
	for text, ok := range committed {
		if ok && !seen[text] {
			t.Errorf("%s was committed and is not in the log", text)
		}
	}
}

// newer reports whether a writer's text a was written after b.
func newer(a, b string) bool {
	number := func(s string) (n int) {
		_, _ = fmt.Sscanf(s[bytes.IndexByte([]byte(s), '-')+1:], "%d", &n)
		return n*4 + bytes.Count([]byte(s), []byte("+"))
	}
	return a != "" && number(a) > number(b)
}
