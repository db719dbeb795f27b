package sse

import (
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

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
				if took := time.Since(begun); tt.want && (took < 14*time.Second || took > 15*time.Second) {
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
			if time.Since(begun) > 24*time.Second { // its longest silence was 2 s
				t.Fatal("still open although the client takes nothing")
			}
		}
	})
}

// steps is how a machine acknowledged what waited for it: after so many tenths of a second so many KiB.
type steps [][2]int

// Measured for decision 0057, from the moment when data began to wait.
var measured = map[string]steps{
	"16 KiB buffer, 2 KiB/s": {{58, 13}, {75, 15}, {38, 7}, {28, 7}, {70, 13}, {40, 8}, {62, 11}, {42, 8}, {58, 11},
		{35, 8}, {148, 29}, {148, 31}, {155, 29}, {148, 29}, {15, 3}, {148, 29}},
	"32 KiB buffer, 2 KiB/s": {{43, 16}, {72, 14}, {75, 14}, {70, 14}, {15, 3}, {62, 13}, {78, 15}, {10, 4}, {60, 11},
		{15, 4}, {308, 62}, {310, 62}, {310, 60}, {142, 28}, {300, 60}},
	"64 KiB buffer, 2 KiB/s": {{11, 18}, {72, 14}, {75, 15}, {65, 12}, {52, 11}, {42, 9}, {82, 18}, {92, 20}, {78, 17},
		{625, 124}, {318, 61}, {303, 61}},
	"64 KiB buffer, 8 KiB/s": {{7, 2}, {13, 14}, {18, 16}, {18, 13}, {20, 18}, {15, 12}, {20, 17}, {158, 124}, {80, 62},
		{155, 124}, {158, 125}},
	"default buffer, 2 KiB/s": {{134, 16}, {75, 25}, {148, 29}, {145, 28}, {78, 16}, {140, 27}, {72, 16}, {148, 29},
		{802, 156}},
	"default buffer, 8 KiB/s": {{23, 16}, {15, 22}, {20, 14}, {18, 14}, {30, 24}, {28, 23}, {175, 138}, {232, 187},
		{80, 61}, {240, 187}},
	"default buffer, 4 KiB/s, packets of 64 KiB": {{62, 17}, {35, 25}, {70, 28}, {98, 30}, {46, 36}, {600, 240},
		{602, 241}},
	"16 KiB buffer, 2 KiB/s, over Ethernet": {{63, 11}, {68, 11}, {8, 1}, {42, 11}, {42, 8}, {85, 16}, {112, 23}, {8, 1},
		{120, 24}, {12, 1}, {120, 25}},
}

// take plays steps to the end, or until the connection is closed.
func (s steps) take(c *pipe, waiting *int) {
	for _, step := range s {
		time.Sleep(time.Duration(step[0]) * 100 * time.Millisecond)
		synctest.Wait() // a look at the same moment comes before
		if *waiting -= step[1] << 10; c.closed() {
			return
		}
		c.kernel(*waiting, 0)
	}
}

// stall connects a client whose socket is full.
func (e *engine) stall(t *testing.T, waiting int) *pipe {
	t.Helper()
	e.pipes.room = 64 << 10
	c := e.connect(t, 1, "now")
	c.kernel(waiting, 0)
	for range 20 {
		e.w.commit(to(1), "notification", `"`+strings.Repeat("x", 8<<10)+`"`)
	}
	synctest.Wait()
	if !c.full {
		t.Fatal("the socket should be full")
	}
	return c
}

// lasts is how long a connection stays open from now.
func (c *pipe) lasts() time.Duration {
	begun := time.Now()
	for !c.closed() && time.Since(begun) < time.Hour {
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
	}
	return time.Since(begun)
}

// TestSteps: machines that acknowledge in steps, as they were measured, are kept; each is closed when it stops.
func TestSteps(t *testing.T) {
	for name, s := range measured {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				waiting := 1 << 20
				c := e.stall(t, waiting)
				s.take(c, &waiting)
				if c.closed() {
					t.Fatal("closed although the client reads")
				}
				if d := c.lasts(); d < 14*time.Second || d > 114*time.Second {
					t.Errorf("closed %v after it had stopped", d)
				}
			})
		})
	}
}

// TestStops: how long one that stops is kept follows from how it took what waited before.
func TestStops(t *testing.T) {
	for name, tt := range map[string]struct {
		before   steps
		from, to time.Duration
	}{
		"takes nothing from the start":       {nil, 14 * time.Second, 15 * time.Second},
		"took 8 KiB twice a second":          {slices.Repeat(steps{{5, 8}}, 60), 14 * time.Second, 16 * time.Second},
		"took 8 KiB every 4 s":               {slices.Repeat(steps{{40, 8}}, 30), 39 * time.Second, 52 * time.Second},
		"took 32 KiB every 13 s":             {slices.Repeat(steps{{130, 32}}, 20), 111 * time.Second, 114 * time.Second},
		"took 1 KiB every 13 s":              {slices.Repeat(steps{{130, 1}}, 20), 111 * time.Second, 114 * time.Second},
		"took 1 KiB in 30 s, after it could": {steps{{63, 8}, {300, 1}}, 40 * time.Second, 42 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, defaults, func(t *testing.T, e *engine) {
				waiting := 1 << 20
				c := e.stall(t, waiting)
				tt.before.take(c, &waiting)
				if d := c.lasts(); d < tt.from || d > tt.to {
					t.Errorf("closed after %v, want %v to %v", d, tt.from, tt.to)
				}
			})
		})
	}
}

// TestPatience: whatever a peer does while data waits, its silence ends by progress or is ended: within 8 times
// progress_timeout and a check, and not within progress_timeout.
func TestPatience(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, defaults, func(t *testing.T, e *engine) {
			waiting := 1 << 30
			c := e.stall(t, waiting)
			last := time.Now() // it took something
			for range rapid.IntRange(1, 40).Draw(rt, "steps") {
				steps{{rapid.IntRange(1, 1300).Draw(rt, "tenths"), rapid.IntRange(8, 200).Draw(rt, "KiB")}}.take(c, &waiting)
				if c.closed() {
					break
				}
				last = time.Now()
			}
			c.lasts()
			silence := time.Since(last)
			if silence < 14*time.Second {
				rt.Fatalf("closed %v after it had moved", silence)
			}
			if silence > 131*time.Second { // a step may end behind the end
				rt.Fatalf("closed only %v after it had moved", silence)
			}
		})
	})
}

// TestCaughtUp: who has taken everything begins anew: its patience of before is no credit for the next stall.
func TestCaughtUp(t *testing.T) {
	inBubble(t, defaults, func(t *testing.T, e *engine) {
		waiting := 1 << 20
		c := e.stall(t, waiting)
		slices.Repeat(steps{{130, 32}}, 10).take(c, &waiting)
		c.kernel(0, 0)
		c.take(-1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		c.take(0)
		c.kernel(64<<10, 0)
		e.w.notify(1)
		synctest.Wait()
		if d := c.lasts(); d < 14*time.Second || d > 15*time.Second {
			t.Errorf("closed after %v, want 14 to 15 s", d)
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
// second, is kept; who reads nothing beside it is closed. The hub's clock is moved by hand, so what the kernel takes in
// a moment may be much later by that clock: who reads nothing has mostSilence from there.
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
		for second := 0; second < 120 || s.seats.count() > 1; second++ {
			if second == 600 {
				t.Fatal("who reads nothing is not closed")
			}
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
