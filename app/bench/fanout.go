package bench

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// fanout measures one author whose posts go to connected followers.
type fanout struct {
	followers, bystanders, posts, size int
	rate                               float64
}

func fanoutScenario() Scenario {
	return Scenario{Name: "fanout",
		Short: "one author posts to connected followers: deliveries a second, latency, loss and order",
		Small: []string{"-followers=500", "-posts=10"},
		Needs: []string{"followers", "posts", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &fanout{}
			fs.IntVar(&f.followers, "followers", 10_000, "connected people who follow the author")
			fs.IntVar(&f.bystanders, "bystanders", 0, "connected people who do not")
			fs.IntVar(&f.posts, "posts", 40, "posts, one after the other")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			fs.Float64Var(&f.rate, "rate", 0, "posts a second; 0 = as fast as they are answered")
			return f.run
		}}
}

// warming is the number of posts before the measurement; the first posts fill caches.
const warming = 3

func (f *fanout) run(ctx context.Context, b *Bench) error {
	plan := seed.Plan{People: 1 + f.followers + f.bystanders, Follows: seed.FansOf(0, 1, f.followers)}
	server, people, err := b.Serve(ctx, plan)
	if err != nil {
		return err
	}
	return f.against(ctx, b, server, people.List)
}

// against measures a server on which people exist: the author, then the followers, then the bystanders.
func (f *fanout) against(ctx context.Context, b *Bench, server *Server, people []client.Person) error {
	l := client.NewLedger(f.followers+f.bystanders, warming+f.posts, warming+f.posts)
	l.CountFrom(warming)
	c, err := client.NewCrowd(server.Address, b.query(), people[1:], l)
	if err != nil {
		return err
	}
	err = f.measure(ctx, b, server, people[0], c)
	b.Report.Checked.Add(c.Close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.Verify(l.Expected(func(r int) bool { return r < f.followers }), true))
	return nil
}

func (f *fanout) measure(ctx context.Context, b *Bench, server *Server, author client.Person, c *client.Crowd) error {
	if _, err := c.Connect(ctx, c.Everyone(), b.step("connect")); err != nil {
		return err
	}
	w := client.NewWriter(server.Address, c.Ledger)
	defer w.Close()
	for n := range warming {
		w.Post(author, n, client.Everybody, f.size)
	}
	if err := c.Ledger.Await(ctx, warming*f.followers, b.step("warm up")); err != nil {
		return err
	}
	w.Answers = client.Histogram{}
	m := machine.Measure(server.PID())
	began := c.Ledger.Now()
	for i := range f.posts {
		var due time.Duration
		if f.rate > 0 {
			due = time.Duration(began) + time.Duration(float64(i)/f.rate*float64(time.Second))
		}
		if err := client.Pause(ctx, due-time.Duration(c.Ledger.Now())); err != nil {
			return err
		}
		b.Progress("posts", i, f.posts)
		w.Post(author, warming+i, client.Everybody, f.size)
	}
	deliveries := f.posts * f.followers
	if err := c.Ledger.Await(ctx, warming*f.followers+deliveries, b.step("deliveries")); err != nil {
		return err
	}
	u := m.End()
	b.Report.Checked.Add(w.Checked)
	name := "full rate"
	if f.rate > 0 {
		name = fmt.Sprintf("%g posts/s", f.rate)
	}
	b.Report.Row(name).Rate("deliveries", deliveries, time.Duration(c.Ledger.LastAt-began)).Latency(&c.Ledger.Latency).
		Answers(&w.Answers).
		Usage(u, deliveries)
	return nil
}
