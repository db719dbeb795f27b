package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
	"github.com/belfry-social/belfry/storage/outbox"
	"github.com/belfry-social/belfry/storage/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a store and a log in one folder, as they are at start.
type site struct {
	*testing.T
	dir   string
	db    *sqlite.DB
	log   *bolt.Log
	relay *outbox.Relay
	lines *observer.ObservedLogs
	now   atomic.Int64 // the clock, ms
	fault atomic.Pointer[error]
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, dir: t.TempDir()}
	s.now.Store(1_700_000_000_000)
	s.db = openStore(t)
	s.open()
	return s
}

func (s *site) clock() time.Time { return time.UnixMilli(s.now.Load()) }

func (s *site) logPath() string { return filepath.Join(s.dir, "events.bolt") }

// open opens the log and makes a relay.
func (s *site) open() {
	s.Helper()
	cfg := bolt.DefaultConfig(s.logPath())
	cfg.Failpoint = func(p bolt.Failpoint) error {
		if err := s.fault.Load(); err != nil && p == bolt.BeforeCommit {
			return *err
		}
		return nil
	}
	l, err := bolt.Open(cfg)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	core, lines := observer.New(zapcore.DebugLevel)
	s.log, s.lines = l, lines
	s.relay = outbox.NewRelay(s.db, l, s.clock, zap.New(core))
}

// reconcile is what the host does at start.
func (s *site) reconcile() outbox.Report {
	s.Helper()
	r, err := outbox.Reconcile(s.Context(), s.db, s.log)
	if err != nil {
		s.Fatal(err)
	}
	if err := s.relay.CatchUp(s.Context()); err != nil {
		s.Fatal(err)
	}
	return r
}

// restart closes the log and starts again.
func (s *site) restart(between func()) outbox.Report {
	s.Helper()
	if err := s.log.Close(); err != nil {
		s.Fatal(err)
	}
	if between != nil {
		between()
	}
	s.open()
	return s.reconcile()
}

func (s *site) inTx(fn func(tx storage.Tx) error) {
	s.Helper()
	if err := s.db.InTx(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}

// add announces and returns the id of the last.
func (s *site) add(list ...outbox.Announcement) (last social.Position) {
	s.Helper()
	s.inTx(func(tx storage.Tx) error {
		id, err := outbox.Add(context.Background(), tx, list...)
		last = social.Position(id)
		return err
	})
	return last
}

func (s *site) exec(query string, args ...any) {
	s.Helper()
	s.inTx(func(tx storage.Tx) error {
		_, err := tx.Exec(context.Background(), query, args...)
		return err
	})
}

func (s *site) number(query string, args ...any) (n int64) {
	s.Helper()
	err := s.db.Read(s.Context(), func(q storage.Querier) error {
		return q.QueryRow(s.Context(), query,
			args...).Scan(&n)
	})
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// events is all the log shows, by its tail.
func (s *site) events() (all []social.Event) {
	s.Helper()
	head := s.log.Head()
	sentinel := s.add(s.post(0, "sentinel"))
	if err := s.relay.CatchUp(s.Context()); err != nil {
		s.Fatal(err)
	}
	_ = head
	for list, err := range s.log.Tail(s.Context(), s.log.Kept().Oldest()) {
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range list {
			if e.Cursor.Seq == sentinel {
				return all
			}
			if string(e.Data) != `"sentinel"` {
				all = append(all, e)
			}
		}
	}
	return nil
}

func (s *site) texts() (list []string) {
	s.Helper()
	for _, e := range s.events() {
		var text string
		if err := json.Unmarshal(e.Data, &text); err != nil {
			s.Fatal(err)
		}
		list = append(list, text)
	}
	return list
}

func person(n byte) social.ID { return social.ID{9, 15: n} }

// post is an announcement in somebody's by: stream.
func (s *site) post(who byte, text string) outbox.Announcement {
	return outbox.Announcement{
		Stream: social.Stream{Kind: social.By, User: person(who)}, Type: "post.created", Actor: person(who),
		Object: person(100 + who),
		About:  []social.ID{person(who)}, Time: social.Time(s.now.Load()), Data: fmt.Appendf(nil, "%q", text),
	}
}
