package app

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that stalls while it is shut, as a pipe nobody reads.
type gate struct {
	open chan struct{}
	got  bytes.Buffer
	err  error
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	if g.err != nil {
		return 0, g.err
	}
	return g.got.Write(p)
}

// TestLinesNeverWait: a writer that has stalled holds nobody up. What found no room is dropped and counted, what was
// taken comes in order once the writer goes on, and then one line says how many are missing.
func TestLinesNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := newLines(g)
		l.begin()
		l.onDrop(func(n uint64) { fmt.Fprintf(l, "%d dropped\n", n) })
		line := strings.Repeat("x", 1023) + "\n"
		var want strings.Builder
		_, _ = l.Write([]byte("first\n"))
		synctest.Wait() // it is being written
		for range linesRoom/len(line) + 7 {
			if n, err := l.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		want.WriteString("first\n" + strings.Repeat(line, linesRoom/len(line)) + "7 dropped\n")
		if l.lost() != 7 {
			t.Errorf("%d lines lost, want 7", l.lost())
		}
		close(g.open)
		synctest.Wait()
		if g.got.String() != want.String() {
			t.Fatalf("%d bytes arrived, want %d", g.got.Len(), want.Len())
		}
		_, _ = l.Write([]byte("last\n"))
		l.close()
		if got := strings.TrimPrefix(g.got.String(), want.String()); got != "last\n" {
			t.Errorf("at the end %q", got)
		}
		if _, _ = l.Write([]byte("late\n")); l.lost() != 8 {
			t.Errorf("%d lines lost, want 8", l.lost())
		}
	})
}

// TestLinesEnd: the end waits a second for a writer that has stalled, and not at all for one that goes on.
func TestLinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := newLines(g)
		l.begin()
		_, _ = l.Write([]byte("first\n"))
		began := time.Now()
		if l.close(); time.Since(began) != linesFlush {
			t.Errorf("the end took %s", time.Since(began))
		}
		close(g.open)
		synctest.Wait()
		began = time.Now()
		if l.close(); time.Since(began) != 0 || g.got.String() != "first\n" {
			t.Errorf("the second end took %s; %q", time.Since(began), g.got.String())
		}
	})
}

// TestLinesRefused: lines that the writer refuses count, one by one, and the next ones are tried again.
func TestLinesRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{}), err: errors.New("broken pipe")}
		close(g.open)
		l := newLines(g)
		l.begin()
		l.onDrop(func(n uint64) { fmt.Fprintf(l, "%d dropped\n", n) })
		_, _ = l.Write([]byte("one\ntwo\n"))
		synctest.Wait()
		if l.lost() != 2 {
			t.Errorf("%d lines lost, want 2", l.lost())
		}
		g.err = nil
		_, _ = l.Write([]byte("three\n"))
		l.close()
		if got := g.got.String(); got != "three\n" && got != "three\n2 dropped\n" {
			t.Errorf("got %q", got)
		}
	})
}
