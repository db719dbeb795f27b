package bench

import (
	"context"
	"flag"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// replay is people who come back after they have missed something.
type replay struct {
	readers, missed, follows, size int
	own                            bool
}

func replayScenario() Scenario {
	return Scenario{Name: "replay", Short: "people come back and are given what they missed: events a second until all have caught up",
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

// authors is how many there are with --own: five times what one reader follows, so that no two read the same.
func (f *replay) authors() int {
	if f.own {
		return 5 * f.follows
	}
	return 1
}

// edges is who reads whom: authors are the first people, readers follow.
func (f *replay) edges(seed uint64) iter.Seq[Follow] {
	return func(yield func(Follow) bool) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for r := range f.readers {
			chosen := []int{0}
			if f.own {
				chosen = rng.Perm(f.authors())[:f.follows]
			}
			for _, a := range chosen {
				if !yield(Follow{Follower: f.authors() + r, Followed: a}) {
					return
				}
			}
		}
	}
}

func (f *replay) run(ctx context.Context, b *Bench) error {
	server, people, err := b.Serve(ctx, Plan{People: f.authors() + f.readers, Follows: f.edges(b.Seed)})
	if err != nil {
		return err
	}
	// With --own a reader follows a fifth of the authors and so reads a fifth of the posts.
	messages := f.missed * f.authors() / max(1, min(f.follows, f.authors()))
	l := newLedger(f.readers, messages, f.missed+f.missed/2)
	c, err := newCrowd(server, b.query(), people.List[f.authors():], l)
	if err != nil {
		return err
	}
	by, err := f.measure(ctx, b, server, people.List[:f.authors()], c)
	b.Report.Checked.Add(c.close())
	if err != nil {
		return err
	}
	b.Report.Checked.Add(l.verify(f.wanted(b.Seed, by), false))
	return nil
}

// wanted is what each reader has to have, given the author of each message.
func (f *replay) wanted(seed uint64, by []int) [][]uint32 {
	reads := make([]map[int]bool, f.readers)
	for e := range f.edges(seed) {
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

func (f *replay) measure(ctx context.Context, b *Bench, server *Server, authors []Person, c *crowd) (by []int, err error) {
	all := c.everyone()
	if _, err := c.connect(ctx, all, b.step("connect")); err != nil {
		return nil, err
	}
	c.wire.drop(all) // each holds a place from now on
	by, bad := f.write(ctx, b, server, authors, c.ledger)
	b.Report.Checked.Add(bad)
	total := 0
	for _, w := range f.wanted(b.Seed, by) {
		total += len(w)
	}
	m := b.Measure(server)
	began := c.ledger.now()
	took, err := c.connect(ctx, all, b.step("come back"))
	if err != nil {
		return nil, err
	}
	if err := c.ledger.await(ctx, total, b.step("caught up")); err != nil {
		return nil, err
	}
	u := m.End()
	caught := time.Duration(c.ledger.lastAt - began)
	b.Report.Row("replay").Rate("events", total, caught).Figure("caught_up_ms", millis(caught)).Figure("all_ready_ms", millis(took)).
		Figure("events", float64(total)).Usage(u, total)
	return by, nil
}

// write publishes what is missed, eight at a time, and returns the author of each message.
func (f *replay) write(ctx context.Context, b *Bench, server *Server, authors []Person, l *ledger) (by []int, bad Checked) {
	by = make([]int, len(l.sent))
	for n := range by {
		by[n] = b.Rand.IntN(len(authors))
	}
	var mu sync.Mutex
	var writers sync.WaitGroup
	next := 0
	for range 8 {
		writers.Go(func() {
			w := newWriter(server, l)
			defer w.close()
			for ctx.Err() == nil {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= len(by) {
					break
				}
				w.post(authors[by[n]], n, everybody, f.size)
				b.Progress("posts", n, len(by))
			}
			mu.Lock()
			defer mu.Unlock()
			bad.Add(w.checked)
		})
	}
	writers.Wait()
	return by, bad
}
