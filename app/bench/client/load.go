package client

import (
	"context"
	"sync"
	"time"
)

// Load is a number of clients that make requests, each on its own connection.
type Load struct {
	Address string
	Clients int
	Lasts   time.Duration
	// Rate is how many requests a second all clients make together, whatever the answers take; 0 = each asks again
	// when it has its answer.
	Rate float64
}

// Request makes the nth request of a client. An error describes what is wrong with the answer.
type Request func(c *Caller, client, n int) error

// Result is the outcome of a load.
type Result struct {
	Latency  Histogram
	Took     time.Duration
	Received int64 // bytes of answers, heads included
	Checked  Checked
}

// enough is how many requests may fail before a client gives up.
const enough = 20

// Run has all clients ask and returns when they have ended.
func (l Load) Run(ctx context.Context, ask Request) *Result {
	results := make([]Result, l.Clients)
	began := time.Now()
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { l.client(ctx, i, began, ask, &results[i]) })
	}
	all.Wait()
	sum := &Result{Took: time.Since(began)}
	for i := range results {
		sum.Latency.Merge(&results[i].Latency)
		sum.Received += results[i].Received
		sum.Checked.Add(results[i].Checked)
	}
	return sum
}

// client makes requests until its time is over. With a rate, the latency of a request begins when the request was due,
// so that a slow answer counts for the requests that had to wait for it as well.
func (l Load) client(ctx context.Context, i int, began time.Time, ask Request, r *Result) {
	c := NewCaller(l.Address)
	defer func() {
		c.Close()
		r.Received = c.Received()
	}()
	for n := 0; ; n++ {
		start := time.Now()
		if l.Rate > 0 {
			due := began.Add(time.Duration(float64(n*l.Clients+i) / l.Rate * float64(time.Second)))
			if due.Sub(began) >= l.Lasts {
				return
			}
			if wait := due.Sub(start); wait > 0 {
				if Pause(ctx, wait) != nil {
					return
				}
				due = time.Now() // a late timer is not the server's latency
			}
			start = due
		} else if start.Sub(began) >= l.Lasts || ctx.Err() != nil {
			return
		}
		err := ask(c, i, n)
		r.Latency.Add(time.Since(start))
		if err == nil {
			continue
		}
		r.Checked.Failed++
		r.Checked.Fault("client %d: %v", i, err)
		if r.Checked.Failed >= enough {
			return
		}
	}
}

// Pause waits; not at all for a time that is over.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
