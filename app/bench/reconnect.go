package bench

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// reconnect measures people who lose their connections at once and resume.
type reconnect struct {
	people, follows, news, size, times int
	restart                            bool
	within                             time.Duration
}

func reconnectScenario() Scenario {
	return Scenario{Name: "reconnect",
		Short: "people who follow many come back, with nothing new or with news: CPU of each, time until all are served",
		Small: []string{"-people=300", "-follows=20", "-news=5"},
		Needs: []string{"people", "times", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &reconnect{}
			fs.IntVar(&f.people, "people", 10_000, "people who come back")
			fs.IntVar(&f.follows, "follows", 200, "people each of them follows, the popular ones more often")
			fs.IntVar(&f.news, "news", 0, "posts by some of them, chosen at random, while all are away")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			fs.IntVar(&f.times, "times", 3, "how often; without --restart")
			fs.BoolVar(&f.restart, "restart", false,
				"the server is started again meanwhile, and they come back at random moments")
			fs.DurationVar(&f.within, "within", 2*time.Second, "with --restart: the time in which they come back")
			return f.run
		}}
}

func (f *reconnect) run(ctx context.Context, b *Bench) error {
	if f.restart && b.URL != "" {
		return fmt.Errorf("%w reconnect: a server at --url cannot be started again", ErrUsage)
	}
	follows := seed.CrowdFollows(b.Seed, f.people, f.follows)
	server, people, err := b.Serve(ctx, seed.Plan{People: f.people, Follows: follows})
	if err != nil {
		return err
	}
	c, err := client.NewCrowd(server.Address, b.query(), people.List,
		client.NewLedger(f.people, f.news*max(1, f.times), 0))
	if err != nil {
		return err
	}
	r := &returning{reconnect: f, b: b, server: server, crowd: c, followers: map[int][]int{},
		want: make([][]uint32, f.people)}
	if f.news > 0 {
		for e := range follows {
			r.followers[e.Followed] = append(r.followers[e.Followed], e.Follower)
		}
	}
	if f.restart {
		err = r.afterRestart(ctx)
	} else {
		err = r.again(ctx)
	}
	b.Report.Checked.Add(c.Close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(c.Ledger.Verify(r.want, true))
	return nil
}

// returning is one run of it.
type returning struct {
	*reconnect
	b         *Bench
	server    *Server
	crowd     *client.Crowd
	followers map[int][]int // by author
	posted    int
	awaited   int        // deliveries
	want      [][]uint32 // by reader
}

// again drops all streams and connects them as fast as possible, in turns with people on a second server who follow
// nobody: their cost is the cost of the connection itself.
func (r *returning) again(ctx context.Context) error {
	server, bare, err := r.besides(ctx)
	if err != nil {
		return err
	}
	if bare != nil {
		defer func() { r.b.Report.Checked.Add(bare.Close()) }()
		if _, err := r.back(ctx, server, bare, 0); err != nil { // the first time fills caches
			return err
		}
	}
	if _, err := r.back(ctx, r.server, r.crowd, 0); err != nil {
		return err
	}
	var cost, plain []time.Duration
	for i := range r.times {
		if bare != nil {
			u, err := r.back(ctx, server, bare, 0)
			if err != nil {
				return err
			}
			plain = append(plain, u.Server/time.Duration(r.people))
		}
		if err := r.post(ctx); err != nil {
			return err
		}
		u, err := r.back(ctx, r.server, r.crowd, r.awaited)
		if err != nil {
			return err
		}
		cost = append(cost, u.Server/time.Duration(r.people))
		r.b.Report.Row(fmt.Sprintf("round %d", i+1)).Rate("people", r.people, u.Took).Usage(u, r.people)
	}
	if bare != nil && r.server.PID() > 0 && r.times > 0 {
		slices.Sort(cost)
		slices.Sort(plain)
		middle := r.times / 2
		r.b.Report.Row("median").Figure("server_cpu_us", micros(cost[middle])).
			Figure("of_connection_us", micros(plain[middle])).
			Figure("beyond_it_us", micros(cost[middle]-plain[middle]))
	}
	return nil
}

// besides starts the second server, of people who follow nobody, unless there is nothing to compare.
func (r *returning) besides(ctx context.Context) (*Server, *client.Crowd, error) {
	if r.b.URL != "" || r.follows == 0 {
		return nil, nil, nil
	}
	server, people, err := r.b.Serve(ctx, seed.Plan{People: r.people})
	if err != nil {
		return nil, nil, err
	}
	c, err := client.NewCrowd(server.Address, r.b.query(), people.List, client.NewLedger(r.people, 0, 0))
	return server, c, err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// back connects a whole crowd at once, waits for so many deliveries in all, and drops the streams: the descriptors of
// the process suffice for one crowd.
func (r *returning) back(ctx context.Context, server *Server, c *client.Crowd, deliveries int) (machine.Usage, error) {
	if err := server.rest(ctx); err != nil {
		return machine.Usage{}, err
	}
	m := machine.Measure(server.PID())
	if _, err := c.Connect(ctx, c.Everyone(), r.b.step("come back")); err != nil {
		return machine.Usage{}, err
	}
	if err := c.Ledger.Await(ctx, deliveries, r.b.step("caught up")); err != nil {
		return machine.Usage{}, err
	}
	u := m.End()
	c.Drop(c.Everyone())
	return u, nil
}

// post publishes the news of a round, one after the other, by people chosen at random.
func (r *returning) post(ctx context.Context) error {
	w := client.NewWriter(r.server.Address, r.crowd.Ledger)
	defer w.Close()
	for i := range r.news {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.b.Progress("news", i, r.news)
		author := r.b.Rand.IntN(r.people)
		w.Post(r.crowd.People[author], r.posted, client.Everybody, r.size)
		r.want[author] = append(r.want[author], uint32(r.posted)) // authors read their own posts
		for _, reader := range r.followers[author] {
			r.want[reader] = append(r.want[reader], uint32(r.posted))
		}
		r.awaited += 1 + len(r.followers[author])
		r.posted++
	}
	r.b.Report.Checked.Add(w.Checked)
	return nil
}

// afterRestart restarts the server while all are connected, and connects them in random order over a time.
func (r *returning) afterRestart(ctx context.Context) error {
	c := r.crowd
	if _, err := c.Connect(ctx, c.Everyone(), r.b.step("connect")); err != nil {
		return err
	}
	c.MayEnd(true)
	began := time.Now()
	if err := r.server.Restart(ctx); err != nil {
		return err
	}
	restarted := time.Since(began)
	if err := c.AwaitEnd(ctx, r.people); err != nil {
		return err
	}
	c.MayEnd(false)
	if err := r.post(ctx); err != nil {
		return err
	}
	list := c.Everyone()
	r.b.Rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	c.Greeted = client.Histogram{} // no stream is open: the wire's goroutine does not use it
	m := machine.Measure(r.server.PID())
	took, err := c.ConnectWithin(ctx, list, r.within, r.b.step("come back"))
	if err != nil {
		return err
	}
	if err := c.Ledger.Await(ctx, r.awaited, r.b.step("caught up")); err != nil {
		return err
	}
	u := m.End()
	r.b.Report.Row("after restart").Figure("restart_s", restarted.Seconds()).Figure("all_served_s", took.Seconds()).
		Figure("all_caught_up_s", u.Took.Seconds()).Latency(&c.Greeted).Usage(u, r.people)
	return nil
}
