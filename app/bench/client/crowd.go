package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// Crowd holds the event streams of many people and hands every event to a Ledger. The wire calls the Crowd from one
// goroutine at a time; the scenario's goroutine connects, drops and waits.
type Crowd struct {
	address string
	query   string // "?posts=all"
	People  []Person
	Ledger  *Ledger
	streams []stream
	wire    wire

	ready atomic.Int64 // streams that have been told ready since the crowd was made
	ended atomic.Int64 // streams that the server ended
	news  chan struct{}
	bad   Checked // what went wrong with connections; the wire's goroutine
	// Greeted is how long it took from connecting to ready, of each stream; the wire's goroutine.
	Greeted Histogram
	ending  atomic.Bool // the server may end streams now
}

// wire holds the sockets of a crowd.
type wire interface {
	// open begins to connect streams, in order.
	open(list []int) error
	// drop closes streams and returns once they are closed.
	drop(list []int)
	// close ends the wire and what it holds, and returns when the crowd is not called any more.
	close()
}

// stream is one person's connection.
type stream struct {
	phase  phase
	asked  int64  // when it began to connect
	part   []byte // an incomplete frame or head
	chunks *chunks
	held   social.Cursor // the newest position received, at which the stream resumes
	want   social.Cursor // the position that ready must have; zero = any
}

type phase uint8

const (
	away    phase = iota // not connected
	asking               // connected or about to be; the head of the answer is to come
	hearing              // the head was there, ready is to come
	reading              // ready was there
)

// headroom is the space before new bytes for an incomplete frame of an earlier read. An event has at most 64 KiB.
const headroom = 128 << 10

// readSize bounds one read.
const readSize = 256 << 10

// NewCrowd makes a crowd of people who read at a server. Nothing is connected yet.
func NewCrowd(address, query string, people []Person, l *Ledger) (*Crowd, error) {
	c := &Crowd{address: address, query: query, People: people, Ledger: l, streams: make([]stream, len(people)),
		news: make(chan struct{}, 1)}
	var err error
	c.wire, err = newWire(c)
	return c, err
}

// Connect opens streams and returns when all have received ready. A stream that was open before resumes at its
// position.
func (c *Crowd) Connect(ctx context.Context, list []int, show func(done, of int)) (time.Duration, error) {
	return c.ConnectWithin(ctx, list, 0, show)
}

// ConnectWithin is Connect with the starts spread evenly over a time.
func (c *Crowd) ConnectWithin(ctx context.Context, list []int, within time.Duration,
	show func(done, of int)) (time.Duration, error) {
	before, lost := c.ready.Load(), c.ended.Load()
	began := time.Now()
	const step = 5 * time.Millisecond
	for done := 0; done < len(list); {
		due := len(list)
		if within > 0 {
			due = min(due, 1+int(float64(len(list))*float64(time.Since(began))/float64(within)))
		}
		if err := c.wire.open(list[done:due]); err != nil {
			return 0, err
		}
		if done = due; done < len(list) {
			if err := Pause(ctx, step); err != nil {
				return 0, err
			}
		}
	}
	err := c.await(ctx, func() (bool, int) {
		n := int(c.ready.Load() - before)
		show(n, len(list))
		return n+int(c.ended.Load()-lost) >= len(list), n
	})
	took := time.Since(began)
	if n := c.ready.Load() - before; err == nil && n < int64(len(list)) {
		err = fmt.Errorf("of %d streams only %d became ready", len(list), n)
	}
	return took, err
}

// await returns when enough is true. After Patience without any change await fails.
func (c *Crowd) await(ctx context.Context, enough func() (bool, int)) error {
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	last, since := -1, time.Now()
	for {
		ok, n := enough()
		switch {
		case ok:
			return nil
		case n != last:
			last, since = n, time.Now()
		case time.Since(since) > Patience:
			return fmt.Errorf("%d streams are ready, and no more for %s", n, Patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.news:
		case <-look.C:
		}
	}
}

// Everyone is the list of all streams.
func (c *Crowd) Everyone() []int {
	list := make([]int, len(c.streams))
	for i := range list {
		list[i] = i
	}
	return list
}

// Close ends all streams and returns what went wrong with them.
func (c *Crowd) Close() Checked {
	c.wire.close()
	return c.bad
}

// Drop closes streams and returns once they are closed. They keep the position from which Connect resumes.
func (c *Crowd) Drop(list []int) { c.wire.drop(list) }

// MayEnd sets whether the server may end streams from now on. At first every end is a fault.
func (c *Crowd) MayEnd(may bool) { c.ending.Store(may) }

// AwaitEnd returns when the server has ended so many streams since the crowd was made.
func (c *Crowd) AwaitEnd(ctx context.Context, streams int) error {
	return c.await(ctx, func() (bool, int) { n := int(c.ended.Load()); return n >= streams, n })
}

// request is what a stream asks, in HTTP.
func (c *Crowd) request(b []byte, i int) []byte {
	s := &c.streams[i]
	b = append(b, "GET /v1/events"...)
	b = append(b, c.query...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.address...)
	b = append(b, "\r\nAccept: text/event-stream\r\n"...)
	b = append(b, c.People[i].Credential()...)
	s.want = s.held
	if !s.held.IsZero() {
		b = append(b, "\r\nLast-Event-ID: "...)
		b, _ = s.held.AppendText(b) // never fails
	}
	return append(b, "\r\n\r\n"...)
}

// dialed is called when a stream begins to connect.
func (c *Crowd) dialed(i int) {
	c.streams[i] = stream{phase: asking, asked: c.Ledger.Now(), held: c.streams[i].held, part: c.streams[i].part[:0]}
}

// feed takes what was read for a stream: buf[headroom:headroom+n]. The room before it is for feed to use. It reports
// whether the stream became ready by it; an error ends the stream.
func (c *Crowd) feed(i int, buf []byte, n int) (ready bool, err error) {
	s := &c.streams[i]
	now := c.Ledger.Now()
	fresh := buf[headroom : headroom+n]
	if s.chunks != nil {
		if fresh, err = s.chunks.strip(fresh); err != nil {
			return false, err
		}
	}
	if len(s.part) > headroom {
		return false, errors.New("an event larger than any may be")
	}
	start := headroom - len(s.part)
	copy(buf[start:], s.part)
	b := buf[start : headroom+len(fresh)]
	if s.phase == asking {
		if b, err = s.head(b); err != nil {
			return false, err
		}
	}
	var f frame
	for s.phase >= hearing && len(b) > 0 {
		n, err := nextFrame(b, &f)
		if err != nil {
			return ready, err
		}
		b = b[n:]
		if f.data == nil {
			break
		}
		became, err := c.take(i, &f, now)
		if err != nil {
			return ready, err
		}
		ready = ready || became
	}
	s.part = append(s.part[:0], b...)
	return ready, nil
}

// head takes the head of the answer off b, once it is whole.
func (s *stream) head(b []byte) ([]byte, error) {
	head, rest, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	if !whole {
		return b, nil
	}
	lower := strings.ToLower(string(head))
	if !strings.HasPrefix(lower, "http/1.1 200 ") || !strings.Contains(lower, "\r\ncontent-type: text/event-stream") {
		line, _, _ := strings.Cut(string(head), "\r\n")
		return nil, fmt.Errorf("the answer was %q", line)
	}
	s.phase = hearing
	if strings.Contains(lower, "\r\ntransfer-encoding: chunked") {
		s.chunks = &chunks{}
		return s.chunks.strip(rest)
	}
	return rest, nil
}

var (
	readyEvent = []byte("ready")
	byeEvent   = []byte("bye")
	gapEvent   = []byte("gap")
)

// take judges a frame.
func (c *Crowd) take(i int, f *frame, now int64) (ready bool, err error) {
	s := &c.streams[i]
	id, bad := social.ParseCursor(string(f.id))
	if bad == nil {
		s.held = id
	}
	switch {
	case s.phase == hearing && bytes.Equal(f.event, readyEvent):
		if !s.want.IsZero() && s.held != s.want {
			return false, fmt.Errorf("resumed at %s instead of %s", s.held, s.want)
		}
		s.phase = reading
		c.Greeted.Add(time.Duration(now - s.asked))
		c.ready.Add(1)
		c.tell()
		return true, nil
	case bytes.Equal(f.event, gapEvent) || s.phase == hearing:
		return false, fmt.Errorf("%s: %.120s", f.event, f.data)
	case bytes.Equal(f.event, byeEvent):
		if !c.ending.Load() {
			return false, fmt.Errorf("bye: %.120s", f.data)
		}
		return false, nil
	}
	c.Ledger.arrived(i, id, f.data, now)
	return false, nil
}

// gone is called when the server or an error, not the crowd, has ended a stream.
func (c *Crowd) gone(i int, err error) {
	s := &c.streams[i]
	if s.phase != reading || len(s.part) > 0 || err != nil || !c.ending.Load() {
		if err == nil {
			err = errors.New("the server ended it")
		}
		c.bad.Failed++
		c.bad.Fault("stream %d: %v", i, err)
	}
	s.phase = away
	c.ended.Add(1)
	c.tell()
}

func (c *Crowd) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// onLoopback reports whether the server can be reached from any address of 127/8, so that ports never run out.
func (c *Crowd) onLoopback() bool {
	host, _, _ := net.SplitHostPort(c.address)
	ip := net.ParseIP(host)
	return ip != nil && ip.To4() != nil && ip.IsLoopback()
}
