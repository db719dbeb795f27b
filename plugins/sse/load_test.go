package sse

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// TestSlowReader: 5 clients that do not read, and 50 that do. The first are closed without bye and resume without
// loss; the others notice nothing.
func TestSlowReader(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		cfg.ProgressTimeout = 400 * time.Millisecond
		cfg.SendBuffer = 16 << 10
		cfg.TailBytes = 256 << 10
		s := serve(t, w, cfg)
		var healthy, stuck []*client
		for n := range 50 {
			w.follow(100+n, 1, true)
			healthy = append(healthy, s.live(100+n, "?types=post"))
		}
		for n := range 5 {
			w.follow(n+2, 1, true)
			s.small = true
			stuck = append(stuck, s.live(n+2, "?types=post"))
			s.small = false
		}
		start := w.Head()
		const events = 400
		text := `{"text":"` + strings.Repeat("x", 2000) + `"}`
		var readers sync.WaitGroup
		for _, c := range healthy {
			readers.Go(func() {
				last := start.Seq
				for range events {
					b, _, err := c.next()
					is, _ := social.ParseCursor(b.id)
					if err != nil || is.Seq <= last {
						t.Errorf("healthy reader: %q after %d, %v", b.id, last, err)
						return
					}
					last = is.Seq
				}
			})
		}
		for range events {
			w.commit(by(1), social.EventPostCreated, text, id(1))
		}
		readers.Wait()
		s.seats.await(len(healthy))
		for n, c := range stuck {
			last := start.String()
			read := 0
			for {
				b, _, err := c.next()
				if err != nil {
					if errors.Is(err, errSyntax) && !errors.Is(err, errCut) {
						t.Errorf("stuck reader: %v", err)
					}
					break
				}
				if b.event == "bye" {
					t.Error("a stuck reader got a bye")
				}
				last = b.id
				read++
			}
			if read >= events {
				t.Fatal("the stuck reader was not stuck")
			}
			again := s.open(n+2, "?types=post", "Last-Event-ID: "+last)
			again.expect("ready")
			for range events - read {
				again.expect(social.EventPostCreated)
			}
			again.conn.Close()
		}
		if got := s.ended(endedStuck); got != 5 {
			t.Errorf("%v were counted as stuck, want 5", got)
		}
	})
}

// ended gives the figure of ended_total for a reason.
func (s *site) ended(reason string) float64 {
	families, err := s.metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "sse_ended_total" && l.GetName() == "reason" && l.GetValue() == reason {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

// TestPeerGone: clients that leave, politely or not, are noticed without any write.
func TestPeerGone(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		s := serve(t, w, cfg)
		for name, leave := range map[string]func(c *client){
			"FIN": func(c *client) { c.conn.Close() },
			"RST": func(c *client) {
				_ = c.tcp().SetLinger(0)
				c.conn.Close()
			},
			"half closed": func(c *client) { _ = c.conn.(interface{ CloseWrite() error }).CloseWrite() },
			"talks where nothing is expected": func(c *client) {
				_, _ = c.conn.Write(make([]byte, wire.MaxInput+1))
			},
		} {
			t.Run(name, func(t *testing.T) {
				var open []*client
				for n := range 20 {
					open = append(open, s.live(n, ""))
				}
				s.seats.await(20)
				for _, c := range open {
					leave(c)
				}
				s.seats.await(0)
				s.idle()
				s.inHub(func(h *hub) {
					h.forgetAll()
					people, authors := h.audience.Size()
					if h.open != 0 || h.linger.weight != 0 || people != 0 || authors != 0 {
						t.Errorf("%d connections, %d people are still known", h.open, people)
					}
				})
			})
		}
	})
}

// TestDrain: 200 streams each get bye restart with a time of their own, on a block's boundary, and the channel
// leaves nothing behind.
func TestDrain(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		s := serve(t, w, cfg)
		const streams = 200
		var open []*client
		for n := range streams {
			w.follow(n+2, 1, true)
		}
		for n := range streams {
			open = append(open, s.live(n+2, "?types=post"))
		}
		var readers sync.WaitGroup
		retries := make([]int, streams)
		shown := make([]string, streams)
		for i, c := range open {
			readers.Go(func() {
				for {
					b, _, err := c.next()
					if err != nil {
						t.Errorf("ended without bye: %v", err)
						return
					}
					if b.event != "bye" {
						shown[i] = b.id
						continue
					}
					retries[i], _ = strconv.Atoi(b.retry)
					at, _ := social.ParseCursor(b.id)
					last, _ := social.ParseCursor(shown[i])
					if at.Seq < last.Seq || !strings.Contains(b.data,
						`"reason":"restart","retry_ms":`+b.retry+`,"cursor":"`+b.id+`"`) {
						t.Errorf("bye %q after %s", b.raw, shown[i])
					}
					if _, _, err := c.next(); !errors.Is(err, io.EOF) {
						t.Errorf("after bye: %v", err)
					}
					c.conn.Close()
					return
				}
			})
		}
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					w.post(1)
					w.settle()
				}
			}
		})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.channel.Drain(ctx)
		if ctx.Err() != nil {
			t.Error("drain took its whole time")
		}
		readers.Wait()
		s.seats.await(0)
		slices.Sort(retries)
		if retries[0] < 1000 || retries[streams-1] > 15000 || len(slices.Compact(slices.Clone(retries))) < streams/2 {
			t.Errorf("retries from %d to %d", retries[0], retries[streams-1])
		}
		late := s.open(1, "")
		if b := late.expect("bye"); b.id != "" || !strings.Contains(b.data, `"reason":"restart"`) ||
			!strings.Contains(b.data, `"cursor":null`) {
			t.Errorf("a stream asked for while draining: %q", b.raw)
		}
		late.end()
		close(stop)
		writer.Wait()
	})
}

// TestDrainStuck: clients that do not read cannot hold up the end.
func TestDrainStuck(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		cfg.SendBuffer = 8 << 10
		s := serve(t, w, cfg)
		s.small = true
		c := s.live(1, "")
		for range 200 {
			w.commit(to(1), social.EventNotification, `"`+strings.Repeat("x", 8000)+`"`)
		}
		s.idle()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.channel.Drain(ctx)
		if ctx.Err() != nil {
			t.Error("drain took its whole time")
		}
		s.seats.await(0)
		c.conn.Close()
	})
}

// TestStorm: 500 streams opened at once, dropped, and opened again: none refused, everything given back (serve
// looks for goroutines at the end).
func TestStorm(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		for n := range 10 {
			w.follow(n, 900, true)
		}
		s := serve(t, w, cfg)
		for range 3 {
			start := w.Head().String()
			var opening sync.WaitGroup
			var mu sync.Mutex
			var open []*client
			for worker := range 10 {
				opening.Go(func() {
					for i := range 50 {
						c := s.open(worker*50+i%5, "", "Last-Event-ID: "+start)
						if b, _, err := c.next(); err != nil || b.event != "ready" {
							t.Errorf("refused: %q %v", b.raw, err)
						}
						mu.Lock()
						open = append(open, c)
						mu.Unlock()
					}
				})
			}
			opening.Wait()
			s.seats.await(500)
			s.idle()
			w.post(900)
			for _, c := range open {
				c.conn.Close()
			}
			s.seats.await(0)
		}
	})
}
