package client

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// Ledger records which message was sent when, and which reader received it when. Senders call Begin from any goroutine;
// the crowd's goroutine records arrivals; Verify is called when both have ended.
type Ledger struct {
	base time.Time
	sent []atomic.Int64 // by number: nanoseconds after base; 0 = not sent
	to   []atomic.Int32 // by number: reader + 1

	got     [][]uint32      // by reader: numbers, in order of arrival
	last    []social.Cursor // by reader: the newest event
	Latency Histogram
	since   atomic.Int64 // numbers below it are not counted in Latency
	checked Checked
	LastAt  int64 // when the newest event came

	known     [1024]known // by position modulo length: the same event goes to many readers
	delivered atomic.Int64
	goal      atomic.Int64
	reached   chan struct{}
}

// known is an event that was read before.
type known struct {
	at             social.Cursor
	number, reader int32
}

// NewLedger makes a ledger for so many readers, who get up to so many messages in all, each about expect of them.
func NewLedger(readers, messages, expect int) *Ledger {
	l := &Ledger{base: time.Now(), sent: make([]atomic.Int64, messages), to: make([]atomic.Int32, messages),
		got: make([][]uint32, readers), last: make([]social.Cursor, readers), reached: make(chan struct{}, 1)}
	room := make([]uint32, readers*expect)
	for i := range l.got {
		l.got[i] = room[i*expect : i*expect : (i+1)*expect]
	}
	return l
}

// Now is the ledger's clock: nanoseconds that never stand or go back.
func (l *Ledger) Now() int64 { return int64(time.Since(l.base)) }

// Begin records that message n is sent now.
func (l *Ledger) Begin(n, reader int) {
	l.to[n].Store(int32(reader + 1))
	l.sent[n].Store(l.Now())
}

// Room is how many messages there can be.
func (l *Ledger) Room() int { return len(l.sent) }

// CountFrom has Latency count the messages from number n on.
func (l *Ledger) CountFrom(n int) { l.since.Store(int64(n)) }

// arrived records an event of a reader; at is zero for an event without a valid id. The crowd's goroutine calls it.
func (l *Ledger) arrived(reader int, at social.Cursor, data []byte, now int64) {
	if at.IsZero() {
		l.checked.Stray++
		l.checked.Fault("reader %d: an event without an id: %.200q", reader, data)
		return
	}
	if last := l.last[reader]; at.Epoch == last.Epoch && at.Seq <= last.Seq {
		if at == last {
			l.checked.Doubled++
		} else {
			l.checked.Disordered++
		}
		l.checked.Fault("reader %d: %s came after %s", reader, at, last)
	}
	l.last[reader] = at
	k := l.read(at, data)
	if k.number < 0 || int(k.number) >= len(l.sent) || (k.reader != Everybody && int(k.reader) != reader) {
		l.checked.Stray++
		l.checked.Fault("reader %d: not theirs: %.200q", reader, data)
		return
	}
	l.got[reader] = append(l.got[reader], uint32(k.number))
	if int64(k.number) >= l.since.Load() {
		l.Latency.Add(time.Duration(now - l.sent[k.number].Load()))
	}
	l.LastAt = now
	if l.delivered.Add(1) == l.goal.Load() {
		l.signal()
	}
}

// read gives the number and reader that an event carries.
func (l *Ledger) read(at social.Cursor, data []byte) known {
	slot := &l.known[at.Seq%social.Position(len(l.known))]
	if slot.at != at {
		n, to, ok := readMark(data)
		if !ok {
			n = -1
		}
		*slot = known{at, int32(n), int32(to)}
	}
	return *slot
}

func (l *Ledger) signal() {
	select {
	case l.reached <- struct{}{}:
	default:
	}
}

// Patience bounds the time without any arrival while messages are missing.
const Patience = 15 * time.Second

// Await returns when there were so many deliveries in all, or after Patience without one: Verify then reports what is
// missing. show receives the progress.
func (l *Ledger) Await(ctx context.Context, total int, show func(done, of int)) error {
	l.goal.Store(int64(total))
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	before, quiet := int64(-1), time.Duration(0)
	for {
		done := l.delivered.Load()
		if done >= int64(total) || quiet >= Patience {
			return nil
		}
		if done != before {
			before, quiet = done, 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.reached:
		case <-look.C:
			quiet += 250 * time.Millisecond
			show(int(done), total)
		}
	}
}

// messages is how many numbers were begun.
func (l *Ledger) messages() int {
	n := len(l.sent)
	for n > 0 && l.sent[n-1].Load() == 0 {
		n--
	}
	return n
}

// Expected gives the rising numbers of the messages that each reader must have received.
func (l *Ledger) Expected(follows func(reader int) bool) [][]uint32 {
	want := make([][]uint32, len(l.got))
	for n := range l.messages() {
		if l.sent[n].Load() == 0 {
			continue
		}
		if to := int(l.to[n].Load()) - 1; to != Everybody {
			want[to] = append(want[to], uint32(n))
			continue
		}
		for r := range want {
			if follows(r) {
				want[r] = append(want[r], uint32(n))
			}
		}
	}
	return want
}

// Verify compares what arrived with what had to arrive, and adds the faults recorded meanwhile. inOrder says that the
// messages were published one after the other, so that their numbers must rise like the ids.
func (l *Ledger) Verify(want [][]uint32, inOrder bool) Checked {
	c := l.checked
	c.Deliveries = l.delivered.Load()
	for r, got := range l.got {
		if slices.Equal(got, want[r]) {
			continue
		}
		c.compare(r, got, want[r], inOrder)
	}
	return c
}

// compare counts how one reader's events differ from what they had to be.
func (c *Checked) compare(reader int, got, want []uint32, inOrder bool) {
	if inOrder {
		for i := 1; i < len(got); i++ {
			if got[i] < got[i-1] {
				c.Disordered++
				c.Fault("reader %d: message %d came after %d", reader, got[i], got[i-1])
			}
		}
	}
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	for len(got) > 0 || len(want) > 0 {
		switch {
		case len(got) == 0 || (len(want) > 0 && want[0] < got[0]):
			c.Lost++
			c.Fault("reader %d: message %d is lost", reader, want[0])
			want = want[1:]
		case len(want) == 0 || got[0] < want[0]:
			c.Stray++
			c.Fault("reader %d: message %d is not theirs", reader, got[0])
			got = got[1:]
		default:
			n := got[0]
			for got = got[1:]; len(got) > 0 && got[0] == n; got = got[1:] {
				c.Doubled++
				c.Fault("reader %d: message %d is doubled", reader, n)
			}
			want = want[1:]
		}
	}
}
