package bench

import (
	"context"
	"sync"
	"time"
)

// load is clients that ask, each on a connection of its own.
type load struct {
	server  *Server
	clients int
	lasts   time.Duration
	// rate is how many requests a second all clients make together, whatever the answers take; 0 = each asks again
	// when it has its answer.
	rate float64
}

// request is the nth request of a client. The error says what is wrong with the answer.
type request func(c *caller, client, n int) error

// result is what a load has found.
type result struct {
	latency Histogram
	took    time.Duration
	checked Checked
}

// enough is how many requests may fail before a client gives up.
const enough = 20

// run has all clients ask and returns when they have ended.
func (l load) run(ctx context.Context, ask request) *result {
	results := make([]result, l.clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { l.client(ctx, i, began, ask, &results[i]) })
	}
	all.Wait()
	sum := &result{took: time.Since(began)}
	for i := range results {
		sum.latency.Merge(&results[i].latency)
		sum.checked.Add(results[i].checked)
	}
	return sum
}

// client asks until its time is over. With a rate, a request that could not be made when it was due is measured from
// that moment on: an answer that keeps others waiting counts for them as well.
func (l load) client(ctx context.Context, i int, began time.Time, ask request, r *result) {
	c := newCaller(l.server)
	defer c.close()
	for n := 0; ; n++ {
		start := time.Now()
		if l.rate > 0 {
			due := began.Add(time.Duration(float64(n*l.clients+i) / l.rate * float64(time.Second)))
			if due.Sub(began) >= l.lasts {
				return
			}
			if wait := due.Sub(start); wait > 0 {
				if pause(ctx, wait) != nil {
					return
				}
				due = time.Now() // how exactly we wake is not the server's business
			}
			start = due
		} else if start.Sub(began) >= l.lasts || ctx.Err() != nil {
			return
		}
		err := ask(c, i, n)
		r.latency.Add(time.Since(start))
		if err == nil {
			continue
		}
		r.checked.Failed++
		r.checked.Fault("client %d: %v", i, err)
		if r.checked.Failed >= enough {
			return
		}
	}
}

// The bounds of settle.
const (
	settleLook = 50 * time.Millisecond
	settleMost = 10 * time.Second
	settleIdle = 500 * time.Microsecond // of CPU in one look
)

// settle returns when the server has done what the requests have left it to do: when it has hardly used any CPU for
// three looks. Without its process there is nothing to look at.
func settle(ctx context.Context, s *Server) error {
	last, err := cpuOf(s.PID())
	if err != nil {
		return ctx.Err() // not known: nothing is measured either
	}
	for quiet, waited := 0, time.Duration(0); quiet < 3 && waited < settleMost; waited += settleLook {
		if err := pause(ctx, settleLook); err != nil {
			return err
		}
		now, err := cpuOf(s.PID())
		if err != nil {
			return err
		}
		if quiet++; now-last > settleIdle {
			quiet = 0
		}
		last = now
	}
	return nil
}
