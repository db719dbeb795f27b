package bench

import (
	"context"
	"flag"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/machine"
	"github.com/belfry-social/belfry/app/bench/seed"
)

// replay measures people who resume after they have missed events.
type replay struct {
	readers, missed, follows, size int
	own                            bool
}

func replayScenario() Scenario {
	return Scenario{Name: "replay",
		Short: "people come back and are given what they missed: events a second until all have caught up",
		Small: []string{"-readers=100", "-missed=50", "-follows=5"},
		Needs: []string{"readers", "missed", "follows", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &replay{}
			fs.IntVar(&f.readers, "readers", 1000, "people who were away")
			fs.IntVar(&f.missed, "missed", 200, "events each of them has missed, on average")
			fs.BoolVar(&f.own, "own", false, "each follows authors of their own choice, instead of one whom all follow")
			fs.IntVar(&f.follows, "follows", 20, "with --own: authors each of them follows")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			return f.run
		}}
}

// authors is the number of authors; with --own five times what one reader follows, so that readers differ.
func (f *replay) authors() int {
	if f.own {
		return 5 * f.follows
	}
	return 1
}

// edges is who reads whom: authors are the first people, readers follow.
func (f *replay) edges(chance uint64) iter.Seq[seed.Follow] {
	return func(yield func(seed.Follow) bool) {
		rng := rand.New(rand.NewPCG(chance, 1))
		for r := range f.readers {
			chosen := []int{0}
			if f.own {
				chosen = rng.Perm(f.authors())[:f.follows]
			}
			for _, a := range chosen {
				if !yield(seed.Follow{Follower: f.authors() + r, Followed: a}) {
					return
				}
			}
		}
	}
}

func (f *replay) run(ctx context.Context, b *Bench) error {
	server, people, err := b.Serve(ctx, seed.Plan{People: f.authors() + f.readers, Follows: f.edges(b.Seed)})
	if err != nil {
		return err
	}
	// With --own a reader follows a fifth of the authors and so reads a fifth of the posts.
	messages := f.missed * f.authors() / max(1, min(f.follows, f.authors()))
	l := client.NewLedger(f.readers, messages, f.missed+f.missed/2)
	c, err := client.NewCrowd(server.Address, b.query(), people.List[f.authors():], l)
	if err != nil {
		return err
	}
	by, err := f.measure(ctx, b, server, people.List[:f.authors()], c)
	b.Report.Checked.Add(c.Close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.Verify(f.wanted(b.Seed, by), false))
	return nil
}

// wanted is what each reader has to have, given the author of each message.
func (f *replay) wanted(chance uint64, by []int) [][]uint32 {
	reads := make([]map[int]bool, f.readers)
	for e := range f.edges(chance) {
		r := e.Follower - f.authors()
		if reads[r] == nil {
			reads[r] = map[int]bool{}
		}
		reads[r][e.Followed] = true
	}
	want := make([][]uint32, f.readers)
	for n, author := range by {
		for r := range want {
			if reads[r][author] {
				want[r] = append(want[r], uint32(n))
			}
		}
	}
	return want
}

func (f *replay) measure(ctx context.Context, b *Bench, server *Server, authors []client.Person,
	c *client.Crowd) (by []int, err error) {
	all := c.Everyone()
	if _, err := c.Connect(ctx, all, b.step("connect")); err != nil {
		return nil, err
	}
	c.Drop(all) // each stream has a position from now on
	by, bad := f.write(ctx, b, server, authors, c.Ledger)
	b.Report.Checked.Add(bad)
	total := 0
	for _, w := range f.wanted(b.Seed, by) {
		total += len(w)
	}
	m := machine.Measure(server.PID())
	began := c.Ledger.Now()
	took, err := c.Connect(ctx, all, b.step("come back"))
	if err != nil {
		return nil, err
	}
	if err := c.Ledger.Await(ctx, total, b.step("caught up")); err != nil {
		return nil, err
	}
	u := m.End()
	caught := time.Duration(c.Ledger.LastAt - began)
	b.Report.Row("replay").Rate("events", total, caught).Figure("caught_up_ms", millis(caught)).
		Figure("all_ready_ms", millis(took)).
		Figure("events", float64(total)).Usage(u, total)
	return by, nil
}

// write publishes what is missed, eight at a time, and returns the author of each message.
func (f *replay) write(ctx context.Context, b *Bench, server *Server, authors []client.Person,
	l *client.Ledger) (by []int, bad client.Checked) {
	by = make([]int, l.Room())
	for n := range by {
		by[n] = b.Rand.IntN(len(authors))
	}
	var mu sync.Mutex
	var writers sync.WaitGroup
	next := 0
	for range 8 {
		writers.Go(func() {
			w := client.NewWriter(server.Address, l)
			defer w.Close()
			for ctx.Err() == nil {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= len(by) {
					break
				}
				w.Post(authors[by[n]], n, client.Everybody, f.size)
				b.Progress("posts", n, len(by))
			}
			mu.Lock()
			defer mu.Unlock()
			bad.Add(w.Checked)
		})
	}
	writers.Wait()
	return by, bad
}
