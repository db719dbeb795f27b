package outbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// TestCompare: a store that lacks or changed what the log has is torn; one that is trimmed, emptied, behind, ahead, or
// of another history is not.
func TestCompare(t *testing.T) {
	for name, tt := range map[string]struct {
		between func(s *site)
		misfit  bool
		torn    string
	}{
		"nothing happened": {func(*site) {}, false, ""},
		"a stretch is missing": {func(s *site) { s.exec(`DELETE FROM outbox WHERE id BETWEEN 1500 AND 1600`) }, false,
			"lacks announcement 1500"},
		"the first is missing": {func(s *site) { s.exec(`DELETE FROM outbox WHERE id = 1`) }, false, "lacks announcement 1,"},
		"one is another": {func(s *site) { s.exec(`UPDATE outbox SET time = time + 1 WHERE id = 700`) }, false,
			"announcement 700 is another"},
		"one is of another stream": {func(s *site) {
			s.exec(`UPDATE outbox SET stream = (SELECT stream FROM outbox WHERE id = 1) WHERE id = 701 OR id = 702`)
		}, false, "is another"},
		"one is a redaction": {func(s *site) { s.exec(`UPDATE outbox SET op = 2, data = '{"ids":[1]}' WHERE id = 700`) },
			false, "announcement 700 is another"},
		"one is no redaction any more": {func(s *site) {
			s.exec(`UPDATE outbox SET op = 1, type = 'x', stream = (SELECT stream FROM outbox WHERE id = 1) WHERE op = 2`)
		}, false, "is another"},
		"missing, and older than the log": {func(s *site) {
			s.exec(`DELETE FROM outbox WHERE id > 2000`)
			s.exec(`DELETE FROM outbox WHERE id BETWEEN 5 AND 6`)
		}, true, "lacks announcement 5"},
		"an older copy": {func(s *site) { s.exec(`DELETE FROM outbox WHERE id > 1999`) }, true, ""},
		"an older copy that went on": {func(s *site) {
			s.exec(`DELETE FROM outbox WHERE id > 1999`)
			s.exec(`INSERT INTO outbox (id, op, stream, type, time, data)
				SELECT 2000, 1, stream, type, time + 5, data FROM outbox WHERE id = 1`)
		}, true, ""},
		"newer than the log": {func(s *site) { s.add(s.post(1, "d")) }, false, ""},
		"emptied rows":       {func(s *site) { s.exec(`UPDATE outbox SET data = NULL WHERE op = 1 AND id < 99`) }, false, ""},
		"one set aside": {func(s *site) {
			s.exec(`INSERT INTO outbox (op, stream, type, time, data, set_aside_at)
				SELECT 1, stream, type, time, data, 5 FROM outbox WHERE id = 1`)
			s.add(s.post(1, "d"))
			if err := s.relay.CatchUp(s.Context()); err != nil {
				s.Fatal(err)
			}
		}, false, ""},
		"trimmed": {func(s *site) {
			s.exec(`DELETE FROM outbox WHERE id <= 1000`)
			s.exec(`UPDATE log_state SET floor = 1000`)
		}, false, ""},
		"all trimmed": {func(s *site) {
			s.exec(`DELETE FROM outbox`)
			s.exec(`UPDATE log_state SET floor = 5000`)
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.reconcile()
			s.many(2500)
			tt.between(s)
			err := outbox.Compare(t.Context(), s.db, s.log)
			if errors.Is(err, outbox.ErrTorn) != (tt.torn != "") || tt.torn != "" && !strings.Contains(err.Error(), tt.torn) {
				t.Errorf("got %v, want %q", err, tt.torn)
			}
			if why, err := outbox.Misfit(t.Context(), s.db, s.log); (why != "") != tt.misfit || err != nil {
				t.Errorf("misfit: %q, %v; want %v", why, err, tt.misfit)
			}
		})
	}
}

// many announces n posts of two people, redacts one, erases a third person, and copies all to the log.
func (s *site) many(n int) {
	s.Helper()
	inTx(s.T, s.db, func(ctx context.Context, tx storage.Tx) error {
		for i := range n {
			a := s.post(byte(1+i%2), "x")
			a.Object = id(byte(i % 100))
			if err := outbox.Announce(ctx, tx, a); err != nil {
				return err
			}
		}
		if err := outbox.Redact(ctx, tx, at, outbox.Match{Object: id(7)}); err != nil {
			return err
		}
		return outbox.Erase(ctx, tx, at, id(99))
	})
	s.add(s.post(1, "after the erasure"))
	if err := s.relay.CatchUp(s.Context()); err != nil {
		s.Fatal(err)
	}
}
