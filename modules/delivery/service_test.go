package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lifeChannel records its life and fails where told.
type lifeChannel struct {
	name   string
	events *lives
	start  func(context.Context) error
}

// lives are noted by whoever calls: a start that hangs is left behind on its own goroutine.
type lives struct {
	mu   sync.Mutex
	list []string
}

func (l *lives) note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, what)
}

func (l *lives) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.list)
}

func (c lifeChannel) Start(ctx context.Context) error {
	c.events.note("start " + c.name)
	if c.start != nil {
		return c.start(ctx)
	}
	return nil
}

func (c lifeChannel) Stop(context.Context) error {
	c.events.note("stop " + c.name)
	return nil
}

func TestStartNamesTheChannelThatFails(t *testing.T) {
	for name, start := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New("no port") },
		"panic": func(context.Context) error { panic("no port") },
		"hang":  func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Second); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var events lives
				s := w.service(defaults(), named{"first", lifeChannel{name: "first", events: &events}},
					named{"bad", lifeChannel{name: "bad", events: &events, start: start}}, named{"last", lifeChannel{name: "last",
						events: &events}})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := s.Start(ctx)
				if err == nil || !strings.Contains(err.Error(), "channel bad: ") {
					t.Errorf("start gave %v, want an error that names the channel", err)
				}
				if got, want := events.String(), "[start first start bad stop first]"; got != want {
					t.Errorf("lives were %s, want %s", got, want)
				}
				w.stop(s)
				synctest.Wait()
				time.Sleep(time.Second)
			})
		})
	}
}

func TestStopWithoutStart(t *testing.T) {
	w := newWorld(t)
	s := w.service(defaults())
	w.stop(s)
	w.stop(s)
}
