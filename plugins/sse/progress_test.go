package sse

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belfry-social/belfry/modules/social"
)

// TestProgress: data waits, and what the client has taken decides.
func TestProgress(t *testing.T) {
	big := strings.Repeat("x", 8<<10)
	for name, tt := range map[string]struct {
		every time.Duration
		take  int
		want  bool // closed
	}{
		"takes nothing":         {time.Second, 0, true},
		"1 byte a second":       {time.Second, 1, true},
		"2 KiB a second":        {time.Second, 2 << 10, false},
		"2 KiB every 9 seconds": {9 * time.Second, 2 << 10, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				e.pipes.room = 1 << 10
				c := e.connect(t, 1, "now")
				c.take(0)
				for range 10 {
					e.w.commit(to(1), "notification", `"`+big+`"`)
				}
				synctest.Wait()
				if !c.full {
					t.Fatal("the socket should be full")
				}
				begun := time.Now()
				for time.Since(begun) < 29*time.Second && !c.closed() {
					time.Sleep(tt.every)
					c.take(tt.take)
					synctest.Wait()
				}
				if c.closed() != tt.want {
					t.Errorf("closed: %v, want %v", c.closed(), tt.want)
				}
				if took := time.Since(begun); tt.want && (took < 10*time.Second || took > 12*time.Second) {
					t.Errorf("closed after %v", took)
				}
				if strings.Contains(c.text(), "bye") {
					t.Error("a slow reader is closed without bye")
				}
			})
		})
	}
}

// TestKernelProgress: a full socket that says nothing about room is judged by what has left for the client.
func TestKernelProgress(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.pipes.room = 64 << 10
		c := e.connect(t, 1, "now")
		c.kernel(64<<10, 0)
		for range 20 {
			e.w.commit(to(1), "notification", `"`+strings.Repeat("x", 8<<10)+`"`)
		}
		synctest.Wait()
		for left := 64 << 10; left > 24<<10; left -= 2 << 10 { // 20 s without a word from the kernel
			c.kernel(left, 0)
			time.Sleep(time.Second)
			synctest.Wait()
			if c.closed() {
				t.Fatal("closed although the client reads 2 KiB/s")
			}
		}
		for begun := time.Now(); !c.closed(); time.Sleep(time.Second) {
			if time.Since(begun) > 14*time.Second {
				t.Fatal("still open although the client takes nothing")
			}
		}
	})
}

// TestLargeBlock: one block may take as long as it needs, as long as its client moves.
func TestLargeBlock(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		e.pipes.room = 1 << 10
		c := e.connect(t, 1, "now")
		c.take(0)
		e.w.commit(to(1), "notification", `"`+strings.Repeat("x", 60<<10)+`"`)
		synctest.Wait()
		for range 70 {
			time.Sleep(5 * time.Second)
			c.take(1 << 10)
			synctest.Wait()
			if c.closed() {
				t.Fatal("closed")
			}
		}
		if got, want := c.body(), e.w.expected(1, social.PostsNotify, 0)[0]; !strings.HasPrefix(got, want) {
			t.Errorf("%d bytes arrived, want %d", len(got), len(want))
		}
	})
}

// TestClosedWindow: what waits in the kernel behind a closed window is judged like what waits here, though every write
// was taken whole. The answers of the client's machine to the kernel's probes are no progress, and their rarity is no
// death.
func TestClosedWindow(t *testing.T) {
	for name, tt := range map[string]struct {
		step int // acknowledged every 5 seconds
		want bool
	}{"takes nothing": {0, true}, "takes 1 KiB in 5 s": {1 << 10, false}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				c := e.connect(t, 1, "now")
				for left := 20 << 10; left > 0 && !c.closed(); left -= tt.step {
					if left == 20<<10 && c.closed() {
						break
					}
					c.kernel(left, 0)
					time.Sleep(5 * time.Second)
					if tt.step == 0 && strings.Count(c.body(), ": hb") > 2 {
						t.Fatal("still open although the client takes nothing")
					}
				}
				if c.closed() != tt.want {
					t.Errorf("closed: %v, want %v", c.closed(), tt.want)
				}
			})
		})
	}
}

// TestVanished: a machine that acknowledges nothing of what is on its way is given up after peer_timeout, within 45 s
// of its last word; one that answers in time is not.
func TestVanished(t *testing.T) {
	for name, tt := range map[string]struct {
		back time.Duration // answers again then
		want bool
	}{"never comes back": {time.Hour, true}, "comes back after 24 s": {39 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				c := e.connect(t, 1, "now")
				var at time.Duration
				for ; at < time.Minute && !c.closed(); at += 250 * time.Millisecond {
					switch out := strings.Count(c.body(), ": hb") > 0; {
					case out && at < tt.back:
						c.kernel(5, at+1)
					default:
						c.kernel(0, 0)
					}
					time.Sleep(250 * time.Millisecond)
					synctest.Wait()
				}
				if c.closed() != tt.want || tt.want && (at < 40*time.Second || at > 45*time.Second) {
					t.Errorf("closed: %v, want %v; after %v", c.closed(), tt.want, at)
				}
			})
		})
	}
}

// TestSlowReaderMoves: who reads 2 KiB a second, through a real socket with a small receive buffer, behind 20 posts a
// second, is kept; who reads nothing beside it is closed. The hub's clock is moved by hand.
func TestSlowReaderMoves(t *testing.T) {
	eachHolder(t, func(t *testing.T, cfg Config) {
		w := newWorld()
		w.follow(2, 1, true)
		w.follow(3, 1, true)
		s := serve(t, w, cfg)
		s.small = true
		slow, stuck := s.live(2, "?types=post"), s.live(3, "?types=post")
		text := `{"text":"` + strings.Repeat("x", 300) + `"}`
		chunk := make([]byte, 2<<10)
		for range 120 { // seconds
			for range 20 {
				w.commit(by(1), social.EventPostCreated, text, id(1))
			}
			s.idle()
			_ = slow.conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(slow.r, chunk); err != nil {
				t.Fatalf("the slow reader: %v", err)
			}
			s.inHub(func(h *hub) {
				for range int(time.Second / h.wheel.tick) {
					h.elapse(h.ticked.Add(h.wheel.tick))
				}
			})
		}
		s.seats.await(1)
		if n := s.ended(endedStuck); n != 1 {
			t.Errorf("%v were counted as stuck, want the one that reads nothing", n)
		}
		stuck.conn.Close()
	})
}
