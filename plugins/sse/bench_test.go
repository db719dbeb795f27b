package sse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// town is a store and a log for benchmarks: people with many follows, and events by stream. It counts what it is
// asked.
type town struct {
	head      atomic.Uint64
	audiences map[social.ID]social.Audience
	events    map[social.Stream][]social.Event
	asked     atomic.Int64
	reads     atomic.Int64
}

// person gives the id of the nth person; unlike id it takes any number.
func numbered(n int) (out social.ID) {
	out = id(n)
	out[12], out[13] = byte(n>>24), byte(n>>16)
	return out
}

// newTown has people that follow others each, most of them a few busy ones (zipf), all with the bell on.
func newTown(people, follows, authors int) *town {
	t := &town{audiences: map[social.ID]social.Audience{}, events: map[social.Stream][]social.Event{}}
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rnd, 1.01, 20, uint64(max(authors, 2)-1))
	for n := range people {
		a := social.Audience{Person: numbered(n), Sources: []social.Source{{Stream: social.Stream{Kind: social.To,
			User: numbered(n)}},
			{Stream: social.Stream{Kind: social.By, User: numbered(n)}}}}
		taken := map[uint64]bool{}
		for len(taken) < follows {
			k := zipf.Uint64()
			if authors <= follows {
				k = uint64(len(taken))
			}
			if !taken[k] {
				taken[k] = true
				a.Sources = append(a.Sources, social.Source{Stream: social.Stream{Kind: social.By, User: numbered(1<<20 + int(k))},
					Since: 1, Bell: true})
			}
		}
		t.audiences[a.Person] = a
	}
	return t
}

func (t *town) Head() social.Cursor {
	return social.Cursor{Epoch: 1, Seq: social.Position(t.head.Load())}
}
func (t *town) Kept() social.Kept {
	return social.Kept{Head: social.Position(t.head.Load()), Epochs: social.Epochs{{Number: 1}}}
}

// Audience answers with a copy, as a store does.
func (t *town) Audience(_ context.Context, person social.ID) (social.Audience, error) {
	t.asked.Add(1)
	a := t.audiences[person]
	a.Sources = append([]social.Source(nil), a.Sources...)
	return a, nil
}

func (t *town) Relation(context.Context, social.ID, social.ID) (social.Source, bool, bool, error) {
	return social.Source{}, false, false, nil
}

// Read merges by asking each stream; nothing here is more than one stream deep.
func (t *town) Read(_ context.Context, a social.Audience, after social.Cursor, limit int) (social.EventPage, error) {
	t.reads.Add(1)
	page := social.EventPage{Through: t.Head()}
	for _, s := range a.Sources {
		for _, e := range t.events[s.Stream] {
			if e.Cursor.Seq <= max(after.Seq, s.Since) {
				continue
			}
			if len(page.Events) == limit {
				page.More, page.Through = true, page.Events[limit-1].Cursor
				return page, nil
			}
			page.Events = append(page.Events, e)
		}
	}
	return page, nil
}

// next makes the next events of a stream.
func (t *town) next(s social.Stream, count, size int) []social.Event {
	out := make([]social.Event, count)
	data := []byte(`{"text":"` + strings.Repeat("x", size) + `"}`)
	for i := range out {
		out[i] = social.Event{Cursor: social.Cursor{Epoch: 1, Seq: social.Position(t.head.Add(1))}, Stream: s,
			Type: social.EventPostCreated,
			Time: testTime, About: []social.ID{s.User}, Data: data}
	}
	return out
}

// sink is a holder whose sockets take everything and say when a number of bytes has come.
type sink struct {
	bytes, writes atomic.Int64
	want          atomic.Int64
	reached       chan struct{}
}

type drain struct{ sink *sink }

func newSink() *sink { return &sink{reached: make(chan struct{}, 1)} }

func (s *sink) Take(net.Conn, wire.Peer) wire.Socket { return &drain{s} }
func (s *sink) Wait()                                {}

func (d *drain) Write(p []byte) (int, error) {
	d.sink.writes.Add(1)
	if have := d.sink.bytes.Add(int64(len(p))); have >= d.sink.want.Load() && have-int64(len(p)) < d.sink.want.Load() {
		d.sink.reached <- struct{}{}
	}
	return len(p), nil
}

func (d *drain) Waiting() int { return 0 }
func (d *drain) Finish()      {}
func (d *drain) Abort()       {}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchEngine is a channel on a town whose sockets go nowhere.
func benchEngine(b testing.TB, t *town, s *sink) *Channel {
	env := envOf(newWorld())
	env.History, env.Audiences = t, t
	c := newChannel(defaults, env)
	c.holder = s
	if err := c.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c.hub.do(func() {
			for p := range c.hub.audience.All() {
				for p.conns != nil {
					c.hub.left(p.conns)
				}
			}
		})
		_ = c.Stop(ctx)
	})
	return c
}

func attach(b testing.TB, c *Channel, n int, after string) {
	q, err := plugins.ParseEvents(plugins.Params{Query: [][2]string{{"after", after}, {"posts", "all"}},
		Header: func(string) string { return "" }})
	if err != nil {
		b.Fatal(err)
	}
	c.take(nil, request{actor: social.Actor{UserID: numbered(n)}, query: q})
}

// rest waits until the hub has nothing to do.
func rest(c *Channel) {
	for quiet := false; !quiet; {
		done := make(chan struct{})
		c.hub.do(func() {
			h := c.hub
			quiet = h.line.len() == 0 && h.askNext.len() == 0 && h.asked == 0 && h.readNext.len() == 0 && h.readOut == 0
			close(done)
		})
		<-done
	}
}

// BenchmarkEngine is the engine's own share of a fan-out: the sockets take everything at once. joined = all events
// published together; paced = one by one.
func BenchmarkEngine(b *testing.B) {
	for _, bb := range []struct {
		name             string
		people, events   int
		follows, authors int
		paced            bool
	}{
		{"joined/10k x 40", 10_000, 40, 200, 100_000, false},
		{"joined/1k x 400", 1_000, 400, 1, 1, false},
		{"paced/10k", 10_000, 40, 200, 100_000, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			t, s := newTown(bb.people, bb.follows, bb.authors), newSink()
			author := numbered(1<<20 + 1<<19)
			for n := range bb.people { // everybody follows this one
				a := t.audiences[numbered(n)]
				a.Sources = append(a.Sources, social.Source{Stream: social.Stream{Kind: social.By, User: author}, Bell: true})
				t.audiences[numbered(n)] = a
			}
			c := benchEngine(b, t, s)
			for n := range bb.people {
				attach(b, c, n, "now")
			}
			rest(c)
			_ = author
			used := time.Duration(0)
			writes := s.writes.Load()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				events := t.next(social.Stream{Kind: social.By, User: author}, bb.events, 200)
				size := 0
				for i := range events {
					size += len(blockOf(events[i]))
				}
				before := cpu()
				if bb.paced {
					for i := range events {
						c.Publish(events[i : i+1])
						rest(c)
					}
				} else {
					c.Publish(events)
					rest(c)
				}
				used += cpu() - before
			}
			b.StopTimer()
			deliveries := float64(b.N) * float64(bb.people) * float64(bb.events)
			b.ReportMetric(used.Seconds()*1e6/deliveries, "cpu-s/M")
			b.ReportMetric(float64(s.writes.Load()-writes)/deliveries, "writes/delivery")
		})
	}
}

// BenchmarkIndexMemory tells what a connected person with 200 follows costs.
func BenchmarkIndexMemory(b *testing.B) {
	for _, follows := range []int{0, 200} {
		b.Run(fmt.Sprint(follows), func(b *testing.B) {
			const people = 10_000
			t, s := newTown(people, follows, 100_000), newSink()
			t.head.Store(1000)
			var before, after runtime.MemStats
			for range b.N {
				c := benchEngine(b, t, s)
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&before)
				for n := range people {
					attach(b, c, n, "now")
				}
				rest(c)
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/people, "B/person")
				_, authors := c.hub.audience.Size()
				b.ReportMetric(float64(authors), "authors")
			}
		})
	}
}

// BenchmarkReconnect is what it costs to take 10,000 people with 200 follows back who missed nothing.
func BenchmarkReconnect(b *testing.B) {
	const people = 10_000
	t, s := newTown(people, 200, 100_000), newSink()
	t.head.Store(1000)
	c := benchEngine(b, t, s)
	used := time.Duration(0)
	for n := range people { // the first time is another matter
		attach(b, c, n, "1-1000")
	}
	rest(c)
	leaveAll(c)
	t.asked.Store(0)
	t.reads.Store(0)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		before := cpu()
		for n := range people {
			attach(b, c, n, "1-1000")
		}
		rest(c)
		used += cpu() - before
		leaveAll(c)
	}
	b.ReportMetric(float64(used.Microseconds())/float64(b.N)/people, "cpu-us/person")
	b.ReportMetric(float64(t.asked.Load())/float64(b.N)/people, "asked/person")
	b.ReportMetric(float64(t.reads.Load())/float64(b.N)/people, "reads/person")
}

func leaveAll(c *Channel) {
	done := make(chan struct{})
	c.hub.do(func() {
		for p := range c.hub.audience.All() {
			for p.conns != nil {
				c.hub.left(p.conns)
			}
		}
		close(done)
	})
	<-done
}

// BenchmarkReplay serves 1,000 people who missed 100 events each: of one author or each their own, from the log or
// from memory.
func BenchmarkReplay(b *testing.B) {
	const people, missed = 1000, 100
	for _, bb := range []struct {
		name           string
		shared, memory bool
	}{{"log/shared", true, false}, {"log/own", false, false}, {"memory/shared", true, true}, {"memory/own", false, true}} {
		b.Run(bb.name, func(b *testing.B) {
			t, s := newTown(people, 20, 20), newSink()
			t.head.Store(1)
			var all []social.Event
			for n := range people {
				stream := social.Stream{Kind: social.To, User: numbered(n)}
				if bb.shared {
					stream = social.Stream{Kind: social.By, User: numbered(1 << 20)}
				}
				if n == 0 || !bb.shared {
					t.events[stream] = t.next(stream, missed, 200)
					all = append(all, t.events[stream]...)
				}
			}
			used := time.Duration(0)
			t.reads.Store(0)
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				c := benchEngine(b, t, s)
				if bb.memory {
					c.hub.do(func() { c.hub.begin(1) })
					for at := 0; at < len(all); at += 256 {
						c.Publish(all[at:min(at+256, len(all))])
					}
					rest(c)
				}
				b.StartTimer()
				before := cpu()
				for n := range people {
					attach(b, c, n, "1-1")
				}
				rest(c)
				used += cpu() - before
			}
			b.ReportMetric(used.Seconds()*1e6/float64(b.N*people*missed), "cpu-s/M")
			b.ReportMetric(float64(t.reads.Load())/float64(b.N*people), "reads/reader")
		})
	}
}
