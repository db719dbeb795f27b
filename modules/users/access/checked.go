package access

import (
	"context"
	"slices"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// The bounds of what is kept of checked secrets: about 2 MB, and how long an answer of the store is believed.
const (
	maxChecked = 8192
	believed   = 500 * time.Millisecond
)

// checked is whom a secret stands for, and when the store said so.
type checked struct {
	actor social.Actor
	at    social.Time
}

// holds reports whether the answer may still be given. A clock that was set back makes every answer old.
func (c checked) holds(now social.Time) bool {
	age := now.Sub(c.at)
	return age >= 0 && age < believed && !expired(c.actor, now)
}

// learn keeps an answer, unless access has ended in this process since ends was read: the answer may be older.
func (s *Service) learn(h secretHash, a social.Actor, now social.Time, ends uint64) {
	s.checked.Update(h, func(checked, bool) (checked, bool) { return checked{a, now}, s.ends.Load() == ends })
}

// Forget drops what is kept of a person's checked secrets; of service tokens, for the zero ID. Call it after every
// commit that changes what a person may do, so that this process obeys at once.
func (s *Service) Forget(person social.ID) {
	s.ends.Add(1)
	s.checked.DeleteFunc(func(_ secretHash, c checked) bool { return c.actor.UserID == person })
}

// ForgetReplaced is Forget for the sessions of the cookies in ctx, which Begin has ended.
func (s *Service) ForgetReplaced(ctx context.Context) {
	replaced := s.cookiesOf(ctx)
	if len(replaced) == 0 {
		return
	}
	s.ends.Add(1)
	s.checked.DeleteFunc(func(h secretHash, _ checked) bool { return slices.Contains(replaced, h) })
}

// dropChecked is the job that frees the memory of old answers.
func (s *Service) dropChecked(context.Context) (more bool, err error) {
	now := s.clock.Now()
	s.checked.DeleteFunc(func(_ secretHash, c checked) bool { return !c.holds(now) })
	return false, nil
}
