package posts_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
)

const (
	benchPeople  = 1000
	benchFollows = 200
	benchPosts   = 100_000
)

// town is 1,000 people who follow 200 each and wrote 100,000 posts.
func town(b *testing.B) (*site, []social.ID) {
	s := open(b)
	ids := make([]social.ID, benchPeople)
	for i := range ids {
		ids[i] = s.users.add(fmt.Sprintf("p%d", i))
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, id := range ids {
		for _, n := range rnd.Perm(benchPeople)[:benchFollows] {
			if ids[n] == id {
				continue
			}
			s.follows.edges[[2]social.ID{id, ids[n]}] = social.FollowEdge{User: ids[n]}
		}
	}
	s.Ports.Follows = sortedGraph(s.follows)
	var wg sync.WaitGroup
	for w := range 8 {
		rnd := rand.New(rand.NewPCG(3, uint64(w)))
		wg.Go(func() {
			for range benchPosts / 8 {
				actor := social.Actor{UserID: ids[rnd.IntN(benchPeople)]}
				if _, err := s.Publish(b.Context(), actor,
					posts.Draft{Text: "First light over the harbour, and nobody is up yet but the gulls. #harbour"}, nil); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return s, ids
}

// sorted answers from slices made once.
type sorted struct {
	*graph
	of map[social.ID][]social.FollowEdge
}

func sortedGraph(g *graph) sorted {
	out := sorted{g, map[social.ID][]social.FollowEdge{}}
	for pair, e := range g.edges {
		out.of[pair[0]] = append(out.of[pair[0]], e)
	}
	return out
}

func (s sorted) Following(_ ctx, _ querier, follower social.ID) ([]social.FollowEdge, error) {
	return s.of[follower], nil
}

// BenchmarkHome reads pages of 20 at depths 1 and 400, by one reader and by all in turn. People and follows are
// maps here, so it is the cost of posts alone.
func BenchmarkHome(b *testing.B) {
	s, ids := town(b)
	cursors := map[social.ID]string{} // of page 400
	deep := func(id social.ID) social.PageQuery {
		if c, ok := cursors[id]; ok {
			return social.PageQuery{Limit: 20, Cursor: c}
		}
		q := social.PageQuery{Limit: 100}
		for range 80 { // 7,980 posts and one page of 20 less
			l, _, err := s.Home(b.Context(), id, q)
			if err != nil || l.Next == nil {
				b.Fatal(err, l.Next)
			}
			q.Cursor = *l.Next
		}
		cursors[id] = q.Cursor
		return social.PageQuery{Limit: 20, Cursor: q.Cursor}
	}
	first := func(social.ID) social.PageQuery { return social.PageQuery{Limit: 20} }
	for _, bb := range []struct {
		name    string
		readers int
		query   func(social.ID) social.PageQuery
	}{{"page1/one", 1, first}, {"page1/thousand", benchPeople, first}, {"page400/one", 1, deep}, {"page400/ten", 10,
		deep}} {
		b.Run(bb.name, func(b *testing.B) {
			for i := range bb.readers {
				bb.query(ids[i])
			}
			durations := make([]time.Duration, 0, b.N)
			b.ReportAllocs()
			cpu := cpuTime()
			b.ResetTimer()
			for i := range b.N {
				id := ids[i%bb.readers]
				begin := time.Now()
				l, _, err := s.Home(b.Context(), id, bb.query(id))
				if err != nil || len(l.Items) != 20 {
					b.Fatalf("%d posts, %v", len(l.Items), err)
				}
				durations = append(durations, time.Since(begin))
			}
			b.StopTimer()
			slices.Sort(durations)
			b.ReportMetric(float64(durations[len(durations)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(durations[len(durations)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/page")
		})
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
