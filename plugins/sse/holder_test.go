package sse

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules"
)

// listener is a peer that hands on what it hears.
type heard struct{ writable, gone chan struct{} }

func newHeard() *heard     { return &heard{make(chan struct{}, 100), make(chan struct{}, 100)} }
func (h *heard) Writable() { h.writable <- struct{}{} }
func (h *heard) Gone()     { h.gone <- struct{}{} }
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
}

// ends gives both ends of a connection, by kind.
var ends = map[string]func() (server, client net.Conn){
	"tcp": func() (net.Conn, net.Conn) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		client := must(net.Dial("tcp", ln.Addr().String()))
		return must(ln.Accept()), client
	},
	"wrapped": func() (net.Conn, net.Conn) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		client := must(net.Dial("tcp", ln.Addr().String()))
		return struct{ net.Conn }{must(ln.Accept())}, client // as TLS would be: no descriptor to be had
	},
	"pipe": net.Pipe,
}

// TestHolder: what a holder promises, for the ways it has.
func TestHolder(t *testing.T) {
	for name, pair := range ends {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			cfg := testConfig()
			cfg.SendBuffer = 8 << 10
			h := newParked(cfg, nopLog())
			t.Run("writes, waits for room, and goes on", func(t *testing.T) {
				server, client := pair()
				p := newHeard()
				s := h.Take(server, p)
				sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
				got := make(chan []byte, 1)
				for rest := sent; len(rest) > 0; {
					n := must(s.Write(rest[:min(len(rest), 64<<10)]))
					full := n < min(len(rest), 64<<10)
					rest = rest[n:]
					if full {
						if cap(got) == 1 && len(got) == 0 && len(sent)-len(rest) > 0 && client != nil {
							c := client
							client = nil
							go func() { got <- must(io.ReadAll(io.LimitReader(c, int64(len(sent))))) }()
						}
						await(t, "Writable", p.writable)
					}
				}
				if client != nil {
					t.Fatal("4 MiB went into a socket that nobody reads")
				}
				if !bytes.Equal(<-got, sent) {
					t.Error("other bytes arrived")
				}
				s.Abort()
				s.Abort()
				await(t, "Gone", p.gone)
			})
			t.Run("notices a client that leaves", func(t *testing.T) {
				server, client := pair()
				p := newHeard()
				h.Take(server, p)
				client.Close()
				await(t, "Gone", p.gone)
			})
			t.Run("finishes behind what was written", func(t *testing.T) {
				server, client := pair()
				p := newHeard()
				s := h.Take(server, p)
				if name == "tcp" {
					_, _ = client.Write([]byte("unread input would turn the close into a reset"))
				}
				if n := must(s.Write([]byte("last"))); n != 4 {
					t.Fatalf("%d bytes were taken", n)
				}
				s.Finish()
				if got := must(io.ReadAll(client)); string(got) != "last" {
					t.Errorf("got %q", got)
				}
				client.Close()
				await(t, "Gone", p.gone)
			})
			t.Run("aborts while full", func(t *testing.T) {
				server, client := pair()
				p := newHeard()
				s := h.Take(server, p)
				for full := false; !full; { // the other side's kernel takes much before it is full too
					if must(s.Write(make([]byte, 64<<10))) == 64<<10 {
						continue
					}
					select {
					case <-p.writable:
					case <-time.After(300 * time.Millisecond):
						full = true
					}
				}
				if s.Waiting() == 0 {
					t.Error("nothing waits, although nobody reads")
				}
				s.Abort()
				await(t, "Gone", p.gone)
				client.Close()
			})
			h.Wait()
		})
	}
}

// TestSlowModel: however little a client takes at a time, wherever its events come from, it gets all of them.
func TestSlowModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := defaults
		cfg.TailBytes = modules.Size(rapid.SampledFrom([]int{4 << 10, 8 << 10, 1 << 20}).Draw(rt, "tail"))
		inBubble(t, cfg, func(t *testing.T, e *engine) {
			e.w.follow(1, 2, true)
			e.w.follow(1, 3, true)
			from := e.w.Head()
			e.pipes.room = 2 << 10
			c := e.connect(t, 1, from.String())
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"notify", "post", "other", "large", "take", "take", "relation", "rest"}).Draw(rt, "step") {
				case "notify":
					e.w.notify(1)
				case "post":
					for range rapid.IntRange(1, 30).Draw(rt, "posts") {
						e.w.post(2)
					}
				case "other":
					e.w.post(7)
					e.w.notify(7)
				case "large":
					e.w.commit(to(1), "notification", `"`+strings.Repeat("x", rapid.IntRange(1, 60<<10).Draw(rt, "size"))+`"`)
				case "take":
					c.take(rapid.IntRange(0, 70<<10).Draw(rt, "bytes"))
				case "relation":
					e.w.hide(1, rapid.IntRange(50, 60).Draw(rt, "whom"), true) // changes nothing of what is expected
				case "rest":
					synctest.Wait()
				}
			}
			for c.take(-1); ; c.take(-1) {
				synctest.Wait()
				if c.mu.Lock(); !c.full {
					c.mu.Unlock()
					break
				}
				c.mu.Unlock()
			}
			if got, want := c.body(), strings.Join(e.w.expected(1, modules.PostsNotify, from.Seq), ""); got != want {
				rt.Fatalf("%d blocks, want %d", strings.Count(got, "event: "), strings.Count(want, "event: "))
			}
		})
	})
}

// BenchmarkFanOut is what one post costs for each connected reader, without the kernel.
func BenchmarkFanOut(b *testing.B) {
	const readers = 1000
	w := newWorld()
	for n := range readers {
		w.follow(n+10, 1, true)
	}
	h := newHub(defaults, envOf(w), func() float64 { return 0 })
	h.begin(w.Head())
	for n := range readers {
		c := &connection{hub: h, user: id(n + 10), want: ^kinds(0), mode: modules.PostsNotify, sock: nowhere{}, epoch: 1, delivered: w.head, release: func() {}}
		h.admit(c)
		a, _ := w.Audience(b.Context(), c.user)
		h.askNext = nil
		h.answered(question{person: c.person, whole: true}, answer{audience: a})
	}
	for len(h.line) > 0 {
		h.step()
	}
	b.ReportAllocs()
	for b.Loop() {
		w.post(1)
		e := w.events[len(w.events)-1]
		h.dispatched([]modules.Event{e}, []frame{frameOf(e)})
		for len(h.line) > 0 {
			h.step()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/readers, "ns/delivery")
}

// nowhere is a socket that takes everything.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Waiting() int                { return 0 }
func (nowhere) Finish()                     {}
func (nowhere) Abort()                      {}
