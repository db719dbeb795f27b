package dispatch_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// ear remembers what a listener heard.
type ear struct {
	mu    sync.Mutex
	heard []social.Position
	fail  func(social.Position) // may panic or block
}

func (e *ear) listener() listener {
	return listener{publish: func(events []social.Event) {
		defer clear(events) // the slice is the callee's
		for _, ev := range events {
			if e.fail != nil {
				e.fail(ev.Cursor.Seq)
			}
			e.mu.Lock()
			e.heard = append(e.heard, ev.Cursor.Seq)
			e.mu.Unlock()
		}
	}}
}

func (e *ear) positions() []social.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]social.Position(nil), e.heard...)
}

// checkRising fails unless the positions are first..last, each once, in order.
func checkRising(t *testing.T, who string, got []social.Position, first, last social.Position) {
	t.Helper()
	if len(got) != int(last-first+1) {
		t.Errorf("%s heard %d events, want %d", who, len(got), last-first+1)
		return
	}
	for i, p := range got {
		if p != first+social.Position(i) {
			t.Errorf("%s heard %d at place %d, want %d", who, p, i, first+social.Position(i))
			return
		}
	}
}

func TestListenerHearsWhatComesAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		person := social.NewID()
		for range 3 {
			e := w.event(person)
			w.append(e)
		}
		var a ear
		w.start(named{"a", a.listener()})
		for range 4 {
			e := w.event(person)
			w.append(e)
		}
		synctest.Wait()
		checkRising(t, "a", a.positions(), 4, 7)
	})
}

// The tutorials hand events to a pool of 10 with a queue of 50: the 61st at once is thrown away.
func TestW12BurstIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		person := social.NewID()
		const burst = 5_000
		slow := ear{fail: func(p social.Position) {
			if p%500 == 0 {
				time.Sleep(time.Second)
			}
		}}
		var quick ear
		w.start(named{"slow", slow.listener()}, named{"quick", quick.listener()})
		list := make([]storage.Entry, burst)
		for i := range list {
			list[i] = w.event(person)
		}
		w.append(list...)
		synctest.Wait()
		checkRising(t, "quick", quick.positions(), 1, burst)
		time.Sleep(time.Minute)
		checkRising(t, "slow", slow.positions(), 1, burst)
	})
}

// In the tutorials the one who likes waits for the receiver's socket.
func TestW11WriterDoesNotWaitForAListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stuck := make(chan struct{})
		hangs := ear{fail: func(social.Position) { <-stuck }}
		var other ear
		s := w.start(named{"hangs", hangs.listener()}, named{"other", other.listener()})
		defer close(stuck)
		began := time.Now()
		for range 100 {
			e := w.event(social.NewID())
			w.append(e)
		}
		synctest.Wait()
		if d := time.Since(began); d != 0 {
			t.Errorf("100 appends waited %s for a listener that hangs", d)
		}
		checkRising(t, "the other listener", other.positions(), 1, 100)
		time.Sleep(11 * time.Second)
		if h := health(s); h[0].State != "hanging" || !h[1].OK() {
			t.Errorf("health is %+v, want the first hanging and the second ok", h)
		}
	})
}

// In the tutorials one failed send ends the loop for everybody after it, and fails the request of the one who acted.
func TestW13W14FailingListenerHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var tries int
		poisoned := ear{fail: func(p social.Position) {
			if p == 3 {
				tries++
				panic("poisoned")
			}
		}}
		var other ear
		s := w.start(named{"poisoned", poisoned.listener()}, named{"other", other.listener()})
		for range 6 {
			e := w.event(social.NewID())
			w.append(e)
			synctest.Wait()
		}
		checkRising(t, "the other listener", other.positions(), 1, 6)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if tries != 5 {
			t.Errorf("the poisoned event was given %d times, want 5", tries)
		}
		if h := health(s); h[0].State != "open" || !strings.Contains(h[0].Detail, "5 failures") || !h[1].OK() {
			t.Errorf("health is %+v, want the first open and the second ok", h)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		want := []social.Position{1, 2, 4, 5, 6}
		if got := poisoned.positions(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the poisoned listener heard %v, want %v: everything but the poisoned batch", got, want)
		}
		if h := health(s); !h[0].OK() {
			t.Errorf("after the pause health is %+v, want ok", h[0])
		}
	})
}

func TestPassingFaultOfAListenerLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		failures := 3
		shaky := ear{fail: func(social.Position) {
			if failures > 0 {
				failures--
				panic("for the moment")
			}
		}}
		w.start(named{"shaky", shaky.listener()})
		e := w.event(social.NewID())
		w.append(e)
		time.Sleep(10 * time.Second)
		checkRising(t, "shaky", shaky.positions(), 1, 1)
	})
}

// TestGapIsSurvived: what is lost to a reader of the tail is passed over, and what stands behind it is heard.
func TestGapIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 5 {
			w.append(w.event(social.NewID()))
		}
		if _, err := w.log.Trim(t.Context(), 3, 10); err != nil {
			t.Fatal(err)
		}
		var heard []social.Position
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		dispatch.Follow(ctx, w.log, social.Cursor{Epoch: 1, Seq: 1}, zap.NewNop(), func(events []social.Event) {
			for _, e := range events {
				heard = append(heard, e.Cursor.Seq)
			}
		})
		checkRising(t, "the follower", heard, 4, 5)
	})
}
