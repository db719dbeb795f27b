package reading

import (
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// wakeups wakes waiting readers when something became durable in a stream of theirs. A wake-up carries nothing:
// whoever wakes reads the log. The work of an event grows with those who wait for its stream, not with all who
// wait. Safe for concurrent use.
type wakeups struct {
	mu       sync.Mutex
	byStream map[social.Stream]map[*waiter]struct{}
}

// waiter is one waiting reader: of one goroutine, but for the channel.
type waiter struct {
	wake    chan struct{} // holds at most one wake-up
	sources []social.Source
}

// watch makes w wait for the streams of these sources in place of those before, and reports whether one is new: what
// became durable there before this call has woken nobody.
func (k *wakeups) watch(w *waiter, sources []social.Source) (grown bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range sources {
		_, known := k.byStream[s.Stream][w]
		grown = grown || !known
	}
	k.drop(w)
	w.sources = sources
	for _, s := range sources {
		set := k.byStream[s.Stream]
		if set == nil {
			set = map[*waiter]struct{}{}
			k.byStream[s.Stream] = set
		}
		set[w] = struct{}{}
	}
	return grown
}

// wake wakes everybody who waits for a stream of these events. The end of an account wakes all who wait: those who
// followed it without wanting its posts wait for its stream from then on only.
func (k *wakeups) wake(events []social.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range events {
		if e.Type == social.EventUserDeleted {
			k.wakeAll()
			return
		}
		for w := range k.byStream[e.Stream] {
			w.signal()
		}
	}
}

func (k *wakeups) wakeAll() {
	for _, set := range k.byStream {
		for w := range set {
			w.signal()
		}
	}
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default: // a wake-up that waits already stands for this one too
	}
}

func (k *wakeups) drop(w *waiter) {
	for _, s := range w.sources {
		delete(k.byStream[s.Stream], w)
		if len(k.byStream[s.Stream]) == 0 {
			delete(k.byStream, s.Stream)
		}
	}
}
