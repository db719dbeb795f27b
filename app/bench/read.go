package bench

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// read measures lists: home timelines, notifications, a thread, followers; on sites of several sizes, on the first page
// and far down.
type read struct {
	sizes                           numbers
	readers, follows, replies, fans int
	lasts                           time.Duration
	rate                            float64
	clients, deep                   numbers
	only                            string
	servers                         []*site
	variants                        map[string][]*variant // by list
}

func readScenario() Scenario {
	return Scenario{Name: "read",
		Short: "lists of the API: latency and CPU of pages near the top and far down, on a small and a large site",
		Small: []string{"-sizes=300,900", "-readers=20", "-follows=8", "-replies=60", "-followers=60", "-for=100ms",
			"-clients=2", "-pages=3"},
		Needs: []string{"readers", "for"},
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &read{sizes: numbers{10_000, 1_000_000}, clients: numbers{8, 64}, deep: numbers{400, 1000},
				variants: map[string][]*variant{}}
			fs.Var(&f.sizes, "sizes",
				"sites of so many posts, with as many notifications in one inbox; the last is measured in full")
			fs.IntVar(&f.readers, "readers", 1000, "people who read and write")
			fs.IntVar(&f.follows, "follows", 200, "people each of them follows")
			fs.IntVar(&f.replies, "replies", 21_000, "replies in the thread, on a small site as many as it has posts at most")
			fs.IntVar(&f.fans, "followers", 21_000, "others who follow the person whose followers are listed")
			fs.DurationVar(&f.lasts, "for", 3*time.Second, "how long each run lasts")
			fs.Float64Var(&f.rate, "rate", 200, "requests a second in the runs at a steady rate; 0 = no such runs")
			fs.Var(&f.clients, "clients", "clients of the runs at full rate, one run after the other")
			fs.Var(&f.deep, "pages", "pages of 20 far down, where a list has so many")
			fs.StringVar(&f.only, "only", "", "lists whose names begin so")
			return f.run
		}}
}

// pageSize is how many items a page has: the default of the API.
const pageSize = 20

// site is one size of the past, with a server on it.
type site struct {
	size    int
	server  *Server
	people  seed.People
	follows [][]int // of the readers
}

// variant is one page of one list on one site, and the answer that the server must give.
type variant struct {
	site *site
	page int
	who  client.Person
	path string
	body []byte
}

func (f *read) run(ctx context.Context, b *Bench) error {
	if !slices.ContainsFunc(listNames, func(name string) bool { return strings.HasPrefix(name, f.only) }) {
		return fmt.Errorf("%w read: no list begins with %q", ErrUsage, f.only)
	}
	for _, size := range f.sizes {
		s, err := f.serve(ctx, b, size)
		if err != nil {
			return err
		}
		f.servers = append(f.servers, s)
	}
	for _, name := range listNames {
		if !strings.HasPrefix(name, f.only) {
			continue
		}
		for _, s := range f.servers {
			b.Progress(name, 0, 0)
			if err := f.collect(b, s, name); err != nil {
				return err
			}
		}
		if err := f.list(ctx, b, name); err != nil {
			return err
		}
	}
	return nil
}

// serve makes a site: readers who follow each other and write everything, and others who follow reader 1.
func (f *read) serve(ctx context.Context, b *Bench, size int) (*site, error) {
	if f.readers < 2 || size < pageSize {
		return nil, fmt.Errorf("%w read: at least 2 readers and %d posts", ErrUsage, pageSize)
	}
	replies := min(f.replies, size)
	s := &site{size: size, follows: make([][]int, f.readers)}
	follows := func(yield func(seed.Follow) bool) {
		for list := range f.edges(b.Seed) {
			if !yield(list) {
				return
			}
		}
		for fan := range seed.FansOf(1, f.readers, f.fans) {
			if !yield(fan) {
				return
			}
		}
	}
	for e := range f.edges(b.Seed) {
		s.follows[e.Follower] = append(s.follows[e.Follower], e.Followed)
	}
	b.Progress(fmt.Sprintf("make %d posts", size), 0, 0)
	var err error
	past := seed.Past{Seed: b.Seed, Threads: []int{replies}, Pushes: []int{size - replies}, Posts: size,
		Authors: f.readers}
	s.server, s.people, err = b.Serve(ctx, seed.Plan{People: f.readers + f.fans, Follows: follows, Past: past})
	return s, err
}

func (f *read) edges(chance uint64) iter.Seq[seed.Follow] {
	return seed.CrowdFollows(chance, f.readers, f.follows)
}

// list measures everything about one list: at a steady rate each page of the largest site, at full rate the first
// page, and all pages of all sites in turn, because figures that are compared must be of the same minute.
func (f *read) list(ctx context.Context, b *Bench, name string) error {
	largest := f.servers[len(f.servers)-1]
	for _, v := range f.variants[name] {
		if v.site != largest {
			continue
		}
		if f.rate > 0 {
			l := client.Load{Address: largest.server.Address, Clients: 16, Lasts: f.lasts, Rate: f.rate}
			if err := measureReads(ctx, b, largest.server, l, v.name(name)+fmt.Sprintf(", %g/s", f.rate), v); err != nil {
				return err
			}
		}
	}
	for _, v := range f.variants[name] {
		if v.page != 1 {
			continue
		}
		for _, n := range f.clients {
			l := client.Load{Address: v.site.server.Address, Clients: n, Lasts: f.lasts}
			if err := measureReads(ctx, b, v.site.server, l, v.name(name)+fmt.Sprintf(", %d clients", n), v); err != nil {
				return err
			}
		}
	}
	if name == homeList {
		if err := f.inTurn(ctx, b, largest); err != nil {
			return err
		}
	}
	return f.compare(ctx, b, name)
}

// inTurn has all readers ask for their own home timeline, one after the other.
func (f *read) inTurn(ctx context.Context, b *Bench, s *site) error {
	c := client.NewCaller(s.server.Address)
	defer c.Close()
	all := make([]*variant, f.readers)
	for i := range all {
		b.Progress("timelines of all readers", i, f.readers)
		l := s.list(homeList, i)
		err := l.pages.Walk(c, func(page int, cursor string, body []byte, ids []string) error {
			l.check(&b.Report.Checked, ids)
			all[i] = &variant{site: s, page: page, who: l.pages.Who, path: l.pages.At(cursor), body: bytes.Clone(body)}
			return client.ErrEnd
		})
		if err != nil {
			return err
		}
	}
	for _, n := range f.clients {
		name := fmt.Sprintf("%s %s, %d readers in turn, %d clients", homeList, short(s.size), len(all), n)
		l := client.Load{Address: s.server.Address, Clients: n, Lasts: f.lasts}
		if err := measureReads(ctx, b, s.server, l, name, all...); err != nil {
			return err
		}
	}
	return nil
}

// measureReads has clients ask for pages in turn, and adds the row. Each answer must be the same as before.
func measureReads(ctx context.Context, b *Bench, server *Server, l client.Load, name string, list ...*variant) error {
	b.Progress(name, 0, 0)
	m := machine.Measure(server.PID())
	r := l.Run(ctx, func(c *client.Caller, which, n int) error {
		return list[(n*l.Clients+which)%len(list)].read(c)
	})
	u := m.End()
	b.Report.Checked.Add(r.Checked)
	b.Report.Checked.Deliveries += int64(r.Latency.N())
	b.Report.Row(name).Rate("reads", r.Latency.N(), r.Took).Latency(&r.Latency).Usage(u, r.Latency.N())
	return ctx.Err()
}

// read asks for a page and compares it with the earlier answer.
func (v *variant) read(c *client.Caller) error {
	status, reply, err := c.Ask("GET", v.path, v.who.Credential(), nil)
	if err == nil && (status != 200 || !bytes.Equal(reply, v.body)) {
		err = fmt.Errorf("%s: status %d, and not what it was: %.120s", v.path, status, reply)
	}
	return err
}

func (v *variant) name(list string) string {
	return fmt.Sprintf("%s %s, page %d", list, short(v.site.size), v.page)
}

// compare asks for every page on every site in turn, one request at a time, and adds how much longer a page far down
// takes than the first, and a large site than a small one.
func (f *read) compare(ctx context.Context, b *Bench, name string) error {
	list := f.variants[name]
	callers, latency := map[*site]*client.Caller{}, make([]client.Histogram, len(list))
	for _, s := range f.servers {
		callers[s] = client.NewCaller(s.server.Address)
		defer callers[s].Close()
	}
	for began := time.Now(); time.Since(began) < f.lasts && ctx.Err() == nil; {
		for i, v := range list {
			asked := time.Now()
			if err := v.read(callers[v.site]); err != nil {
				return err
			}
			latency[i].Add(time.Since(asked))
		}
	}
	largest := f.servers[len(f.servers)-1]
	for i, v := range list {
		for k, other := range list {
			ratio := float64(latency[i].Quantile(0.5)) / float64(max(latency[k].Quantile(0.5), 1))
			switch {
			case v.page != 1 && v.site == other.site && other.page == 1:
				b.Report.Row(fmt.Sprintf("%s : page 1", v.name(name))).Figure("p50_ms", millis(latency[i].Quantile(0.5))).
					Figure("ratio", ratio)
			case v.site == largest && other.site != largest && v.page == 1 && other.page == 1:
				b.Report.Row(fmt.Sprintf("%s : %s", v.name(name), short(other.site.size))).
					Figure("p50_ms", millis(latency[i].Quantile(0.5))).Figure("ratio", ratio)
			}
		}
	}
	return ctx.Err()
}

// short writes 10k and 1M.
func short(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprint(n)
}
