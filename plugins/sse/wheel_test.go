package sse

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWheel against a map of moments: each connection is looked at once, at the earliest moment set since the last
// look, in no other order than time's; one that was removed is not.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := wheel{tick: time.Millisecond}
		all := make([]*connection, 5)
		number := map[*connection]int{}
		for i := range all {
			all[i] = &connection{}
			number[all[i]] = i
		}
		moments := map[int]int64{} // by connection, in ticks
		now := int64(0)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(rt, "connection")
			switch rapid.SampledFrom([]string{"set", "set", "set", "remove", "advance"}).Draw(rt, "step") {
			case "set":
				n := now + rapid.Int64Range(-3, 600).Draw(rt, "at")
				w.set(all[i], time.Duration(n)*w.tick)
				n = max(n, now+1)
				if was, ok := moments[i]; !ok || n < was {
					moments[i] = n
				}
			case "remove":
				w.remove(all[i])
				delete(moments, i)
			case "advance":
				now += rapid.Int64Range(0, 300).Draw(rt, "ticks")
				var last int64
				w.advance(time.Duration(now)*w.tick, func(c *connection) {
					at, ok := moments[number[c]]
					if !ok || at != w.at || at < last {
						rt.Fatalf("%d was looked at in tick %d; set for %d, %v", number[c], w.at, at, ok)
					}
					delete(moments, number[c])
					if last = at; at%3 == 0 { // look may set again
						w.set(c, time.Duration(at+256)*w.tick)
						moments[number[c]] = at + 256
					}
				})
				for i, at := range moments {
					if at <= now {
						rt.Fatalf("%d was set for %d and not looked at until %d", i, at, now)
					}
				}
			}
			var known []int
			for _, c := range w.slots {
				for ; c != nil; c = c.wake.next {
					known = append(known, number[c])
				}
			}
			slices.Sort(known)
			if want := slices.Sorted(maps.Keys(moments)); !slices.Equal(known, want) {
				rt.Fatalf("in the wheel are %v, want %v", known, want)
			}
		}
	})
}
