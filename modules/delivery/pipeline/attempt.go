package pipeline

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// deliver takes the first due delivery of a claimed endpoint through the stages: attempt, judge, record. It returns
// only when the channel has: a call that hangs keeps its worker.
func (s *sender) deliver(ctx context.Context, c claim) {
	e, d, event, err := s.load(ctx, c)
	lost := plugins.IsPermanent(err)
	switch {
	case errors.Is(err, sql.ErrNoRows), err != nil && ctx.Err() != nil:
		s.record(ctx, c, d, nil)
		return
	case err != nil && !lost:
		s.c.Log.Error("delivery cannot be prepared: it is tried again", zap.Stringer("endpoint", c.id), zap.Error(err))
		return // the hold is the pause before the next try
	case err == nil && event == nil:
		if s.record(ctx, c, d, cancelDelivery) {
			s.p.figures.over(s.c.Name, stateCancelled, 1)
		}
		return
	}
	began := s.p.clock()
	if !lost {
		sending, cancel := context.WithTimeout(ctx, s.p.cfg.SendTimeout)
		defer cancel()
		var returned <-chan struct{}
		if c.stake.slow {
			sending = plugins.InSlowLane(sending)
		}
		returned, err = s.c.Within(sending, "Send", dispatch.Overrun, func(ctx context.Context) error {
			return s.impl.Send(ctx, plugins.Delivery{ID: d.ID, Attempt: d.attempts + 1, Receiver: e.owner,
				Settings: e.Settings, Secrets: e.secrets(social.TimeOf(began)), Event: event})
		})
		defer func() { <-returned }()
		if ctx.Err() != nil && err != nil {
			s.record(ctx, c, d, nil) // cut off by Stop: not an attempt
			return
		}
		s.c.Judge(err)
		if errors.Is(err, plugins.ErrBusyAddress) {
			s.p.figures.putOff.WithLabelValues(s.c.Name, putOffAddress).Inc()
			s.record(ctx, c, d, s.putOff)
			return
		}
	}
	v := s.p.cfg.judge(e, d, err, s.p.clock.Now(), s.random())
	v.attempt.At, v.attempt.DurationMS = social.TimeOf(began), s.p.clock().Sub(began).Milliseconds()
	if !lost {
		s.c.Attempted(v.outcome(), err == nil)
	}
	var settled int64
	if s.record(ctx, c, d, func(ctx context.Context, tx storage.Tx, d delivery, now social.Time) (done bool, err error) {
		done, settled, err = s.p.recordAttempt(ctx, tx, e, d, v, now)
		return done, err
	}) {
		s.note(d, v, settled)
	}
}

// note counts a recorded attempt and writes its line: ids and a word, nothing of what was sent or answered. settled is
// how many other deliveries died because the endpoint was switched off.
func (s *sender) note(d delivery, v verdict, settled int64) {
	f, a := s.p.figures, v.attempt
	f.made(s.c.Name, v.outcome(), a)
	if v.state != statePending {
		f.over(s.c.Name, v.state, 1)
	}
	f.over(s.c.Name, stateDead, settled)
	fields := []zap.Field{zap.Stringer("delivery", d.ID), zap.Stringer("endpoint", d.EndpointID),
		zap.Int("attempt", a.Number), zap.String("outcome", v.outcome()), zap.Int64("duration_ms", a.DurationMS)}
	if a.HTTPStatus != nil {
		fields = append(fields, zap.Int("status", *a.HTTPStatus))
	}
	switch v.state {
	case stateSucceeded:
		s.c.Log.Info("delivered", fields...)
	case stateDead:
		s.c.Log.Warn("delivery given up", fields...)
	default:
		s.c.Log.Info("delivery attempted", append(fields, zap.Int64("again_in_ms", v.wait.Milliseconds()))...)
	}
	if v.disable != "" {
		f.disabled.WithLabelValues(s.c.Name, v.disable).Inc()
		s.c.Log.Warn("endpoint switched off", zap.Stringer("endpoint", d.EndpointID), zap.String("reason", v.disable))
	}
}

// load reads a claimed endpoint, its first due delivery and the event as it is to be sent. sql.ErrNoRows says that
// nothing is due any more, a nil event that it must not be sent any more, a Permanent error that it is lost.
func (s *sender) load(ctx context.Context, c claim) (e endpoint, d delivery, event json.RawMessage, err error) {
	err = s.p.db.Read(ctx, func(q storage.Querier) error {
		e, err = scanEndpoint(q.QueryRow(ctx, `SELECT `+endpointColumns+` FROM endpoints
			WHERE id = $1 AND disabled = '' AND deleted_at IS NULL`, c.id))
		if err != nil {
			return err
		}
		d, err = scanDelivery(q.QueryRow(ctx, `SELECT `+deliveryColumns+` FROM deliveries
			WHERE endpoint_id = $1 AND state = 'pending' AND next_attempt_at <= $2
			ORDER BY next_attempt_at, key LIMIT 1`, c.id, int64(s.p.clock.Now())))
		return err
	})
	if err == nil {
		event, err = s.p.eventFor(ctx, e, d)
	}
	return e, d, event, err
}

// eventFor reads the event of a delivery from the log anew. It is nil when it was deleted or withdrawn, or when its
// receiver does not follow the author with the bell on any longer.
func (p *Pipeline) eventFor(ctx context.Context, e endpoint, d delivery) (json.RawMessage, error) {
	if d.EventType == eventTest { // the same bytes on every attempt
		return fmt.Appendf(nil, `{"id":null,"type":"test","time":"%s","data":{"message":"test"}}`, d.CreatedAt), nil
	}
	ev, ok, err := p.events.At(ctx, d.position)
	var gap *social.GapError
	switch {
	case errors.As(err, &gap):
		return nil, errDamaged
	case err != nil:
		return nil, fmt.Errorf("event at %d: %w", d.position, err)
	case !ok:
		return nil, errTrimmed
	case len(ev.Data) == 0:
		return nil, nil
	}
	stands := false
	err = p.db.Read(ctx, func(q storage.Querier) error {
		if ev.Stream.Kind == social.To {
			withdrawn, err := p.Ports.Notifications.Withdrawn(ctx, q, d.notification)
			stands = !withdrawn
			return err
		}
		posts, err := p.Ports.Posts.Info(ctx, q, []social.ID{d.notification})
		if err != nil {
			return err
		}
		_, there := posts[d.notification]
		edge, follows, err := p.Ports.Follows.Edge(ctx, q, e.owner, ev.Stream.User)
		stands = there && follows && edge.Bell && edge.Since < d.position
		return err
	})
	if err != nil || !stands {
		return nil, err
	}
	return ev.AppendJSON(nil), nil
}

// lostError says that an event cannot be sent any more, though nobody took it back.
type lostError struct{ why string }

func (e *lostError) Error() string                  { return e.why }
func (e *lostError) Outcome() (string, int, string) { return "permanent", 0, e.why }

var (
	errTrimmed = plugins.Permanent(&lostError{"the event is older than what is kept"})
	errDamaged = plugins.Permanent(&lostError{"the event cannot be read any more"})
)
