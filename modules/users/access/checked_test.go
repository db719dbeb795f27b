package access

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
)

func bare() *Service { return New(Config{}, social.Site{}, nil, nil, nil, zap.NewNop()) }

func TestCheckedSecrets(t *testing.T) {
	now := social.Time(1_000_000)
	person := social.Actor{UserID: social.NewID(), SessionID: social.NewID()}
	hash := secretHash{1}
	filled := func() *Service {
		s := bare()
		s.learn(hash, person, now, s.ends.Load())
		return s
	}
	has := func(s *Service, at social.Time) bool {
		c, ok := s.checked.Get(hash)
		return ok && c.holds(at)
	}
	if s := filled(); !has(s, now) || !has(s, now.Add(believed-time.Millisecond)) || has(s, now.Add(believed)) {
		t.Error("an answer does not hold for exactly its time")
	}
	if has(filled(), now.Add(500*time.Millisecond)) {
		t.Error("an answer is believed for so long that another node's revocation may be seen later than after a second")
	}
	if has(filled(), now-1) {
		t.Error("an answer from the future of the clock is believed")
	}
	s := filled()
	s.Forget(social.NewID())
	if !has(s, now) {
		t.Error("forgetting somebody else forgot this person")
	}
	s.Forget(person.UserID)
	if has(s, now) {
		t.Error("the secret of a person whose access has ended is believed")
	}

	// An answer that was read before an end of access, and comes to be kept after it, may be wrong.
	ends := s.ends.Load()
	s.Forget(person.UserID)
	s.learn(hash, person, now, ends)
	if has(s, now) {
		t.Error("an answer from before the end of access was kept after it")
	}

	person.ExpiresAt = now.Add(100 * time.Millisecond)
	s = filled()
	if !has(s, now) || has(s, person.ExpiresAt) {
		t.Error("an answer outlives what it stands for")
	}
}

func TestCheckedSecretsAreBounded(t *testing.T) {
	s := bare()
	for i := range 3 * maxChecked {
		s.learn(secretHash{byte(i), byte(i >> 8), byte(i >> 16)}, social.Actor{}, 1, 0)
		if n := s.checked.Len(); n > maxChecked {
			t.Fatalf("%d answers, want at most %d", n, maxChecked)
		}
	}
	if n := s.checked.Len(); n < maxChecked/2 {
		t.Errorf("only %d answers are left of %d", n, maxChecked)
	}
}

func TestOldAnswersAreDropped(t *testing.T) {
	s := bare()
	s.learn(secretHash{1}, social.Actor{}, 1000, 0)
	s.learn(secretHash{2}, social.Actor{}, 1200, 0)
	s.learn(secretHash{3}, social.Actor{}, 90_000, 0) // before a clock was set back
	drop := func(now social.Time) {
		s.clock = now.Std
		if _, err := s.dropChecked(t.Context()); err != nil {
			t.Error(err)
		}
	}
	drop(social.Time(1000).Add(believed))
	if _, ok := s.checked.Get(secretHash{2}); !ok || s.checked.Len() != 1 {
		t.Errorf("%d answers are left, want the one that is believed", s.checked.Len())
	}
	if drop(social.Time(1200).Add(believed)); s.checked.Len() != 0 {
		t.Errorf("%d answers are left, want none", s.checked.Len())
	}
}

func TestUsesAreBounded(t *testing.T) {
	n := newUses()
	for range maxUses + 100 {
		n.note(use{actor: social.Actor{SessionID: social.NewID()}}, social.Time(time.Hour.Milliseconds()), "")
	}
	if got := len(n.when); got != maxUses {
		t.Fatalf("%d uses wait, want at most %d", got, maxUses)
	}
	total := 0
	for more := true; more; {
		var batch map[usedRow]usedAt
		batch, more = n.batch()
		if len(batch) > useBatch {
			t.Fatalf("a batch of %d, want at most %d", len(batch), useBatch)
		}
		total += len(batch)
	}
	if total != maxUses {
		t.Errorf("%d uses came out, %d went in", total, maxUses)
	}
}
