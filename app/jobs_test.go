package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/belfry-social/belfry/modules/social"
)

// Jobs run at their turn, again at once while there is more, and whatever one does the others go on.
func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		began := time.Now()
		var mu sync.Mutex
		ran := map[string][]time.Duration{}
		note := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			ran[name] = append(ran[name], time.Since(began))
		}
		left := 3
		j := newJobs([]social.Job{
			{Name: "steady", Every: time.Minute, Run: func(context.Context) (bool, error) { return false, nil }},
			{Name: "more", Every: time.Minute, Run: func(context.Context) (bool, error) {
				note("more")
				left--
				return left > 0, nil
			}},
			{Name: "fails", Every: time.Minute, Run: func(context.Context) (bool, error) {
				note("fails")
				return true,
					errors.New("no luck")
			}},
			{Name: "panics", Every: time.Minute, Run: func(context.Context) (bool, error) { note("panics"); panic("oh") }},
			{Name: "hangs", Every: time.Minute, Run: func(ctx context.Context) (bool,
				error) {
				note("hangs")
				<-ctx.Done()
				return false, ctx.Err()
			}},
		}, time.Now, zap.New(core))
		if err := j.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Minute + 45*time.Second) // of the bubble's time
		synctest.Wait()
		minute := time.Minute
		for name, want := range map[string][]time.Duration{
			"more": {minute, minute, minute, 2 * minute}, "fails": {minute, 2 * minute}, "panics": {minute, 2 * minute},
			"hangs": {minute, 2*minute + jobDeadline},
		} {
			if len(ran[name]) != len(want) {
				t.Errorf("%s ran at %v, want %v", name, ran[name], want)
				continue
			}
			for i := range want {
				if ran[name][i] != want[i] {
					t.Errorf("%s ran at %v, want %v", name, ran[name], want)
				}
			}
		}
		failures := map[string]int{}
		for _, line := range logs.FilterMessage("job").All() {
			failures[line.ContextMap()["job"].(string)]++
			if line.ContextMap()["job"] == "panics" && !strings.Contains(line.ContextMap()["error"].(string), "jobs_test.go") {
				t.Error("the line of a panic does not say where it was")
			}
		}
		if failures["fails"] != 2 || failures["panics"] != 2 || failures["hangs"] != 1 || failures["steady"] != 0 {
			t.Errorf("lines in the log: %v", failures)
		}
		if err := j.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A job that does not end when it is told to is left behind at the deadline.
func TestJobsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		j := newJobs([]social.Job{{Name: "deaf", Every: time.Second, Run: func(context.Context) (bool,
			error) {
			<-letGo
			return false, nil
		}}}, time.Now, zap.NewNop())
		if err := j.stop(t.Context()); err != nil {
			t.Errorf("stop before start: %v", err)
		}
		if err := j.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := j.stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v", err)
		}
		close(letGo)
		synctest.Wait()
	})
}
