package dispatch

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// relisten is the wait after a failure of a listener, doubled with each further one in a row.
const relisten = 50 * time.Millisecond

// Tail is what following needs of the event log.
type Tail interface {
	Tail(ctx context.Context, after social.Cursor) iter.Seq2[[]social.Event, error]
}

// Follow hands every event after a cursor to hear, until ctx ends. Errors of the log end nothing, nor do gaps: a gap is
// logged as a loss, and following goes on behind it. A batch is shared: hear must not change it.
func Follow(ctx context.Context, tail Tail, after social.Cursor, log *zap.Logger, hear func([]social.Event)) {
	for ctx.Err() == nil {
		for events, err := range tail.Tail(ctx, after) {
			var gap *social.GapError
			switch {
			case errors.As(err, &gap):
				log.Error("events are lost to this reader of the tail", zap.Stringer("from", gap.From),
					zap.Stringer("to", gap.To), zap.String("reason", string(gap.Reason)))
				after = gap.To
			case err != nil:
				if ctx.Err() == nil && !errors.Is(err, storage.ErrClosed) {
					log.Error("tail of the event log", zap.Error(err))
				}
			case len(events) > 0:
				after = events[len(events)-1].Cursor
				hear(events)
			}
		}
		Pause(ctx, nil, time.Second)
	}
}

// Listen hands every event after a cursor to the channel on a goroutine, if the channel is a listener, until ctx ends.
// A batch whose Publish panics is given again after a pause; when that opens the breaker the batch is passed over, so
// that one poisoned event does not silence the listener for ever.
func (c *Channel) Listen(ctx context.Context, tail Tail, after social.Cursor) {
	l, ok := c.impl.(plugins.Listener)
	if !ok {
		return
	}
	c.Go(func() {
		Follow(ctx, tail, after, c.Log, func(events []social.Event) {
			for wait := relisten; ctx.Err() == nil; wait *= 2 {
				// Each try gets a slice of its own: it belongs to the callee.
				err := c.Call("Publish", func() error { l.Publish(slices.Clone(events)); return nil })
				if c.Judge(err) {
					c.Log.Error("listener gives up events", zap.Int("events", len(events)),
						zap.Stringer("first", events[0].Cursor))
					Pause(ctx, nil, c.Rest())
					return
				}
				if err == nil {
					return
				}
				Pause(ctx, nil, wait)
			}
		})
	})
}

// Pause returns after d, when woken, or when ctx ends. A nil wake never wakes.
func Pause(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-wake:
	case <-t.C:
	case <-ctx.Done():
	}
}
