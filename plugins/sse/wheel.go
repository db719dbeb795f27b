package sse

import "time"

// wheel is a timer wheel: connections in slots by the tick at which they need a look. Setting is O(1) and nothing
// is taken out: an entry whose moment is not the connection's any more is passed over when its slot comes. The
// hub's goroutine owns it.
type wheel struct {
	tick  time.Duration
	at    int64 // the tick that was looked at last
	slots [256][]*connection
}

// set makes at the moment of the next look, unless an earlier one is set.
func (w *wheel) set(c *connection, at time.Duration) {
	n := max(int64((at+w.tick-1)/w.tick), w.at+1)
	at = time.Duration(n) * w.tick
	if c.wake > time.Duration(w.at)*w.tick && c.wake <= at {
		return
	}
	c.wake = at
	slot := &w.slots[n%int64(len(w.slots))]
	*slot = append(*slot, c)
}

// advance calls look for every connection whose moment has come by now.
func (w *wheel) advance(now time.Duration, look func(*connection)) {
	for w.at < int64(now/w.tick) {
		w.at++
		slot := &w.slots[w.at%int64(len(w.slots))]
		due, rest := *slot, (*slot)[:0:0]
		*slot = nil
		for _, c := range due {
			switch at := int64(c.wake / w.tick); {
			case c.gone || at < w.at || (at-w.at)%int64(len(w.slots)) != 0:
				// An entry that was replaced by an earlier one.
			case at > w.at:
				rest = append(rest, c) // a later turn of the wheel
			default:
				c.wake = 0
				look(c)
			}
		}
		*slot = append(*slot, rest...)
	}
}
