package bolt_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

const benchUsers = 10_000

func user(n int) (id social.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

func open(t testing.TB, path string) *bolt.Log {
	t.Helper()
	l, err := bolt.Open(bolt.DefaultConfig(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if l.Head().Epoch == 0 {
		if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// fill appends n events of 200 bytes to random streams in groups and returns the last position.
func fill(t testing.TB, l *bolt.Log, users, n, group int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(l.Head().Seq)))
	data := make([]byte, 200)
	at := l.Head().Seq
	entries := make([]storage.Entry, group)
	for n > 0 {
		for i := range entries {
			at++
			u := user(rng.IntN(users))
			entries[i] = storage.Entry{
				Op: storage.OpAppend, Position: at, OutboxID: int64(at), Type: "notification", Time: social.Time(at), Data: data,
				Stream: social.Stream{Kind: social.StreamKind(1 + rng.IntN(2)), User: u}, About: []social.ID{u},
			}
		}
		if err := l.Append(t.Context(), entries...); err != nil {
			t.Fatal(err)
		}
		n -= group
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{1, 100, 1000} {
		b.Run("group="+strconv.Itoa(group), func(b *testing.B) {
			l := open(b, filepath.Join(b.TempDir(), "log"))
			fill(b, l, benchUsers, 50_000, 1000)
			before, n := processorTime(b), 0
			for b.Loop() {
				fill(b, l, benchUsers, group, group)
				n += group
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(n), "cpu-us/event")
			b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(l.Size())/float64(l.Head().Seq), "B/event")
		})
	}
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func audience(users, sources int) social.Audience {
	a := social.Audience{Person: user(0)}
	for n := range sources {
		s := social.Stream{Kind: social.By, User: user(n * (users / sources))}
		a.Sources = append(a.Sources, social.Source{Stream: s})
	}
	return a
}

func BenchmarkRead(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "log"))
	fill(b, l, benchUsers, 200_000, 1000)
	head := l.Head()
	for _, sources := range []int{200, 2000} {
		for _, behind := range []int{100, 20_000} {
			b.Run(fmt.Sprintf("sources=%d/behind=%d", sources, behind), func(b *testing.B) {
				a, after, events := audience(benchUsers, sources), head, 0
				after.Seq -= social.Position(behind)
				for b.Loop() {
					page, err := l.Read(context.Background(), a, after, 256)
					if err != nil {
						b.Fatal(err)
					}
					events += len(page.Events)
				}
				b.ReportMetric(float64(events)/float64(b.N), "events/op")
			})
		}
		b.Run(fmt.Sprintf("sources=%d/nothing-new", sources), func(b *testing.B) {
			// One event in a stream of nobody's, so that the reader is behind the head with nothing to read.
			a := audience(benchUsers, sources)
			after := l.Head()
			e := storage.Entry{Op: storage.OpAppend, Position: after.Seq + 1, Data: []byte("1"),
				Stream: social.Stream{Kind: social.To, User: user(benchUsers + 7)}}
			if err := l.Append(b.Context(), e); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := l.Read(context.Background(), a, after, 256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "log"))
	fill(b, l, 200, 100_000, 1000)
	a := audience(200, 20)
	events := 0
	for b.Loop() {
		after := l.Kept().Oldest()
		for more := true; more; {
			page, err := l.Read(context.Background(), a, after, 256)
			if err != nil {
				b.Fatal(err)
			}
			events += len(page.Events)
			after, more = page.Through, page.More
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkTail(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "log"))
	fill(b, l, benchUsers, 100_000, 1000)
	events := 0
	for b.Loop() {
		n := 0
		for list, err := range l.Tail(b.Context(), l.Kept().Oldest()) {
			if err != nil {
				b.Fatal(err)
			}
			if n += len(list); n == 100_000 {
				break
			}
		}
		events += n
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkOpen(b *testing.B) {
	for _, events := range []int{1000, 1_000_000} {
		b.Run("events="+strconv.Itoa(events), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "log")
			l := open(b, path)
			fill(b, l, benchUsers, events, 1000)
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
			for b.Loop() {
				started := time.Now()
				if err := open(b, path).Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(started).Milliseconds()), "ms")
			}
		})
	}
}
