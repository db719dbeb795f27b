package users

import (
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

func TestAccessCache(t *testing.T) {
	now := social.Time(1_000_000)
	person := social.Actor{UserID: social.NewID(), SessionID: social.NewID()}
	hash := secretHash{1}
	filled := func() *accessCache {
		c := newAccessCache()
		_, _, turn := c.get(hash, now)
		c.put(hash, person, now, turn)
		return c
	}
	has := func(c *accessCache, at social.Time) bool {
		_, ok, _ := c.get(hash, at)
		return ok
	}
	if c := filled(); !has(c, now) || !has(c, now.Add(accessTTL-time.Millisecond)) || has(c, now.Add(accessTTL)) {
		t.Error("an answer does not hold for exactly its time")
	}
	if c := filled(); has(c, now.Add(500*time.Millisecond)) {
		t.Error("an answer is believed for so long that another node's revocation may be seen later than after a second")
	}
	if c := filled(); has(c, now-1) {
		t.Error("an answer from the future of the clock is believed")
	}
	if c := filled(); has(c, now.Add(accessTTL)) || has(c, now) {
		t.Error("an answer that was old comes back")
	}
	c := filled()
	c.forget(ofUser(social.NewID()))
	if !has(c, now) {
		t.Error("forgetting somebody else forgot this person")
	}
	c.forget(ofSession(person.SessionID))
	if has(c, now) {
		t.Error("a session that ended is remembered")
	}

	// An answer that was read before an end of access, and comes to be kept after it, may be wrong.
	_, _, turn := c.get(hash, now)
	c.forget(ofSession(person.SessionID))
	c.put(hash, person, now, turn)
	if has(c, now) {
		t.Error("an answer from before the end of access was kept after it")
	}

	person.ExpiresAt = now.Add(time.Second)
	c = filled()
	if !has(c, now) || has(c, person.ExpiresAt) {
		t.Error("an answer outlives what it stands for")
	}
}

func TestAccessCacheIsBounded(t *testing.T) {
	c := newAccessCache()
	for i := range 3 * accessMax {
		c.put(secretHash{byte(i), byte(i >> 8), byte(i >> 16)}, social.Actor{}, 1, 0)
		if len(c.entries) > accessMax {
			t.Fatalf("%d entries, want at most %d", len(c.entries), accessMax)
		}
	}
	if len(c.entries) < accessMax/2 {
		t.Errorf("only %d entries are left of %d", len(c.entries), accessMax)
	}
}

func TestOldAnswersAreSweptAway(t *testing.T) {
	c := newAccessCache()
	c.put(secretHash{1}, social.Actor{}, 1000, 0)
	c.put(secretHash{2}, social.Actor{}, 1200, 0)
	c.put(secretHash{3}, social.Actor{}, 90_000, 0) // before a clock was set back
	c.sweep(social.Time(1000).Add(accessTTL))
	if _, ok := c.entries[secretHash{2}]; !ok || len(c.entries) != 1 {
		t.Errorf("%d answers are left, want the one that is believed", len(c.entries))
	}
	if c.sweep(social.Time(1200).Add(accessTTL)); len(c.entries) != 0 {
		t.Errorf("%d answers are left, want none", len(c.entries))
	}
	c.put(secretHash{4}, social.Actor{}, 2000, 0)
	if _, ok, _ := c.get(secretHash{4}, 2000); !ok {
		t.Error("nothing is remembered any more")
	}
}

func TestTouchesAreBounded(t *testing.T) {
	s := &Service{touched: newTouches()}
	for range touchMax + 100 {
		s.touch(used{actor: social.Actor{SessionID: social.NewID()}}, social.Time(time.Hour.Milliseconds()))
	}
	if n := len(s.touched.when); n != touchMax {
		t.Fatalf("%d uses wait, want at most %d", n, touchMax)
	}
	total := 0
	for more := true; more; {
		var batch map[touch]social.Time
		batch, more = s.touched.take()
		if len(batch) > touchBatch {
			t.Fatalf("a batch of %d, want at most %d", len(batch), touchBatch)
		}
		total += len(batch)
	}
	if total != touchMax {
		t.Errorf("%d uses came out, %d went in", total, touchMax)
	}
}
