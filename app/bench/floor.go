package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/belfry-social/belfry/app/bench/client"
	"github.com/belfry-social/belfry/app/bench/floor"
)

// yardstick measures a bare program instead of a server: what the machine gives at most, for the same sockets and
// bytes.
type yardstick struct {
	idle   idle
	fanout fanout
	paced  fanout
	rate   float64
}

func floorScenario() Scenario {
	return Scenario{Name: "floor",
		Short: "a bare program with the same sockets and bytes and nothing behind it, to hold the others against",
		Small: []string{"-streams=500", "-posts=10", "-rate=10", "-paced=10", "-for=1s", "-times=1"},
		Needs: []string{"streams", "posts", "paced", "size", "for"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &yardstick{}
			fs.IntVar(&f.idle.streams, "streams", 10_000, "streams, for each of the measurements")
			fs.DurationVar(&f.idle.hold, "for", 30*time.Second, "how long they are held idle")
			fs.IntVar(&f.idle.times, "times", 1, "how often all are dropped and opened again")
			fs.IntVar(&f.fanout.posts, "posts", 40, "messages to all of them, one after the other")
			fs.IntVar(&f.fanout.size, "size", 100, "characters of a message")
			fs.Float64Var(&f.rate, "rate", 1, "messages a second when paced; 0 = not measured")
			fs.IntVar(&f.paced.posts, "paced", 20, "messages when paced")
			return f.run
		}}
}

func (f *yardstick) run(ctx context.Context, b *Bench) error {
	if b.URL != "" {
		return fmt.Errorf("%w floor: it has no --url", ErrUsage)
	}
	people := client.Strangers(1 + f.idle.streams)
	f.fanout.followers = f.idle.streams
	f.paced.followers, f.paced.size, f.paced.rate = f.idle.streams, f.fanout.size, f.rate
	shapes := []struct {
		name string
		run  func(*Server) error
	}{
		{"idle", func(s *Server) error { return f.idle.against(ctx, b, s, people[1:]) }},
		{"fanout", func(s *Server) error { return f.fanout.against(ctx, b, s, people) }},
		{"fanout", func(s *Server) error { return f.paced.against(ctx, b, s, people) }},
	}
	if f.rate <= 0 {
		shapes = shapes[:2]
	}
	for _, shape := range shapes {
		s, err := b.bareServer(ctx)
		if err != nil {
			return err
		}
		b.Report.section = shape.name + ", "
		if err := shape.run(s); err != nil {
			return err
		}
		if err := s.stop(); err != nil {
			return err
		}
	}
	return nil
}

// bareServer starts a floor in a process of its own.
func (b *Bench) bareServer(ctx context.Context) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &Server{Address: address, out: b.Err, env: withoutOurs(b.Environ),
		args: []string{b.Program, "bench", floorCommand, address}}
	b.servers = append(b.servers, s)
	return s, s.start(ctx)
}

// floorCommand is the hidden name under which this program is a floor.
const floorCommand = "floor-server"

// serveFloor is the floor's process: it listens on an address, says so, and ends with ctx.
func serveFloor(ctx context.Context, o Options, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w %s: says where it listens", ErrUsage, floorCommand)
	}
	return floor.Serve(ctx, args[0], func() {
		_, _ = io.WriteString(o.Out, "listening\n") // nobody to tell is no reason to end
	})
}
