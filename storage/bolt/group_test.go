package bolt_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

// gated opens a log whose commits wait at the gate, and counts them.
func gated(t *testing.T, change func(*bolt.Config)) (l *bolt.Log, entered <-chan struct{}, open chan<- struct{}) {
	t.Helper()
	in, out := make(chan struct{}), make(chan struct{})
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "log"))
	var ready atomic.Bool
	cfg.Failpoint = func(p bolt.Failpoint) error {
		if p == bolt.BeforeCommit && ready.Load() {
			in <- struct{}{}
			<-out
		}
		return nil
	}
	if change != nil {
		change(&cfg)
	}
	l, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ready.Store(false); _ = l.Close() })
	if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	ready.Store(true)
	return l, in, out
}

// TestCallsShareACommit: what comes while one commit runs is in the next one, all of it.
func TestCallsShareACommit(t *testing.T) {
	for name, tt := range map[string]struct {
		entries, commits int
	}{"all in one": {4096, 1}, "cut by count": {2, 5}} {
		t.Run(name, func(t *testing.T) {
			l, entered, open := gated(t, func(c *bolt.Config) { c.BatchEntries = tt.entries })
			done := make(chan error)
			waiting := make(chan struct{})
			send := func(p social.Position) {
				close(waiting)
				done <- l.Append(context.Background(), entry(p, 10))
			}
			go send(1)
			<-waiting
			<-entered // the first commit stands at the gate
			for p := social.Position(2); p <= 11; p++ {
				waiting = make(chan struct{})
				go send(p)
				<-waiting
				bolt.WaitQueued(l, int(p-1))
			}
			commits := 0
			open <- struct{}{}
			for answered := 0; answered < 11; {
				select {
				case <-entered:
					commits++
					open <- struct{}{}
				case err := <-done:
					if answered++; err != nil {
						t.Fatal(err)
					}
				}
			}
			if commits != tt.commits || l.Head().Seq != 11 {
				t.Errorf("10 calls that waited took %d commits, want %d; head %s", commits, tt.commits, l.Head())
			}
		})
	}
}

// TestNothingIsShownBeforeItIsDurable: readers go up to the published head (I25).
func TestNothingIsShownBeforeItIsDurable(t *testing.T) {
	var l *bolt.Log
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "log"))
	looked, begun := 0, false
	cfg.Failpoint = func(p bolt.Failpoint) error {
		if p != bolt.AfterCommit || !begun || looked > 0 {
			return nil
		}
		looked++ // the file shows the entry by now, and nobody has been told
		a := social.Audience{Sources: []social.Source{{Stream: entry(1, 1).Stream}}}
		page, err := l.Read(t.Context(), a, l.Kept().Oldest(), 10)
		if err != nil || len(page.Events) != 0 || page.Through.Seq != 0 {
			t.Errorf("Read shows %d events through %s, %v", len(page.Events), page.Through, err)
		}
		if _, ok, err := l.At(t.Context(), 1); ok || err != nil {
			t.Errorf("At shows it: %v, %v", ok, err)
		}
		return nil
	}
	l, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	begun = true
	if err := l.Append(t.Context(), entry(1, 10)); err != nil {
		t.Fatal(err)
	}
	if looked != 1 || l.Head().Seq != 1 {
		t.Fatalf("looked %d times, head %s", looked, l.Head())
	}
}

// TestTrimIsNeverSilent: a reader whose transaction no longer shows what a trim took is told so, even before the new
// floor is published.
func TestTrimIsNeverSilent(t *testing.T) {
	var l *bolt.Log
	looked := false
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "log"))
	cfg.Failpoint = func(p bolt.Failpoint) error {
		if p != bolt.AfterCommit || l == nil || l.Head().Seq != 9 || looked {
			return nil
		}
		looked = true
		var gap *social.GapError
		a := social.Audience{Sources: []social.Source{{Stream: entry(2, 1).Stream}}}
		page, err := l.Read(t.Context(), a, l.Kept().Oldest(), 10)
		if !errors.As(err, &gap) || gap.Reason != social.GapExpired || gap.To.Seq != 5 {
			t.Errorf("Read gave %d events through %s, %v; want a gap to 1-5", len(page.Events), page.Through, err)
		}
		for list, err := range l.Tail(t.Context(), l.Kept().Oldest()) {
			if !errors.As(err, &gap) || gap.Reason != social.GapExpired || gap.To.Seq != 5 {
				t.Errorf("Tail gave %d events, %v; want a gap to 1-5", len(list), err)
			}
			break
		}
		return nil
	}
	l, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	for p := social.Position(1); p <= 9; p++ {
		if err := l.Append(t.Context(), entry(p, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.Trim(t.Context(), 5, 10); n != 5 || err != nil || !looked {
		t.Fatal(n, err, looked)
	}
}

// TestWithdraw: a caller that gives up while it waits has written nothing; one whose entries a commit has taken hears
// what became of them.
func TestWithdraw(t *testing.T) {
	l, entered, open := gated(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	taken, waits := make(chan error), make(chan error)
	go func() { taken <- l.Append(ctx, entry(1, 10)) }()
	<-entered
	go func() { waits <- l.Append(ctx, entry(2, 10)) }()
	bolt.WaitQueued(l, 1)
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("the call that waited gave %v, want context.Canceled", err)
	}
	open <- struct{}{}
	if err := <-taken; err != nil {
		t.Errorf("the call that was taken gave %v", err)
	}
	if l.Head().Seq != 1 {
		t.Errorf("head is %s, want 1-1", l.Head())
	}
}

// TestTakenCallsHearTheirOutcome: a caller whose entries are in another's commit is not told that nothing happened.
func TestTakenCallsHearTheirOutcome(t *testing.T) {
	l, entered, open := gated(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- l.Append(context.Background(), entry(1, 10)) }()
	<-entered
	for p := social.Position(2); p <= 9; p++ {
		go func() { done <- l.Append(ctx, entry(p, 10)) }()
		bolt.WaitQueued(l, int(p-1))
	}
	open <- struct{}{}
	answered := 0
	for taken := false; !taken; {
		select {
		case <-entered:
			taken = true
		case err := <-done:
			if answered++; err != nil {
				t.Error(err)
			}
		}
	}
	cancel() // all eight are in the commit at the gate
	open <- struct{}{}
	for ; answered < 9; answered++ {
		if err := <-done; err != nil {
			t.Errorf("a call that was written gave %v", err)
		}
	}
	if l.Head().Seq != 9 {
		t.Errorf("head is %s, want 1-9", l.Head())
	}
}

// TestCloseWhileOthersWait: Close lets the commit at work end and turns away those who wait.
func TestCloseWhileOthersWait(t *testing.T) {
	l, entered, open := gated(t, nil)
	taken, waits, closed := make(chan error), make(chan error), make(chan error)
	go func() { taken <- l.Append(context.Background(), entry(1, 10)) }()
	<-entered
	go func() { waits <- l.Append(context.Background(), entry(2, 10)) }()
	bolt.WaitQueued(l, 1)
	go func() { closed <- l.Close() }()
	if err := <-waits; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("the call that waited gave %v, want ErrClosed", err)
	}
	open <- struct{}{}
	<-entered // what Close itself writes
	open <- struct{}{}
	if err := errors.Join(<-taken, <-closed); err != nil {
		t.Error(err)
	}
}
