package pipeline

import (
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// maxWaiting bounds how many owners a channel remembers as waiting for a place. Who is not remembered is looked at
// again when its hold ends.
const maxWaiting = 10_000

// Why an endpoint with something due is put off.
const (
	putOffSlow    = "slow"    // the slow lane is full
	putOffOwner   = "owner"   // its owner has as many attempts under way as one may have
	putOffTarget  = "target"  // the host it is on has
	putOffAddress = "address" // the address that the host's name leads to has
)

// shares are the places of one channel for attempts under way: in all, for each owner and for each target. Attempts of
// slow endpoints hold half of each at most, so endpoints that answer always find the other half. Counts are those
// of this node. Safe for concurrent use.
type shares struct {
	workers, perOwner, perTarget int

	mu      sync.Mutex
	all     held
	owners  map[social.ID]held
	targets map[string]held
	waiting map[spot][]waiter // who waits for a place, in order
	asleep  map[sleeper]bool  // the same, each once
	freed   []stake           // given back, and free from the next look at the line on
	unused  []spot            // offered and not taken: the next look offers them to the next
}

// held counts attempts under way.
type held struct{ all, slow int }

// spot is something whose places may all be taken.
type spot struct {
	why    string    // what a delivery is put off for when they are
	owner  social.ID // of putOffOwner
	target string    // of putOffTarget
	slow   bool      // its places for slow ones
}

// waiter is an owner in the line.
type waiter struct {
	owner social.ID
	since social.Time
}

type sleeper struct {
	at    spot
	owner social.ID
}

// offer is a place that has come free, for who has waited for it longest.
type offer struct {
	at spot
	waiter
}

// stake is what one attempt holds.
type stake struct {
	owner  social.ID
	target string // "" = none that is known
	slow   bool
}

func newShares(c Config) *shares {
	return &shares{workers: c.Workers, perOwner: c.AttemptsPerOwner, perTarget: c.AttemptsPerTarget,
		owners: map[social.ID]held{}, targets: map[string]held{}, waiting: map[spot][]waiter{},
		asleep: map[sleeper]bool{}}
}

// room is how many more fit among most.
func (h held) room(slow bool, most int) int {
	if slow {
		return min(most-h.all, max(1, most/2)-h.slow)
	}
	return most - h.all
}

func (h held) add(slow bool, n int) held {
	h.all += n
	if slow {
		h.slow += n
	}
	return h
}

// take takes the places of an attempt. When one is missing nothing is taken, why names it, and w waits for it.
func (s *shares) take(k stake, w waiter) (why string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range k.spots() {
		if s.room(at) > 0 {
			continue
		}
		if me := (sleeper{at, w.owner}); !s.asleep[me] && len(s.asleep) < maxWaiting {
			s.asleep[me] = true
			s.waiting[at] = append(s.waiting[at], w)
		}
		return at.why, false
	}
	for _, at := range k.spots() {
		delete(s.asleep, sleeper{at, w.owner})
	}
	s.change(k, 1)
	return "", true
}

// spots are what a stake needs a place of.
func (k stake) spots() []spot {
	return []spot{{why: putOffOwner, owner: k.owner, slow: k.slow}, {why: putOffTarget, target: k.target, slow: k.slow},
		{why: putOffSlow, slow: k.slow}}
}

func (s *shares) room(at spot) int {
	switch {
	case at.why == putOffOwner:
		return s.owners[at.owner].room(at.slow, s.perOwner)
	case at.why == putOffTarget && at.target == "":
		return s.workers
	case at.why == putOffTarget:
		return s.targets[at.target].room(at.slow, s.perTarget)
	}
	return s.all.room(at.slow, s.workers)
}

// give gives them back.
func (s *shares) give(k stake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = append(s.freed, k)
}

// giveBack undoes take, for an attempt that is not to be.
func (s *shares) giveBack(k stake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(k, -1)
}

// wake frees what was given back and returns those who waited for it longest, so that at one look at the line they
// stand in front of whoever came later.
func (s *shares) wake() (woken []offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spots := s.unused
	for _, k := range s.freed {
		s.change(k, -1)
		for _, slow := range []bool{false, true} {
			spots = append(spots, stake{k.owner, k.target, slow}.spots()...)
		}
	}
	looked := map[spot]bool{}
	for _, at := range spots {
		if !looked[at] {
			looked[at] = true
			woken = s.rouse(at, woken)
		}
	}
	s.freed, s.unused = s.freed[:0], nil
	return woken
}

// pass gives a place on that was not taken.
func (s *shares) pass(o offer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = append(s.unused, o.at)
}

// rouse wakes as many as there is room for.
func (s *shares) rouse(at spot, woken []offer) []offer {
	list := s.waiting[at]
	for room := s.room(at); room > 0 && len(list) > 0; list = list[1:] {
		me := sleeper{at, list[0].owner}
		if s.asleep[me] { // else it found a place meanwhile
			delete(s.asleep, me)
			woken = append(woken, offer{at, list[0]})
			room--
		}
	}
	if s.waiting[at] = list; len(list) == 0 {
		delete(s.waiting, at)
	}
	return woken
}

func (s *shares) change(k stake, n int) {
	s.all = s.all.add(k.slow, n)
	if s.owners[k.owner] = s.owners[k.owner].add(k.slow, n); s.owners[k.owner].all == 0 {
		delete(s.owners, k.owner)
	}
	if s.targets[k.target] = s.targets[k.target].add(k.slow, n); s.targets[k.target].all == 0 {
		delete(s.targets, k.target)
	}
}

// counts gives what is under way and how many owners wait for a place.
func (s *shares) counts() (under held, waits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all, len(s.asleep)
}
