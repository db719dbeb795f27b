package reading

import (
	"sync"

	"github.com/belfry-social/belfry/modules/social"
)

// wakeups tells waiting readers that something became durable in a stream of theirs. A wake-up carries nothing:
// whoever wakes reads the log. The work of an event grows with those who wait for its stream, not with all who
// wait. Safe for concurrent use.
type wakeups struct {
	mu       sync.Mutex
	byStream map[social.Stream]map[*waiter]struct{}
}

// waiter is one waiting reader: of one goroutine, but for the channel.
type waiter struct {
	wake    chan struct{} // holds at most one wake-up
	streams []social.Stream
}

func newWakeups() *wakeups { return &wakeups{byStream: map[social.Stream]map[*waiter]struct{}{}} }

// watch makes w wait for these streams in place of those before. Register first, read second.
func (k *wakeups) watch(w *waiter, streams []social.Stream) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(w)
	w.streams = streams
	for _, s := range streams {
		set := k.byStream[s]
		if set == nil {
			set = map[*waiter]struct{}{}
			k.byStream[s] = set
		}
		set[w] = struct{}{}
	}
}

// leave ends the waiting.
func (k *wakeups) leave(w *waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(w)
}

// tell wakes everybody who waits for a stream of these events.
func (k *wakeups) tell(events []social.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range events {
		for w := range k.byStream[e.Stream] {
			w.nudge()
		}
	}
}

func (k *wakeups) drop(w *waiter) {
	for _, s := range w.streams {
		delete(k.byStream[s], w)
		if len(k.byStream[s]) == 0 {
			delete(k.byStream, s)
		}
	}
	w.streams = nil
}

// nudge never blocks: a wake-up that waits already stands for this one too.
func (w *waiter) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
