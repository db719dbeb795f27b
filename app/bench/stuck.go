package bench

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// stuck is connected people who stop reading, beside others who read.
type stuck struct {
	healthy, silent, size int
	rate                  float64
	hold                  time.Duration
}

func stuckScenario() Scenario {
	return Scenario{Name: "stuck", Short: "people who stop reading beside others who read: what it costs those, and when they are let go",
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
	server, people, err := b.Serve(ctx, Plan{People: 1 + f.healthy + f.silent, Follows: func(yield func(Follow) bool) {
		for i := range f.healthy + f.silent {
			if !yield(Follow{Follower: 1 + i, Followed: 0}) {
				return
			}
		}
	}})
	if err != nil {
		return err
	}
	posts := max(1, int(f.rate*f.hold.Seconds()))
	alone := &fanout{followers: f.healthy, posts: posts, size: f.size, rate: f.rate}
	if err := alone.against(ctx, b, server, people.List[:1+f.healthy]); err != nil {
		return err
	}
	b.Report.Rows[len(b.Report.Rows)-1].Name = "alone"
	l := newLedger(f.healthy+f.silent, warming+posts, warming+posts)
	l.since.Store(warming)
	c, err := newCrowd(server, b.query(), people.List[1:], l)
	if err != nil {
		return err
	}
	err = f.beside(ctx, b, server, people.List[0], c, posts)
	b.Report.Checked.Add(c.close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.verify(l.expected(func(int) bool { return true }), true))
	return nil
}

// beside posts to both, waits until the server has let go of those who do not read, and has them come back.
func (f *stuck) beside(ctx context.Context, b *Bench, server *Server, author Person, c *crowd, posts int) error {
	everyone := c.everyone()
	readers, silent := everyone[:f.healthy], everyone[f.healthy:]
	if _, err := c.connect(ctx, readers, b.step("connect")); err != nil {
		return err
	}
	for n, i := range silent {
		conn, err := c.listenNot(i)
		if err != nil {
			return fmt.Errorf("silent stream %d: %w", n, err)
		}
		defer func() { _ = conn.Close() }()
		b.Progress("connect the silent", n+1, len(silent))
	}
	before := server.Memory()
	w := newWriter(server, c.ledger)
	defer w.close()
	m := b.Measure(server)
	began := c.ledger.now()
	freed := time.Duration(0)
	for n := range warming + posts {
		due := time.Duration(began) + time.Duration(float64(n)/f.rate*float64(time.Second))
		if err := pause(ctx, due-time.Duration(c.ledger.now())); err != nil {
			return err
		}
		w.post(author, n, everybody, f.size)
		if err := f.look(ctx, server, began, c, &freed); err != nil {
			return err
		}
	}
	if err := c.ledger.await(ctx, (warming+posts)*f.healthy, b.step("deliveries")); err != nil {
		return err
	}
	row := b.Report.Row("beside the silent").Rate("deliveries", posts*f.healthy, time.Duration(c.ledger.lastAt-began)).Latency(&c.ledger.latency).
		Figure("answer_p50_ms", millis(w.answers.Quantile(0.5))).Figure("answer_p99_ms", millis(w.answers.Quantile(0.99))).Usage(m.End(), posts*f.healthy)
	for freed == 0 && time.Duration(c.ledger.now()-began) < f.hold+patience {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if err := f.look(ctx, server, began, c, &freed); err != nil {
			return err
		}
	}
	if freed == 0 {
		w.checked.Failed++
		w.checked.Fault("the server still holds streams of people who do not read")
	}
	row.Figure("freed_after_s", freed.Seconds()).Figure("grown_mb", mb(server.Memory().RSS-before.RSS))
	b.Report.Checked.Add(w.checked)
	back := time.Now()
	took, err := c.connect(ctx, silent, b.step("come back"))
	if err != nil {
		return err
	}
	if err := c.ledger.await(ctx, (warming+posts)*len(everyone), b.step("catch up")); err != nil {
		return err
	}
	b.Report.Row("the silent come back").Rate("connects", len(silent), took).Figure("caught_up_ms", millis(time.Since(back)))
	return nil
}

// look notes when only those who read are left.
func (f *stuck) look(ctx context.Context, server *Server, began int64, c *crowd, freed *time.Duration) error {
	if *freed > 0 {
		return nil
	}
	open, err := server.openStreams(ctx)
	if err == nil && open <= f.healthy {
		*freed = time.Duration(c.ledger.now() - began)
	}
	return err
}

// listenNot opens a stream with hardly any room for what comes, reads up to ready, and no further.
func (c *crowd) listenNot(i int) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, Control: littleRoom}
	conn, err := d.Dial("tcp", c.address)
	if err != nil {
		return nil, err
	}
	if _, err = conn.Write(c.request(nil, i)); err == nil {
		err = conn.SetReadDeadline(time.Now().Add(patience))
	}
	for r := bufio.NewReaderSize(conn, 512); err == nil; {
		var line string
		line, err = r.ReadString('\n')
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "id: "); ok && err == nil {
			if c.streams[i].held, err = social.ParseCursor(id); err == nil {
				return conn, nil
			}
		}
	}
	_ = conn.Close()
	return nil, err
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
