package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// stuck measures connected people who stop reading, beside others who read.
type stuck struct {
	healthy, silent, size int
	rate                  float64
	hold                  time.Duration
}

func stuckScenario() Scenario {
	return Scenario{Name: "stuck",
		Short: "people who stop reading beside others who read: what it costs those, and when they are let go",
		Small: []string{"-healthy=200", "-silent=20", "-for=4s", "-set=channels.sse.progress_timeout=1s"},
		Needs: []string{"healthy", "silent", "size", "rate", "for"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &stuck{}
			fs.IntVar(&f.healthy, "healthy", 5000, "connected people who read")
			fs.IntVar(&f.silent, "silent", 500, "connected people who do not")
			fs.IntVar(&f.size, "size", 4000, "characters of a post: what nobody reads has to fill a socket")
			fs.Float64Var(&f.rate, "rate", 8, "posts a second")
			fs.DurationVar(&f.hold, "for", 20*time.Second, "how long is posted, first to those who read and then to both")
			return f.run
		}}
}

func (f *stuck) run(ctx context.Context, b *Bench) error {
	if b.URL != "" {
		return fmt.Errorf("%w: stuck needs a server of our own", ErrUsage)
	}
	server, people, err := b.Serve(ctx, seed.Plan{People: 1 + f.healthy + f.silent,
		Follows: seed.FansOf(0, 1, f.healthy+f.silent)})
	if err != nil {
		return err
	}
	posts := max(1, int(f.rate*f.hold.Seconds()))
	alone := &fanout{followers: f.healthy, posts: posts, size: f.size, rate: f.rate}
	if err := alone.against(ctx, b, server, people.List[:1+f.healthy]); err != nil {
		return err
	}
	b.Report.Rows[len(b.Report.Rows)-1].Name = "alone"
	l := client.NewLedger(f.healthy+f.silent, warming+posts, warming+posts)
	l.CountFrom(warming)
	c, err := client.NewCrowd(server.Address, b.query(), people.List[1:], l)
	if err != nil {
		return err
	}
	err = f.beside(ctx, b, server, people.List[0], c, posts)
	b.Report.Checked.Add(c.Close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.Verify(l.Expected(func(int) bool { return true }), true))
	return nil
}

// beside posts to both, waits until the server has closed the streams that are not read, and connects these again.
func (f *stuck) beside(ctx context.Context, b *Bench, server *Server, author client.Person, c *client.Crowd,
	posts int) error {
	everyone := c.Everyone()
	readers, silent := everyone[:f.healthy], everyone[f.healthy:]
	if _, err := c.Connect(ctx, readers, b.step("connect")); err != nil {
		return err
	}
	for n, i := range silent {
		conn, err := c.OpenSilent(i)
		if err != nil {
			return fmt.Errorf("silent stream %d: %w", n, err)
		}
		defer func() { _ = conn.Close() }()
		b.Progress("connect the silent", n+1, len(silent))
	}
	before := server.Memory()
	w := client.NewWriter(server.Address, c.Ledger)
	defer w.Close()
	m := machine.Measure(server.PID())
	began := c.Ledger.Now()
	freed := time.Duration(0)
	for n := range warming + posts {
		due := time.Duration(began) + time.Duration(float64(n)/f.rate*float64(time.Second))
		if err := client.Pause(ctx, due-time.Duration(c.Ledger.Now())); err != nil {
			return err
		}
		w.Post(author, n, client.Everybody, f.size)
		if err := f.look(ctx, server, began, c, &freed); err != nil {
			return err
		}
	}
	if err := c.Ledger.Await(ctx, (warming+posts)*f.healthy, b.step("deliveries")); err != nil {
		return err
	}
	row := b.Report.Row("beside the silent").Rate("deliveries", posts*f.healthy, time.Duration(c.Ledger.LastAt-began)).
		Latency(&c.Ledger.Latency).Answers(&w.Answers).Usage(m.End(), posts*f.healthy)
	if err := f.awaitFreed(ctx, server, began, c, &freed); err != nil {
		return err
	}
	if freed == 0 {
		w.Checked.Failed++
		w.Checked.Fault("the server still holds streams that are not read")
	}
	row.Figure("freed_after_s", freed.Seconds()).Figure("grown_mb", mb(server.Memory().RSS-before.RSS))
	b.Report.Checked.Add(w.Checked)
	return f.comeBack(ctx, b, c, silent, (warming+posts)*len(everyone))
}

// comeBack connects the silent again, who read now, and waits until there were so many deliveries in all.
func (f *stuck) comeBack(ctx context.Context, b *Bench, c *client.Crowd, silent []int, deliveries int) error {
	began := time.Now()
	took, err := c.Connect(ctx, silent, b.step("come back"))
	if err != nil {
		return err
	}
	if err := c.Ledger.Await(ctx, deliveries, b.step("catch up")); err != nil {
		return err
	}
	b.Report.Row("the silent come back").Rate("connects", len(silent), took).
		Figure("caught_up_ms", millis(time.Since(began)))
	return nil
}

// awaitFreed looks until the server has closed the silent streams, or has had the time for it.
func (f *stuck) awaitFreed(ctx context.Context, server *Server, began int64, c *client.Crowd,
	freed *time.Duration) error {
	for *freed == 0 && time.Duration(c.Ledger.Now()-began) < f.hold+client.Patience {
		if err := client.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if err := f.look(ctx, server, began, c, freed); err != nil {
			return err
		}
	}
	return nil
}

// look sets freed once the server has no more streams than those that are read.
func (f *stuck) look(ctx context.Context, server *Server, began int64, c *client.Crowd, freed *time.Duration) error {
	if *freed > 0 {
		return nil
	}
	open, err := server.openStreams(ctx)
	if err == nil && open <= f.healthy {
		*freed = time.Duration(c.Ledger.Now() - began)
	}
	return err
}

var openStreams = regexp.MustCompile(`(?m)^belfry_sse_connections\{[^}]*\} (\d+)$`)

// openStreams asks the server for its own figure.
func (s *Server) openStreams(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	m := openStreams.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no belfry_sse_connections among the server's figures")
	}
	return strconv.Atoi(string(m[1]))
}
