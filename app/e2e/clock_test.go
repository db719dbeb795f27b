package e2e_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/belfry-social/belfry/app"
	"github.com/belfry-social/belfry/modules/social"
)

// skewed is a clock that can be set.
type skewed struct{ by atomic.Int64 }

func (s *skewed) now() time.Time      { return time.Now().Add(time.Duration(s.by.Load())) }
func (s *skewed) set(d time.Duration) { s.by.Store(int64(d)) }
func (s *skewed) program() fx.Option {
	return fx.Options(
		fx.Decorate(func(social.Clock) social.Clock { return s.now }),
		fx.Decorate(func(o app.Options) app.Options { o.Clock = s.now; return o }),
	)
}

// TestClockJump (P11): the clock jumps by ten years and back, by an hour and back, while people write and read:
// order, ids, replay, repeated requests and open streams do not notice.
func TestClockJump(t *testing.T) {
	_, rng := luck(t)
	clock := &skewed{}
	w := startWorld(t, map[string]string{"server.max_streams_per_person": "100"}, 4, clock.program())
	g := newGate()
	g.set(true)
	s := newStorm(w.URL, w.People, w.Service, g)
	var readers []*reader
	for _, m := range w.People {
		for i := range 3 {
			r := newReader(w.URL, m, "all", first, g, rng)
			if i == 0 {
				r.only, r.cut = "stream", 0
			}
			readers = append(readers, r)
			go r.run(t.Context())
		}
	}
	const year = 365 * 24 * time.Hour
	var writers sync.WaitGroup
	writers.Go(func() { s.all(t.Context(), 60, rand.New(rand.NewPCG(rng.Uint64(), 0))) })
	for _, jump := range []time.Duration{10 * year, -10 * year, time.Hour, 0, -time.Hour, time.Second} {
		await(t, s.milestone(20), "the storm")
		clock.set(jump)
	}
	writers.Wait()

	clock.set(0)
	me := newCaller(w.URL, w.People[0].Token)
	body := map[string]any{"text": "once, whatever time it is"}
	before := me.must(t, 201, "POST", "/v1/posts", body, "Idempotency-Key: clock")
	for _, jump := range []time.Duration{-10 * year, -time.Hour, 23 * time.Hour} {
		clock.set(jump)
		if again := me.must(t, 201, "POST", "/v1/posts", body, "Idempotency-Key: clock"); string(again) != string(before) {
			t.Errorf("%v later the repeated request is answered\n%s\nnot\n%s", jump, again, before)
		}
	}
	clock.set(-10 * year)
	s.end(t, readers...)
	for _, m := range w.People {
		readers = append(readers, &reader{history: *everything(t, w.URL, m, "all")})
	}
	db := openStore(t, w.Data)
	s.check(t, db)
	x := readTruth(t, db)
	times := map[bool]int{}
	for _, r := range readers {
		x.checkAll(t, &r.history)
		if r.only != "" && r.opened != 1 {
			t.Errorf("a stream was opened %d times: a jump of the clock ended it", r.opened)
		}
	}
	if !slices.IsSortedFunc(x.rows, func(a, b announced) int { return int(a.seq) - int(b.seq) }) {
		t.Error("positions are out of order")
	}
	for i := 1; i < len(x.rows); i++ {
		times[x.rows[i].at < x.rows[i-1].at]++
	}
	if times[true] < 3 {
		t.Errorf("the times of events went back %d times only: the clock did not jump", times[true])
	}
}
