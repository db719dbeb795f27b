package sse

import (
	"testing"

	"pgregory.net/rapid"
)

// TestQueue: first in, first out, however pushes and pops come, and memory follows what is in it.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var q queue[int]
		var want []int
		next, most := 0, 0
		for range rapid.IntRange(0, 300).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "push") {
				next++
				q.push(next)
				want = append(want, next)
			} else if len(want) > 0 {
				if first, got := q.first(), q.pop(); got != want[0] || first != got {
					rt.Fatalf("got %d after %d, want %d", got, first, want[0])
				}
				want = want[1:]
			}
			most = max(most, len(want))
			if q.len() != len(want) || cap(q.items) > 4*most+8 {
				rt.Fatalf("%d in it, want %d; room for %d, most were %d", q.len(), len(want), cap(q.items), most)
			}
		}
	})
}
