package bench

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// floor measures a bare program instead of a server: what the machine gives at most, for the same sockets and bytes.
type floor struct {
	idle   idle
	fanout fanout
	paced  fanout
	rate   float64
}

func floorScenario() Scenario {
	return Scenario{Name: "floor", Short: "a bare program with the same sockets and bytes and nothing behind it, to hold the others against",
		Small: []string{"-streams=500", "-posts=10", "-rate=10", "-paced=10", "-for=1s", "-times=1"},
		Needs: []string{"streams", "posts", "paced", "size", "for"}, Longest: longestPost,
		New: func(fs *flag.FlagSet) func(context.Context, *Bench) error {
			f := &floor{}
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

func (f *floor) run(ctx context.Context, b *Bench) error {
	if b.URL != "" {
		return fmt.Errorf("%w floor: it has no --url", ErrUsage)
	}
	people := bare(1 + f.idle.streams)
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

// bare makes people whom nobody knows.
func bare(n int) []Person {
	list := make([]Person, n)
	for i := range list {
		list[i] = Person{ID: social.NewID(), Name: fmt.Sprintf("p%d", i), Token: "bf_" + strings.Repeat("0", 43)} // as long as one
	}
	return list
}

// bareServer starts a floor in a process of its own.
func (b *Bench) bareServer(ctx context.Context) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &Server{Address: address, out: b.Err, env: withoutOurs(b.Environ), args: []string{b.Program, "bench", floorCommand, address}}
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
	return listenBare(ctx, args[0], func() { _, _ = io.WriteString(o.Out, "listening\n") }) // nobody to tell is no reason to end
}

// bareFrame appends an event with the bytes of a post by somebody; text is JSON.
func bareFrame(b []byte, seq int, at time.Time, host string, author, post social.ID, text []byte) []byte {
	stamp := social.TimeOf(at)
	b = fmt.Appendf(b, "id: 1-%d\nevent: post.created\ndata: {\"id\":\"1-%d\",\"type\":\"post.created\",\"time\":\"%s\",\"data\":{\"id\":\"%s\",\"url\":\"http://%s/p/%s\",",
		seq, seq, stamp, post, host, post)
	b = fmt.Appendf(b, `"author":{"id":"%s","username":"p0","display_name":"Person 0","avatar_url":null},"text":`, author)
	b = append(b, text...)
	b = fmt.Appendf(b, `,"media":[],"reply_to":null,"root_id":"%s","repost_of":null,"visibility":"public","sensitive":false,"warning":null,"language":"en",`, post)
	return fmt.Appendf(b, "\"mentions\":[],\"tags\":[],\"like_count\":0,\"comment_count\":0,\"repost_count\":0,\"deleted\":false,\"created_at\":\"%s\",\"edited_at\":null}}\n\n", stamp)
}

// bareHead is the answer to a stream with its first event, as long as a server's.
func bareHead(b []byte, at time.Time, seq int, connection, user social.ID) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n"+
		"Vary: Accept, Authorization, Cookie, Origin\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: 0198f3a2b7d17f0e9c3a\r\nDate: "...)
	b = at.UTC().AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 GMT")
	b = fmt.Appendf(b, "\r\nConnection: close\r\n\r\nid: 1-%d\nevent: ready\nretry: 2000\ndata: {\"connection\":\"%s\",\"user_id\":\"%s\",\"cursor\":\"1-%d\",", seq, connection, user, seq)
	return fmt.Appendf(b, "\"head\":\"1-%d\",\"oldest\":\"1-0\",\"resumed\":false,\"heartbeat_s\":15,\"max_age_s\":3600}\n\n", seq)
}
