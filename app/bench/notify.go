package bench

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"

	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// notify measures notifications that a host application pushes to connected people.
type notify struct {
	users, publishers, size int
	rate                    float64
	hold                    time.Duration
}

func notifyScenario() Scenario {
	return Scenario{Name: "notify",
		Short: "notifications pushed to connected people at random: rate, and latency to the socket",
		Small: []string{"-users=200", "-publishers=8", "-for=1s"},
		Needs: []string{"users", "publishers", "size", "for"}, Longest: longestNotification,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &notify{}
			fs.IntVar(&f.users, "users", 10_000, "connected people")
			fs.IntVar(&f.publishers, "publishers", 64, "requests at once")
			fs.IntVar(&f.size, "size", 100, "characters of a notification")
			fs.Float64Var(&f.rate, "rate", 0, "notifications a second; 0 = as fast as they are answered")
			fs.DurationVar(&f.hold, "for", 10*time.Second, "how long")
			return f.run
		}}
}

// mostPerSecond bounds the messages that the ledger has room for.
const mostPerSecond = 100_000

func (f *notify) run(ctx context.Context, b *Bench) error {
	server, people, err := b.Serve(ctx, seed.Plan{People: f.users, Service: true})
	if err != nil {
		return err
	}
	messages := int(f.hold.Seconds()*mostPerSecond) + f.users + 1
	l := client.NewLedger(f.users, messages, 0)
	c, err := client.NewCrowd(server.Address, b.query(), people.List, l)
	if err != nil {
		return err
	}
	err = f.measure(ctx, b, server, people, c)
	b.Report.Checked.Add(c.Close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.Verify(l.Expected(nil), false))
	return nil
}

func (f *notify) measure(ctx context.Context, b *Bench, server *Server, people seed.People, c *client.Crowd) error {
	if _, err := c.Connect(ctx, c.Everyone(), b.step("connect")); err != nil {
		return err
	}
	l := c.Ledger
	p := &pushing{notify: f, server: server, people: people, ledger: l, seed: b.Seed}
	// The first messages fill caches.
	if _, err := p.run(ctx, func(n int) bool { return n < min(f.users, 1000) }, 0); err != nil {
		return err
	}
	if err := l.Await(ctx, p.sent(), b.step("warm up")); err != nil {
		return err
	}
	first := p.sent()
	l.CountFrom(first) // no message is on its way now
	m := machine.Measure(server.PID())
	began := time.Now()
	answers, err := p.run(ctx, func(n int) bool {
		b.Progress("push", int(time.Since(began)/time.Second), int(f.hold/time.Second))
		return time.Since(began) < f.hold && n < l.Room()
	}, f.rate)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if err := l.Await(ctx, p.sent(), b.step("deliveries")); err != nil {
		return err
	}
	u := m.End()
	b.Report.Checked.Add(p.checked)
	pushed := p.sent() - first
	name := "full speed"
	if f.rate > 0 {
		name = fmt.Sprintf("%g/s", f.rate)
	}
	b.Report.Row(name).Rate("notifications", pushed, took).Latency(&l.Latency).
		Answers(answers).
		Usage(u, pushed)
	return nil
}

// pushing is the state that all publishers share.
type pushing struct {
	*notify
	server *Server
	people seed.People
	ledger *client.Ledger
	seed   uint64

	mu      sync.Mutex
	next    int // number of the next message
	began   time.Time
	checked client.Checked
}

// sent is the number of messages so far. No publisher may run meanwhile.
func (p *pushing) sent() int { return p.next }

// run publishes as long as more says so, and returns how long the answers took.
func (p *pushing) run(ctx context.Context, more func(n int) bool, rate float64) (*client.Histogram, error) {
	var all client.Histogram
	var running sync.WaitGroup
	p.began = time.Now()
	first := p.next
	for i := range p.publishers {
		rng := rand.New(rand.NewPCG(p.seed, uint64(first+i+2)))
		running.Go(func() {
			w := client.NewWriter(p.server.Address, p.ledger)
			defer w.Close()
			for {
				n, due, ok := p.take(more, first, rate)
				if !ok || client.Pause(ctx, time.Until(due)) != nil {
					break
				}
				to := rng.IntN(len(p.people.List))
				w.Push(p.people.Service, p.people.List[to], n, to, p.size)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			all.Merge(&w.Answers)
			p.checked.Add(w.Checked)
		})
	}
	running.Wait()
	return &all, ctx.Err()
}

// take gives a publisher the next number and the moment at which it is due.
func (p *pushing) take(more func(n int) bool, first int, rate float64) (n int, due time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !more(p.next) {
		return 0, due, false
	}
	n = p.next
	p.next++
	if rate > 0 {
		due = p.began.Add(time.Duration(float64(n-first) / rate * float64(time.Second)))
	}
	return n, due, true
}
