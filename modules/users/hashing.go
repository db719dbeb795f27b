package users

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// maxGroupWaits is how many of one group wait for a slot; one more is refused at once. All together are no more than
// the requests that are open, of which server.max_connections is the bound.
const maxGroupWaits = 128

// turn says who waits for a slot.
type turn struct {
	group string // whose turns are one: a network of addresses
	known bool   // from a device that the account knows
}

// turnOf is the turn of an address: a /24 of IPv4 or a /48 of IPv6 together.
func turnOf(address string, known bool) turn {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return turn{address, known}
	}
	ip, bits := ip.Unmap().WithZone(""), 48
	if ip.Is4() {
		bits = 24
	}
	return turn{netip.PrefixFrom(ip, bits).Masked().String(), known}
}

// slots are free places for work, and who waits for one: known devices and strangers in turn, in each of these lanes
// one network after the other, and within a network whoever came first. So many who ask from one network delay
// another by one turn, and many networks of strangers delay a known device by one. Safe for concurrent use.
type slots struct {
	mu      sync.Mutex
	free    int
	lanes   [2]lane // strangers, known devices
	next    int
	waiting int
	refused uint64
}

// waiter waits until ready is closed: the slot is its own then.
type waiter struct {
	ready chan struct{}
	place *list.Element // in its group; nil = not waiting any more
}

// lane is what waits of one kind, by group, in the order of their turns.
type lane struct {
	groups map[string]*list.Element // of order
	order  list.List                // of *group
}

type group struct {
	name  string
	waits list.List // of *waiter
}

func newSlots(n int) *slots {
	return &slots{free: n, lanes: [2]lane{{groups: map[string]*list.Element{}}, {groups: map[string]*list.Element{}}}}
}

// take takes a slot, or gives the fault "overloaded" after the wait. give gives it back.
func (s *slots) take(ctx context.Context, who turn, wait time.Duration) error {
	w, ok := s.queue(who)
	if !ok {
		return s.overloaded()
	}
	if w == nil {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case <-w.ready:
		return nil
	case <-timer.C:
		err = s.overloaded()
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.leave(who, w)
	return err
}

func (s *slots) overloaded() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	return &social.Fault{Code: social.CodeOverloaded, Detail: "Too many people are signing in. Try again shortly.",
		RetryAfter: 2 * time.Second}
}

func (s *slots) lane(who turn) *lane {
	if who.known {
		return &s.lanes[1]
	}
	return &s.lanes[0]
}

// queue takes a free slot (nil) or a place in the queue; false = the group has as many as it may.
func (s *slots) queue(who turn) (*waiter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		return nil, true
	}
	l := s.lane(who)
	at, known := l.groups[who.group]
	if !known {
		at = l.order.PushBack(&group{name: who.group})
		l.groups[who.group] = at
	}
	g := at.Value.(*group)
	if g.waits.Len() >= maxGroupWaits {
		return nil, false
	}
	w := &waiter{ready: make(chan struct{})}
	w.place = g.waits.PushBack(w)
	s.waiting++
	return w, true
}

// leave gives up waiting. A slot that came at the same moment goes to the next.
func (s *slots) leave(who turn, w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.place == nil {
		s.pass()
		return
	}
	l := s.lane(who)
	s.remove(l, l.groups[who.group], w)
}

// give gives a slot back.
func (s *slots) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass hands a slot to whose turn it is.
func (s *slots) pass() {
	for range s.lanes {
		l := &s.lanes[s.next]
		s.next = 1 - s.next
		at := l.order.Front()
		if at == nil {
			continue
		}
		l.order.MoveToBack(at)
		w := at.Value.(*group).waits.Front().Value.(*waiter)
		s.remove(l, at, w)
		close(w.ready)
		return
	}
	s.free++
}

func (s *slots) remove(l *lane, at *list.Element, w *waiter) {
	g := at.Value.(*group)
	g.waits.Remove(w.place)
	w.place = nil
	s.waiting--
	if g.waits.Len() == 0 {
		l.order.Remove(at)
		delete(l.groups, g.name)
	}
}
