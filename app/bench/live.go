package bench

import (
	"context"
	"flag"
	"fmt"
	"time"
)

// live measures the time from a post to the sockets of few followers.
type live struct {
	followers int
	rate      float64
	lasts     time.Duration
	size      int
}

func liveScenario() Scenario {
	return Scenario{Name: "live", Short: "one author, one follower connected: time from a post to the follower's socket",
		Small: []string{"-for=300ms"},
		Needs: []string{"followers", "rate", "for", "size"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &live{}
			fs.IntVar(&f.followers, "followers", 1, "connected followers")
			fs.Float64Var(&f.rate, "rate", 20, "posts a second")
			fs.DurationVar(&f.lasts, "for", 15*time.Second, "how long the author posts")
			fs.IntVar(&f.size, "size", 100, "characters of a post")
			return f.run
		}}
}

func (f *live) run(ctx context.Context, b *Bench) error {
	posts := int(f.rate * f.lasts.Seconds())
	if posts < 1 {
		return fmt.Errorf("%w live: at least one post has to fit into -for", ErrUsage)
	}
	// A fan-out to few at a steady rate; a scenario of its own because here the single post counts.
	return (&fanout{followers: f.followers, posts: posts, size: f.size, rate: f.rate}).run(ctx, b)
}
