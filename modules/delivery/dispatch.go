package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// relisten is the wait after a failure of a listener, doubled with each further one in a row.
const relisten = 50 * time.Millisecond

// follow hands every event after a cursor to hear, until ctx ends. Errors of the log and gaps are survived: where
// a gap says that events are lost, the log says so loudly and following goes on behind it.
func follow(ctx context.Context, log storage.Log, after social.Cursor, lg *zap.Logger, hear func([]social.Event)) {
	for ctx.Err() == nil {
		for events, err := range log.Tail(ctx, after) {
			var gap *social.GapError
			switch {
			case errors.As(err, &gap):
				lg.Error("events are lost to this reader of the tail", zap.Stringer("from", gap.From), zap.Stringer("to", gap.To), zap.String("reason", string(gap.Reason)))
				after = gap.To
			case err != nil:
				if ctx.Err() == nil && !errors.Is(err, storage.ErrClosed) {
					lg.Error("tail of the event log", zap.Error(err))
				}
			case len(events) > 0:
				after = events[len(events)-1].Cursor
				hear(events)
			}
		}
		if !pause(ctx, time.Second) {
			return
		}
	}
}

// listen is the goroutine of one listener. A batch whose Publish panics is given again after a pause; when that
// opens the breaker the batch is passed over, so that one poisoned event does not silence the listener for ever.
func (s *Service) listen(ctx context.Context, c *channel, l plugins.Listener, after social.Cursor) {
	follow(ctx, s.History.open(), after, c.log, func(events []social.Event) {
		for wait := relisten; ctx.Err() == nil; wait *= 2 {
			// Each try gets a slice of its own: it belongs to the callee.
			err := c.call("Publish", func() error { l.Publish(slices.Clone(events)); return nil })
			if err == nil {
				c.breaker.succeeded()
				return
			}
			if c.breaker.failed(err) {
				c.log.Error("listener gives up events and rests", zap.Int("events", len(events)), zap.Stringer("first", events[0].Cursor))
				pause(ctx, c.breaker.rest())
				return
			}
			pause(ctx, wait)
		}
	})
}

// watch is the goroutine that keeps this node's own readers true: it wakes long polls and ends what was revoked.
func (s *Service) watch(ctx context.Context, after social.Cursor) {
	follow(ctx, s.History.open(), after, s.log, func(events []social.Event) {
		for _, e := range events {
			if e.Type != social.EventAccessRevoked || !e.Internal {
				continue
			}
			var data social.AccessRevokedData
			if err := json.Unmarshal(e.Data, &data); err != nil {
				s.log.Error("revocation cannot be read: every connection of the person ends", zap.Stringer("event", e.Cursor), zap.Error(err))
				data = social.AccessRevokedData{}
			}
			s.Connections.revoke(e.Stream.User, e.Time, data)
		}
		s.wakeups.tell(events)
	})
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
