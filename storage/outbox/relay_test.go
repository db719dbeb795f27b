package outbox_test

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// await reads the tail up to the event at p.
func (s *site) await(p social.Position) {
	s.Helper()
	for list, err := range s.log.Tail(s.Context(), s.log.Kept().Oldest()) {
		if err != nil {
			s.Fatal(err)
		}
		if list[len(list)-1].Cursor.Seq >= p {
			return
		}
	}
}

func (s *site) stop() {
	s.Helper()
	if err := s.relay.Stop(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// TestCopy: an event is what was announced, at the position of its outbox id.
func TestCopy(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	a := outbox.Announcement{
		Stream: social.Stream{Kind: social.To, User: person(1)}, Type: "notification", Actor: person(2), Object: person(3),
		About: []social.ID{person(2), {}, person(4), person(2), person(5), person(6), person(7)}, Internal: true,
		Time: 12345, Data: []byte(`{"a":1}`),
	}
	p := s.add(s.post(1, "one"), a)
	got := s.events()
	want := social.Event{
		Cursor: s.log.Kept().Cursor(p), Stream: a.Stream, Type: "notification", Time: 12345, Internal: true,
		About: []social.ID{person(2), person(4), person(5), person(6)}, Data: []byte(`{"a":1}`),
	}
	if len(got) != 2 || !reflect.DeepEqual(got[1], want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// TestWake: a commit reaches the log without waiting for the next second, and what was rolled back never does.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.reconcile()
		s.relay.Start()
		started := time.Now()
		for range 20 {
			s.await(s.add(s.post(1, "a")))
			refused := errors.New("refused")
			err := s.db.InTx(t.Context(), func(tx storage.Tx) error {
				_, err := outbox.Add(t.Context(), tx, s.post(1, "never"))
				return errors.Join(err, refused)
			})
			if !errors.Is(err, refused) {
				t.Fatal(err)
			}
		}
		if waited := time.Since(started); waited >= time.Second {
			t.Errorf("20 commits took %s: nothing woke the relay", waited)
		}
		s.stop()
		if texts := s.texts(); len(texts) != 20 || slices.Contains(texts, "never") {
			t.Errorf("the log shows %q", texts)
		}
		if stats := s.relay.Stats(); stats.Applied < 20 || stats.Lag != 0 || stats.Quarantined != 0 {
			t.Errorf("stats are %+v", stats)
		}
	})
}

// TestCopyRedactions: a redaction empties what its match means, and nothing else, also what the relay copies later.
func TestCopyRedactions(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	like := s.post(2, "a like")
	like.Object, like.Type, like.Stream = person(101), "notification", social.Stream{Kind: social.To, User: person(1)}
	other := like
	other.Stream.User, other.Data = person(3), []byte(`"to another"`)
	for name, tt := range map[string]struct {
		match outbox.Match
		want  []string
	}{
		"object": {outbox.Match{Object: person(101)}, []string{"elsewhere"}},
		"actor":  {outbox.Match{Object: person(101), Actor: person(2)}, []string{"post", "elsewhere"}},
		"stream": {outbox.Match{Object: person(101), Stream: like.Stream}, []string{"post", "to another", "elsewhere"}},
		"type": {outbox.Match{Object: person(101), Types: []string{"post.created", "post.updated"}}, []string{"a like",
			"to another", "elsewhere"}},
		"nobody": {outbox.Match{Object: person(55)}, []string{"post", "a like", "to another", "elsewhere"}},
	} {
		for _, copied := range []bool{true, false} {
			s.exec(`DELETE FROM outbox WHERE id > 0`)
			s.restart(func() { s.exec(`UPDATE log_state SET floor = $1`, int64(s.log.Head().Seq)) })
			s.add(s.post(1, "post"), like, other, s.post(4, "elsewhere"))
			if copied {
				if err := s.relay.CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s.inTx(func(tx storage.Tx) error { return outbox.Redact(context.Background(), tx, 1, tt.match) })
			if got := s.texts(); !slices.Equal(got, tt.want) {
				t.Errorf("%s, copied before: %v: the log shows %q, want %q", name, copied, got, tt.want)
			}
		}
	}
}

// TestPoison: an entry that cannot be understood holds the others up for less than a second, then they flow (P12,
// H49). It is counted, and logged once at error.
func TestPoison(t *testing.T) {
	for name, damage := range map[string]string{
		"stream":    `UPDATE outbox SET stream = X'0102' WHERE id = $1`,
		"data":      `UPDATE outbox SET data = CAST('{"half' AS BLOB) WHERE id = $1`,
		"about":     `UPDATE outbox SET about = X'01' WHERE id = $1`,
		"time":      `UPDATE outbox SET time = 'noon' WHERE id = $1`,
		"too large": `UPDATE outbox SET data = CAST('"' || hex(zeroblob(40000)) || '"' AS BLOB) WHERE id = $1`,
		"long type": `UPDATE outbox SET type = hex(zeroblob(200)) WHERE id = $1`,
		"redact":    `UPDATE outbox SET op = 2, data = CAST('7' AS BLOB) WHERE id = $1`,
		"erase":     `UPDATE outbox SET op = 3, actor_id = NULL WHERE id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				s.reconcile()
				s.add(s.post(1, "before"))
				bad := s.add(s.post(1, "poison"))
				after := s.add(s.post(1, "after"))
				s.exec(damage, int64(bad))
				started := time.Now()
				s.relay.Start()
				s.await(after)
				if waited := time.Since(started); waited > time.Second {
					t.Errorf("the others waited %s, want at most a second", waited)
				}
				s.stop()
				if got := s.texts(); !slices.Equal(got, []string{"before", "after"}) {
					t.Errorf("the log shows %q", got)
				}
				if n := s.number(`SELECT COUNT(*) FROM outbox WHERE set_aside_at IS NOT NULL AND tries = 10 AND id = $1`,
					int64(bad)); n != 1 {
					t.Error("the entry is not set aside")
				}
				if n := s.lines.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 1 {
					t.Errorf("it was logged %d times at error, want once", n)
				}
				if n := s.relay.Stats().Quarantined; n != 1 {
					t.Errorf("%d are counted as quarantined, want 1", n)
				}
				s.restart(nil)
				if n := s.relay.Stats().Quarantined; n != 1 {
					t.Errorf("after a restart %d are counted as quarantined, want 1", n)
				}
			})
		})
	}
}

// TestFullLog: a full disk sets nothing aside; the relay waits, tells how far behind it is, and goes on by itself.
func TestFullLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.reconcile()
		var full error = &fs.PathError{Op: "write", Path: "log", Err: syscall.ENOSPC}
		s.fault.Store(&full)
		s.relay.Start()
		last := s.add(s.post(1, "a"), s.post(1, "b"))
		time.Sleep(10 * time.Second)
		s.now.Add(10_000)
		if head := s.log.Head().Seq; head != 0 {
			t.Fatalf("the head is at %d", head)
		}
		if lag := s.relay.Stats().Lag; lag != 10*time.Second {
			t.Errorf("the lag is %s, want 10s", lag)
		}
		s.fault.Store(nil)
		s.await(last)
		synctest.Wait()
		s.stop()
		if stats := s.relay.Stats(); stats.Quarantined != 0 || stats.Lag != 0 {
			t.Errorf("stats are %+v", stats)
		}
		if n := s.lines.FilterLevelExact(zapcore.WarnLevel).Len(); n != 1 {
			t.Errorf("the waiting was logged %d times, want once", n)
		}
	})
}

// TestFailedLog: after a failed sync the relay ends and says so (I9).
func TestFailedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.reconcile()
		s.relay.Start()
		var failed error = syscall.EIO
		s.fault.Store(&failed)
		s.add(s.post(1, "a"))
		<-s.relay.Done()
		if err := s.relay.Err(); !errors.Is(err, storage.ErrFailed) {
			t.Errorf("the relay ended with %v, want ErrFailed", err)
		}
		if err := s.relay.Stop(t.Context()); !errors.Is(err, storage.ErrFailed) {
			t.Errorf("Stop gave %v, want ErrFailed", err)
		}
	})
}

// silent is a store whose commits wake nobody.
type silent struct{ storage.DB }

func (silent) Committed() <-chan struct{} { return nil }

// TestEachSecond: a wake-up that was lost costs a second at most.
func TestEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.reconcile()
		s.relay = outbox.NewRelay(silent{s.db}, s.log, s.clock, zap.NewNop())
		s.relay.Start()
		synctest.Wait()
		started := time.Now()
		s.await(s.add(s.post(1, "a")))
		if waited := time.Since(started); waited > time.Second {
			t.Errorf("it took %s", waited)
		}
		s.stop()
	})
}

// TestStop: Stop copies what was committed before it, ends in time when that is impossible, and may be called without
// Start and twice.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.reconcile()
		s.relay.Start()
		synctest.Wait() // it sleeps
		last := s.add(s.post(1, "a"))
		s.stop()
		s.stop()
		if head := s.log.Head().Seq; head != last {
			t.Errorf("after Stop the head is at %d, want %d", head, last)
		}

		s.restart(nil)
		s.relay = outbox.NewRelay(silent{s.db}, s.log, s.clock, zap.NewNop())
		s.relay.Start()
		synctest.Wait()
		last = s.add(s.post(1, "nobody woke it"))
		s.stop()
		if head := s.log.Head().Seq; head != last {
			t.Errorf("after Stop in its sleep the head is at %d, want %d", head, last)
		}

		s.restart(nil)
		var full error = &fs.PathError{Op: "write", Path: "log", Err: syscall.ENOSPC}
		s.fault.Store(&full)
		s.relay.Start()
		s.add(s.post(1, "b"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		started := time.Now()
		_ = s.relay.Stop(ctx)
		if waited := time.Since(started); waited != 5*time.Second {
			t.Errorf("Stop of a relay that cannot write took %s, want its deadline", waited)
		}
		s.fault.Store(nil)

		s.restart(nil)
		s.stop()
	})
}
