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

// idle measures connected people who receive nothing.
type idle struct {
	streams, follows, times int
	hold                    time.Duration
}

func idleScenario() Scenario {
	return Scenario{Name: "idle",
		Short: "connected people who are told nothing: connects a second, memory and CPU of a stream",
		Small: []string{"-streams=500", "-for=2s", "-times=2"},
		Needs: []string{"streams", "for"},
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &idle{}
			fs.IntVar(&f.streams, "streams", 10_000, "streams, each of a person of their own")
			fs.IntVar(&f.follows, "follows", 0, "people each of them follows, the popular ones more often")
			fs.DurationVar(&f.hold, "for", 30*time.Second, "how long they are held")
			fs.IntVar(&f.times, "times", 5, "how often all are dropped and opened again")
			return f.run
		}}
}

func (f *idle) run(ctx context.Context, b *Bench) error {
	server, people, err := b.Serve(ctx, seed.Plan{People: f.streams,
		Follows: seed.CrowdFollows(b.Seed, f.streams, f.follows)})
	if err != nil {
		return err
	}
	return f.against(ctx, b, server, people.List)
}

// against measures a server that has the people.
func (f *idle) against(ctx context.Context, b *Bench, server *Server, people []client.Person) error {
	c, err := client.NewCrowd(server.Address, b.query(), people, client.NewLedger(f.streams, 0, 0))
	if err != nil {
		return err
	}
	err = f.measure(ctx, b, server, c)
	b.Report.Checked.Add(c.Close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(c.Ledger.Verify(make([][]uint32, f.streams), false))
	return nil
}

func (f *idle) measure(ctx context.Context, b *Bench, server *Server, c *client.Crowd) error {
	all := c.Everyone()
	// The first stream pays for what all streams share.
	if _, err := c.Connect(ctx, all[:1], b.step("connect")); err != nil {
		return err
	}
	empty := server.Memory()
	m := machine.Measure(server.PID())
	took, err := c.Connect(ctx, all[1:], b.step("connect"))
	if err != nil {
		return err
	}
	b.Report.Row("connect").Rate("connects", f.streams-1, took).Latency(&c.Greeted).Usage(m.End(), f.streams-1)
	memory := func(name string) {
		if server.PID() == 0 {
			return
		}
		now := server.Memory()
		b.Report.Row(name).Figure("rss_mb", mb(now.RSS)).Figure("anonymous_mb", mb(now.Anonymous)).
			Figure("file_mb", mb(now.File)).
			Figure("kb_per_stream", float64(now.RSS-empty.RSS)/1024/float64(f.streams-1))
	}
	memory("connected")
	m = machine.Measure(server.PID())
	for held := time.Duration(0); held < f.hold; held += time.Second {
		b.Progress("hold", int(held/time.Second), int(f.hold/time.Second))
		if err := client.Pause(ctx, min(time.Second, f.hold-held)); err != nil {
			return err
		}
	}
	u := m.End()
	row := b.Report.Row("held " + f.hold.String())
	if u.Known {
		row.Figure("server_cpu_percent", 100*u.Server.Seconds()/u.Took.Seconds())
	}
	row.Figure("client_cpu_percent", 100*u.Client.Seconds()/u.Took.Seconds())
	memory("after it")
	for i := range f.times {
		c.Drop(all)
		if err := server.rest(ctx); err != nil {
			return err
		}
		if took, err = c.Connect(ctx, all, b.step(fmt.Sprintf("reopen %d", i+1))); err != nil {
			return err
		}
		memory(fmt.Sprintf("reopened %d", i+1))
		b.Report.Rows[len(b.Report.Rows)-1].Rate("connects", f.streams, took)
	}
	return nil
}
