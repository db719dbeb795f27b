package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// killPlaces are the failpoints at which a child ends itself.
var killPlaces = []string{"sqlite begin", "sqlite commit", "sqlite committed", "bolt before commit",
	"bolt before sync", "bolt after commit"}

// TestCrash (P1): people write and read while the process is killed again and again, at random moments and at the
// failpoints of both stores. Everything answered is there, whole and once; everything shown stays, with its bytes.
// CYCLES= makes it longer; then it prints one line of figures.
func TestCrash(t *testing.T) {
	seed, rng := luck(t)
	cycles := number(t, "CYCLES", 20)
	w := startWorld(t, nil, 6)
	w.stop()
	c := newChild(t, w.Data, "BELFRY_SERVER_MAX_STREAMS_PER_PERSON=100")
	g := newGate()
	s := newStorm(c.URL, w.People, w.Service, g)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers []*reader
	for _, m := range w.People {
		for _, mode := range []string{"all", "notify"} {
			r := newReader(c.URL, m, mode, first, g, rng)
			readers = append(readers, r)
			go r.run(ctx)
		}
	}
	writing, stopWriting := context.WithCancel(ctx)
	var writers sync.WaitGroup
	for i := range w.People {
		mine := rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))
		writers.Go(func() { s.write(writing, i, 0, mine) })
	}
	began, atPlaces, atStart := time.Now(), 0, 0
	for i := range cycles {
		fault, kill := "", 1+rng.IntN(80)
		if i%3 > 0 {
			place, how := "sqlite commit", "late" // the place where most can go wrong
			if i%3 == 2 {
				place, how = killPlaces[rng.IntN(len(killPlaces))], []string{"kill", "late"}[rng.IntN(2)]
			}
			fault, kill = fmt.Sprintf("%s:%d:%s", place, 1+rng.IntN(30), how), 500
		}
		if !c.start(fault) {
			atStart++
		} else {
			g.set(true)
			select {
			case <-c.done:
				atPlaces++
			case <-s.milestone(kill):
			case <-time.After(deadline):
				t.Fatal("the storm stands still")
			}
			g.set(false)
			c.kill()
		}
		if i%2 == 0 { // on what the crash has left
			mustBelfry(t, "log", "check", "--data", c.Data)
		}
	}
	c.mustStart()
	g.set(true)
	await(t, s.milestone(30), "the storm after the last start")
	stopWriting()
	writers.Wait()
	mustBelfry(t, "log", "check", "--data", c.Data) // asked of the running program
	s.end(t, readers...)
	var list []*history
	for _, r := range readers {
		list = append(list, &r.history)
	}
	for _, m := range w.People {
		r := newReader(c.URL, m, "all", first, g, rng)
		r.only, r.cut = "stream", 0
		r.run(ctx)
		list = append(list, &r.history)
	}
	c.term()
	if code := c.exit(deadline); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.out)
	}
	db := openStore(t, c.Data)
	s.check(t, db)
	x := readTruth(t, db)
	deliveries := x.checkAll(t, list...)
	for _, h := range list {
		if len(h.Gaps) > 0 {
			t.Errorf("a client saw a gap: %+v", h.Gaps[0])
		}
	}
	report(t, "crash", seed, map[string]any{"cycles": cycles, "killed_at_failpoints": atPlaces,
		"killed_at_start": atStart, "answered": s.answered.Load(),
		"entries": len(x.rows), "deliveries": deliveries, "seconds": int(time.Since(began).Seconds())})
}

// report logs the figures of a check, and in the full form (REPORT=1) prints them as one line of JSON.
func report(t testing.TB, check string, seed uint64, figures map[string]any) {
	t.Helper()
	line, err := json.Marshal(map[string]any{"check": check, "pass": !t.Failed(), "seed": seed, "figures": figures})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", line)
	if os.Getenv("REPORT") != "" {
		_, _ = os.Stdout.WriteString(strings.TrimSpace(string(line)) + "\n")
	}
}
