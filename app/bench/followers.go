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

// followers measures posts of authors with few and with many followers who are not connected: the cost of a post must
// not depend on the number of followers.
type followers struct {
	sizes     numbers
	connected int
	posts     int
	rounds    int
	size      int
}

func followersScenario() Scenario {
	return Scenario{Name: "followers",
		Short: "posts by people with few and many followers: time to the answer and into the log, CPU, bytes written",
		Small: []string{"-followers=2,40", "-connected=20", "-posts=4", "-rounds=2"},
		Needs: []string{"posts", "rounds", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &followers{sizes: numbers{10, 1000, 100_000}}
			fs.Var(&f.sizes, "followers", "how many follow each of the authors, none of them connected")
			fs.IntVar(&f.connected, "connected", 1000,
				"followers of one more author, all of them connected; 0 = there is no such author")
			fs.IntVar(&f.posts, "posts", 100, "posts of each author in one round, one after the other")
			fs.IntVar(&f.rounds, "rounds", 5, "rounds, in which the authors take turns")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			return f.run
		}}
}

// author is one author and what the posts cost.
type author struct {
	name      string
	person    int
	connected int // readers of each post, the author included
	answers   client.Histogram
	// log is from the request until all who are connected have heard it: the author alone, once the log holds it.
	log   client.Histogram
	usage machine.Usage
	posts int
}

func (f *followers) run(ctx context.Context, b *Bench) error {
	var authors []*author
	for i, n := range f.sizes {
		authors = append(authors, &author{name: fmt.Sprintf("%s followers", short(n)), person: i, connected: 1})
	}
	most := slices.Max(f.sizes)
	if f.connected > 0 {
		authors = append(authors, &author{name: fmt.Sprintf("%s followers, connected", short(f.connected)),
			person: len(authors), connected: 1 + f.connected})
	}
	n := len(authors)
	plan := seed.Plan{People: n + most + f.connected, Follows: func(yield func(seed.Follow) bool) {
		for i, size := range append(slices.Clone(f.sizes), f.connected) {
			first := n
			if i == len(f.sizes) {
				first += most
			}
			for e := range seed.FansOf(i, first, size) {
				if !yield(e) {
					return
				}
			}
		}
	}, Past: seed.Past{Seed: b.Seed}}
	server, people, err := b.Serve(ctx, plan)
	if err != nil {
		return err
	}
	hearing := append(slices.Clone(people.List[:n]), people.List[n+most:]...)
	messages := n * (warming + f.rounds*f.posts)
	l := client.NewLedger(len(hearing), messages, messages/n)
	c, err := client.NewCrowd(server.Address, "?posts=all", hearing, l)
	if err != nil {
		return err
	}
	by, err := f.measure(ctx, b, server, authors, c)
	bad := c.Close()
	if err != nil {
		return err
	}
	b.Report.Checked.Add(bad)
	b.Report.Checked.Add(l.Verify(heard(by, len(hearing), n), true))
	f.report(b, authors)
	return nil
}

// heard gives the messages that each reader must have: authors have their own, all others those of the last author.
func heard(by []int, readers, authors int) [][]uint32 {
	want := make([][]uint32, readers)
	for n, author := range by {
		want[author] = append(want[author], uint32(n))
		if author == authors-1 {
			for reader := authors; reader < readers; reader++ {
				want[reader] = append(want[reader], uint32(n))
			}
		}
	}
	return want
}

// measure has the authors post in turn, and gives for each message who wrote it.
func (f *followers) measure(ctx context.Context, b *Bench, server *Server, authors []*author,
	c *client.Crowd) (by []int, err error) {
	if _, err := c.Connect(ctx, c.Everyone(), b.step("connect")); err != nil {
		return nil, err
	}
	w := client.NewWriter(server.Address, c.Ledger)
	defer w.Close()
	delivered := 0
	say := func(a *author) error {
		n, asked := len(by), c.Ledger.Now()
		w.Answers = client.Histogram{}
		w.Post(c.People[a.person], n, client.Everybody, f.size)
		by = append(by, a.person)
		delivered += a.connected
		a.answers.Merge(&w.Answers)
		if err := c.Ledger.Await(ctx, delivered, func(int, int) {}); err != nil {
			return err
		}
		a.log.Add(time.Duration(c.Ledger.LastAt - asked))
		a.posts++
		return nil
	}
	for _, a := range authors {
		for range warming {
			if err := say(a); err != nil {
				return nil, err
			}
		}
		a.answers, a.log, a.posts = client.Histogram{}, client.Histogram{}, 0
	}
	for round := range f.rounds {
		for i := range authors {
			a := authors[(i+round)%len(authors)] // the first author pays for writes that the last round left over
			m := machine.Measure(server.PID())
			for n := range f.posts {
				b.Progress("posts", (round*len(authors)+i)*f.posts+n, f.rounds*len(authors)*f.posts)
				if err := say(a); err != nil {
					return nil, err
				}
			}
			if err := settle(ctx, server); err != nil {
				return nil, err
			}
			u := m.End()
			a.usage.Server, a.usage.Client, a.usage.Known = a.usage.Server+u.Server, a.usage.Client+u.Client, u.Known
			a.usage.Peak = max(a.usage.Peak, u.Peak)
			a.usage.Written.Disk += u.Written.Disk
		}
	}
	b.Report.Checked.Add(w.Checked)
	return by, nil
}

// report adds a row for each author, and what most followers cost beside the fewest.
func (f *followers) report(b *Bench, authors []*author) {
	for _, a := range authors {
		row := b.Report.Row(a.name).
			Answers(&a.answers).
			Figure("log_p50_ms", millis(a.log.Quantile(0.5))).Figure("log_p99_ms", millis(a.log.Quantile(0.99)))
		if a.usage.Written.Disk > 0 {
			row.Figure("written_kb_per_post", float64(a.usage.Written.Disk)/1024/float64(a.posts))
		}
		row.Usage(a.usage, a.posts)
	}
	few, many := authors[0], authors[len(f.sizes)-1]
	ratio := func(name string, a, base *author) {
		part := func(x, y float64) float64 { return x / max(y, 1) }
		answer, log := a.answers.Quantile(0.5), a.log.Quantile(0.5)
		row := b.Report.Row(name).Figure("answer_ratio", part(float64(answer), float64(base.answers.Quantile(0.5)))).
			Figure("log_ratio", part(float64(log), float64(base.log.Quantile(0.5))))
		if a.usage.Written.Disk > 0 {
			row.Figure("written_ratio", part(float64(a.usage.Written.Disk), float64(base.usage.Written.Disk)))
		}
		if a.usage.Known {
			row.Figure("cpu_ratio", part(float64(a.usage.Server), float64(base.usage.Server)))
		}
	}
	if len(f.sizes) > 1 {
		ratio(many.name+" : "+few.name, many, few)
	}
	if f.connected > 0 {
		last := authors[len(authors)-1]
		ratio(last.name+" : "+few.name, last, few)
	}
}
