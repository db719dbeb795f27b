package sse

import (
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/belfry-social/belfry/modules/social"
)

// TestSlowModel: however little a client takes at a time, wherever its events come from, it gets all of them.
func TestSlowModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := defaults
		cfg.TailBytes = social.Size(rapid.SampledFrom([]int{4 << 10, 8 << 10, 1 << 20}).Draw(rt, "tail"))
		inBubble(t, cfg, func(t *testing.T, e *engine) {
			e.w.follow(1, 2, true)
			e.w.follow(1, 3, true)
			from := e.w.Head()
			e.pipes.room = 2 << 10
			c := e.connect(t, 1, from.String())
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"notify", "post", "other", "large", "take", "take", "relation", "rest"}).Draw(rt,
					"step") {
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
			if got, want := c.body(), strings.Join(e.w.expected(1, social.PostsNotify, from.Seq), ""); got != want {
				rt.Fatalf("%d blocks, want %d", strings.Count(got, "event: "), strings.Count(want, "event: "))
			}
		})
	})
}
