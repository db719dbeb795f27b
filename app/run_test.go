package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// Steps start in order and stop in the opposite one, each with a deadline of its own; one that fails stops
// exactly those that were begun, itself among them.
func TestRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		broken, fails := errors.New("broken"), ""
		one := func(name string) step {
			return step{name: name, timeout: time.Second,
				start: func(context.Context) error {
					said = append(said, "+"+name)
					if fails == name {
						return broken
					}
					return nil
				},
				stop: func(ctx context.Context) error {
					said = append(said, "-"+name)
					if name == "hangs" {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}}
		}
		quiet := one("x")
		quiet.start, quiet.stop = nil, nil
		r := &runner{steps: []step{one("a"), quiet, one("hangs"), one("b")}, log: zap.NewNop()}
		if err := r.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := r.stop(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop: hangs: ") ||
			time.Since(began) != time.Second {
			t.Errorf("stop after %s: %v", time.Since(began), err)
		}
		if got, want := strings.Join(said, " "), "+a +hangs +b -b -hangs -a"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := r.stop(t.Context()); err != nil || len(said) != 6 {
			t.Errorf("the second stop does something: %v %v", err, said)
		}

		said, fails = nil, "hangs"
		err = r.start(t.Context())
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "start: hangs: broken") {
			t.Errorf("start: %v", err)
		}
		if got, want := strings.Join(said, " "), "+a +hangs -hangs -a"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The deadlines of all steps together are below that of the whole stop (I17), and the order of the end is: not
// ready, streams told, requests answered, channels stopped, stores closed.
func TestSteps(t *testing.T) {
	p := wired(t)
	var sum time.Duration
	var names []string
	for _, s := range p.steps() {
		if s.stop != nil {
			sum += s.timeout
			names = append(names, s.name)
			if s.timeout <= 0 {
				t.Errorf("%s has no deadline to stop", s.name)
			}
		}
	}
	if sum >= stopTimeout {
		t.Errorf("the deadlines add up to %s, the stop has %s", sum, stopTimeout)
	}
	order := strings.Join(names, " > ")
	if want := "database > admin listener > channels > relay flush > jobs > command socket > requests > pictures > " +
		"streams > listener > demo"; order != want {
		t.Errorf("started in the order %s, want %s", order, want)
	}
}
