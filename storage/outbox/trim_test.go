package outbox_test

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

const day = 24 * time.Hour

// TestTrimByAge: both sides lose the same, the oldest, and not one more.
func TestTrimByAge(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	var ids []social.Position
	for n := range 600 {
		ids = append(ids, s.add(s.post(byte(n%5), "text")))
		if n%100 == 99 {
			s.now.Add(day.Milliseconds())
		}
	}
	job := outbox.TrimJob(s.db, s.log, s.clock, 3*day, 0)
	s.trimAll(job) // the log has taken nothing yet: nothing may go
	if n := s.number(`SELECT COUNT(*) FROM outbox`); n != 600 {
		t.Fatalf("%d announcements are left before the log has taken them", n)
	}
	if err := s.relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.trimAll(job)
	floor := ids[299] // written more than three days ago: the first 300
	if got := s.log.Kept().Oldest().Seq; got != floor {
		t.Errorf("the log's floor is %d, want %d", got, floor)
	}
	if kept, oldest := s.number(`SELECT floor FROM log_state`),
		s.number(`SELECT MIN(id) FROM outbox`); kept != int64(floor) || oldest != int64(floor)+1 {
		t.Errorf("the store's floor is %d and its oldest announcement %d, want %d and %d", kept, oldest, floor, floor+1)
	}
	if r := s.restart(nil); r.Lost || r.Rebuild {
		t.Errorf("%s", r)
	}
	if r := s.restart(s.removeLog); !r.Rebuild || s.log.Kept().Oldest().Seq != floor {
		t.Errorf("%s", r)
	}
	if n := len(s.events()); n != 300 {
		t.Errorf("%d events are left, want 300", n)
	}
	s.now.Add(100 * day.Milliseconds())
	s.trimAll(outbox.TrimJob(s.db, s.log, s.clock, 3*day, 0))
	if n := s.number(`SELECT COUNT(*) FROM outbox`); n != 0 {
		t.Errorf("%d announcements are left", n)
	}
	if r := s.restart(nil); r.Rebuild {
		t.Errorf("with everything trimmed: %s", r)
	}
}

// TestTrimByBytes: the log comes below its size, the newest stay.
func TestTrimByBytes(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	for range 20 {
		var list []outbox.Announcement
		for range 50 {
			list = append(list, s.post(1, strings.Repeat("x", 2000)))
		}
		s.add(list...)
	}
	if err := s.relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	size := s.log.Size()
	s.trimAll(outbox.TrimJob(s.db, s.log, s.clock, 0, size/2))
	if got := s.log.Size(); got > size/2 || got < size/8 {
		t.Errorf("trimmed to half of %d bytes the log takes %d", size, got)
	}
	if floor := s.log.Kept().Oldest().Seq; floor < 256 || floor > 900 {
		t.Errorf("the floor is %d", floor)
	}
	s.trimAll(outbox.TrimJob(s.db, s.log, s.clock, 0, 0))
	s.trimAll(outbox.TrimJob(s.db, s.log, s.clock, 0, size))
	if got := s.log.Size(); got < size/8 {
		t.Errorf("a job without bounds trimmed to %d bytes", got)
	}
}

// TestTrimCutOff: whatever a crash cuts off, the next start finds one history, and the next run finishes.
func TestTrimCutOff(t *testing.T) {
	for name, lost := range map[string]bool{"log kept": false, "log lost": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.reconcile()
			for range 10 {
				s.add(s.post(1, "old"))
			}
			s.now.Add(2 * day.Milliseconds())
			s.add(s.post(1, "new"))
			if err := s.relay.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The log is trimmed, the store is not: as after a crash between the two.
			if _, err := s.log.Trim(t.Context(), 10, 100); err != nil {
				t.Fatal(err)
			}
			between := func() {}
			if lost {
				between = s.removeLog
			}
			if r := s.restart(between); r.Rebuild != lost {
				t.Errorf("%s", r)
			}
			// A deletion in between still finds what it has to find.
			s.inTx(func(tx storage.Tx) error {
				return outbox.Redact(context.Background(), tx, 1, outbox.Match{Object: person(101), Types: []string{"nothing"}})
			})
			s.trimAll(outbox.TrimJob(s.db, s.log, s.clock, day, 0))
			if floor, kept, n := s.log.Kept().Oldest().Seq, s.number(`SELECT floor FROM log_state`),
				s.number(`SELECT COUNT(*) FROM outbox`); floor != 10 || kept != 10 || n != 1 {
				t.Errorf("floors are %d and %d, %d announcements are left; want 10, 10 and 1", floor, kept, n)
			}
			if got := s.texts(); !slices.Equal(got, []string{"new"}) {
				t.Errorf("the log shows %q", got)
			}
		})
	}
}

// TestTrimOfAFailedLog: while the log cannot be trimmed the store keeps everything.
func TestTrimOfAFailedLog(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	s.add(s.post(1, "old"))
	if err := s.relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.now.Add(2 * day.Milliseconds())
	var failed error = syscall.EIO
	s.fault.Store(&failed)
	if _, err := outbox.TrimJob(s.db, s.log, s.clock, day, 0).Run(t.Context()); err == nil {
		t.Error("the job said nothing")
	}
	if n := s.number(`SELECT COUNT(*) FROM outbox`); n != 1 {
		t.Errorf("%d announcements are left, want 1", n)
	}
}

// TestEraseJob: everything of a person up to the erase entry is emptied in the store and in the log, in pages, across
// restarts; nobody else loses anything.
func TestEraseJob(t *testing.T) {
	s := newSite(t)
	s.reconcile()
	canary := func(a outbox.Announcement) outbox.Announcement { a.Data = []byte(`"canary"`); return a }
	for range 300 {
		toThem := s.post(2, "x")
		toThem.Stream, toThem.About, toThem.Actor = social.Stream{Kind: social.To, User: person(7)}, nil, social.ID{}
		aboutThem := s.post(2, "x")
		aboutThem.About = []social.ID{person(2), person(7)}
		byThem := s.post(3, "x")
		byThem.Actor, byThem.About = person(7), []social.ID{person(7)}
		s.add(canary(s.post(7, "x")), canary(toThem), canary(aboutThem), canary(byThem), s.post(2, "kept"))
	}
	unnamed := s.post(3, "x") // an act that does not name its actor: the store knows whose it is
	unnamed.Actor, unnamed.Data = person(7), []byte(`"kept"`)
	unnamedAt := s.add(unnamed)
	s.inTx(func(tx storage.Tx) error { return outbox.Erase(context.Background(), tx, 1, person(7)) })
	s.add(s.post(7, "behind"), s.post(2, "kept"))
	if err := s.relay.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		kept, behind := 0, 0
		for _, text := range s.texts() {
			switch text {
			case "kept":
				kept++
			case "behind":
				behind++
			default:
				t.Fatalf("the log shows %q", text)
			}
		}
		if kept < 301 || kept > 302 || behind != 1 {
			t.Errorf("%d are kept and %d stand behind the erasure, want 301 or 302, and 1", kept, behind)
		}
	}
	check()
	job := outbox.EraseJob(s.db, s.log)
	for range 2 {
		if more, err := job.Run(t.Context()); err != nil || !more {
			t.Fatalf("the job gave %v, %v in the middle", more, err)
		}
	}
	s.restart(nil) // in the middle
	s.trimAll(outbox.EraseJob(s.db, s.log))
	if n := s.number(`SELECT COUNT(*) FROM outbox WHERE data = CAST('"canary"' AS BLOB)`); n != 0 {
		t.Errorf("%d announcements still have their text", n)
	}
	if n := s.number(`SELECT COUNT(*) FROM outbox WHERE id = $1 AND data IS NULL`, int64(unnamedAt)); n != 1 {
		t.Error("an act that does not name its actor still has its text")
	}
	if n, err := s.log.Sweep(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("the log has %d records left to sweep, %v", n, err)
	}
	if n := s.number(`SELECT COUNT(*) FROM outbox WHERE op = 3 AND data IS NULL`); n != 0 {
		t.Error("the erase entry is not done")
	}
	check()
	s.restart(s.removeLog)
	check()
}
