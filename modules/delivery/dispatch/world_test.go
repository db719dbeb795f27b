package dispatch_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a log and the channels that hear it.
type world struct {
	t    testing.TB
	log  *bolt.Log
	last social.Position
}

func newWorld(t testing.TB) *world {
	cfg := bolt.DefaultConfig(filepath.Join(t.TempDir(), "events.bolt"))
	log, err := bolt.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	if err := log.Reset(t.Context(), social.Epochs{{Number: 1}}, 0); err != nil {
		t.Fatal(err)
	}
	return &world{t: t, log: log}
}

func (w *world) event(to social.ID) storage.Entry {
	return storage.Entry{Op: storage.OpAppend, Stream: social.Stream{Kind: social.To, User: to},
		Type: social.EventNotification, Data: []byte(`{}`)}
}

func (w *world) append(list ...storage.Entry) {
	w.t.Helper()
	for i := range list {
		w.last++
		list[i].Position, list[i].OutboxID, list[i].Time = w.last, int64(w.last), social.TimeOf(time.Now())
	}
	if err := w.log.Append(context.Background(), list...); err != nil {
		w.t.Fatalf("append: %v", err)
	}
}

type named struct {
	name string
	plugins.Channel
}

// start has channels hear what comes after the head, until the test ends.
func (w *world) start(channels ...named) (out []*dispatch.Channel) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, c := range channels {
		cfg := dispatch.Config{Failures: 5, Pause: time.Minute, Hangs: dispatch.HangsAfter}
		ch := dispatch.New(c.name, c.Channel, cfg, time.Now, zap.NewNop())
		ch.Listen(ctx, w.log, w.log.Head())
		out = append(out, ch)
	}
	w.t.Cleanup(func() {
		cancel()
		var all sync.WaitGroup
		for _, c := range out {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := c.Stop(ctx); err != nil {
					w.t.Errorf("stop: %v", err)
				}
			})
		}
		all.Wait()
	})
	return out
}

func health(channels []*dispatch.Channel) []dispatch.Health {
	out := make([]dispatch.Health, len(channels))
	for i, c := range channels {
		out[i] = c.Health()
	}
	return out
}

// listener is a listener whose Publish is the test's.
type listener struct{ publish func([]social.Event) }

func (listener) Start(context.Context) error     { return nil }
func (listener) Stop(context.Context) error      { return nil }
func (l listener) Publish(events []social.Event) { l.publish(events) }
