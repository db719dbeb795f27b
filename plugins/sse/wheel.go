package sse

import "time"

// wheel is a timer wheel: connections in slots by the tick at which they need a look. A slot is a list that hangs
// on the connections themselves: setting and removing are O(1), and one that has left is not kept until its moment.
// The hub's goroutine owns it.
type wheel struct {
	tick  time.Duration
	at    int64 // the tick that was looked at last
	slots [256]*connection
}

// hook is where a connection hangs in the wheel.
type hook struct {
	tick         int64 // when the wheel looks at it; 0 = it does not
	before, next *connection
}

// set makes at the moment of the next look, unless an earlier one is set.
func (w *wheel) set(c *connection, at time.Duration) {
	n := max(int64((at+w.tick-1)/w.tick), w.at+1)
	if c.gone || c.wake.tick > 0 && c.wake.tick <= n {
		return
	}
	w.remove(c)
	slot := &w.slots[n%int64(len(w.slots))]
	c.wake = hook{tick: n, next: *slot}
	if *slot != nil {
		(*slot).wake.before = c
	}
	*slot = c
}

// remove has the wheel forget a connection, if it knows it.
func (w *wheel) remove(c *connection) {
	p := c.wake
	if p.tick == 0 {
		return
	}
	if p.before != nil {
		p.before.wake.next = p.next
	} else {
		w.slots[p.tick%int64(len(w.slots))] = p.next
	}
	if p.next != nil {
		p.next.wake.before = p.before
	}
	c.wake = hook{}
}

// advance calls look for every connection whose moment has come by now. look may set that connection again and
// removes no other.
func (w *wheel) advance(now time.Duration, look func(*connection)) {
	for w.at < int64(now/w.tick) {
		w.at++
		for c := w.slots[w.at%int64(len(w.slots))]; c != nil; {
			due, next := c.wake.tick == w.at, c.wake.next // else: in a later round of the wheel
			if due {
				w.remove(c)
				look(c)
			}
			c = next
		}
	}
}
