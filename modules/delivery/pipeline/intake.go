package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

const (
	markLag = 4096 // events that may pass before the mark is saved for its own sake
	maxIn   = 256  // events whose receivers one statement names
)

// intake turns the tail of the log into rows: deliveries for what names a person, one fan-out for a post. The mark
// moves in the transaction that makes the rows, so a crash repeats nothing and loses nothing. A batch of which nothing
// comes writes nothing: the mark may lag by markLag events, which are judged again after a crash, with the same result.
type intake struct {
	p     *Pipeline
	saved social.Position // the mark in the store
	heard int             // events since it was saved
}

// errMarkMoved says that another node took these events.
var errMarkMoved = errors.New("another node moved the mark")

// openMark gives the place where intake goes on: the mark, or head if there is none yet.
func (p *Pipeline) openMark(ctx context.Context, head social.Position) (mark social.Position, err error) {
	err = p.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO sender_mark (id, position) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`,
			int64(head))
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT position FROM sender_mark WHERE id = 1`).Scan(&mark)
	})
	return mark, err
}

func (p *Pipeline) dropMark(ctx context.Context) error {
	return p.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM sender_mark`)
		return err
	})
}

// take handles one batch and returns when it is done or ctx ends: what the store cannot take now is tried again.
func (in *intake) take(ctx context.Context, events []social.Event) {
	for ctx.Err() == nil {
		err := in.try(ctx, events)
		if err == nil {
			return
		}
		if errors.Is(err, errMarkMoved) {
			if in.saved, err = in.p.openMark(ctx, in.saved); err == nil {
				for len(events) > 0 && events[0].Cursor.Seq <= in.saved {
					events = events[1:]
				}
				continue
			}
		}
		in.p.log.Error("deliveries cannot be written", zap.Error(err))
		dispatch.Pause(ctx, nil, time.Second)
	}
}

// try does one batch in at most one transaction.
func (in *intake) try(ctx context.Context, events []social.Event) error {
	if len(events) == 0 {
		return nil
	}
	deliveries, posts, err := in.plan(ctx, events)
	if err != nil {
		return err
	}
	nothing := len(deliveries) == 0 && len(posts) == 0
	if nothing && in.heard+len(events) < markLag {
		in.heard += len(events)
		return nil
	}
	last, now := events[len(events)-1].Cursor.Seq, in.p.clock.Now()
	err = in.p.db.InTx(ctx, func(tx storage.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE sender_mark SET position = $1 WHERE position = $2`, int64(last), int64(in.saved))
		if err != nil {
			return err
		}
		if n == 0 {
			return errMarkMoved
		}
		for _, d := range deliveries {
			if err := addDelivery(ctx, tx, d, now); err != nil {
				return fmt.Errorf("delivery for %s: %w", d.EndpointID, err)
			}
		}
		for _, e := range posts {
			if err := addFanOut(ctx, tx, e.Cursor.Seq, e.Stream.User); err != nil {
				return fmt.Errorf("fan-out of %d: %w", e.Cursor.Seq, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	in.saved, in.heard = last, 0
	if !nothing {
		in.p.nudge()
	}
	return nil
}

// plan asks, outside the writer's time, which endpoints want which event, and which posts have to be fanned out. Most
// people have no endpoint, and most sites have none: one query says whether there is any, and one more serves many
// events.
func (in *intake) plan(ctx context.Context,
	events []social.Event) (out []delivery, posts []social.Event, err error) {
	var named []social.Event
	for _, e := range events {
		switch {
		case e.Internal || len(e.Data) == 0:
		case e.Type == social.EventPostCreated && e.Stream.Kind == social.By:
			posts = append(posts, e)
		case (e.Type == social.EventNotification || e.Type == social.EventNotificationUpdated) &&
			e.Stream.Kind == social.To:
			named = append(named, e)
		}
	}
	if len(posts) == 0 && len(named) == 0 {
		return nil, nil, nil
	}
	var endpoints, forPosts int
	err = in.p.db.Read(ctx, func(q storage.Querier) error {
		out = nil
		err := q.QueryRow(ctx, `SELECT
			CASE WHEN EXISTS (SELECT 1 FROM endpoints WHERE deleted_at IS NULL) THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM endpoints WHERE wants_posts = 1 AND disabled = '' AND deleted_at IS NULL)
				THEN 1 ELSE 0 END`).Scan(&endpoints, &forPosts)
		if err != nil || endpoints == 0 {
			return err
		}
		for part := range slices.Chunk(named, maxIn) {
			if out, err = in.forPeople(ctx, q, part, out); err != nil {
				return err
			}
		}
		return nil
	})
	if forPosts == 0 {
		posts = nil
	}
	return out, posts, err
}

// forPeople adds the deliveries of notifications for the endpoints of their receivers.
func (in *intake) forPeople(ctx context.Context, q storage.Querier, events []social.Event,
	out []delivery) ([]delivery, error) {
	people := make([]social.ID, len(events))
	for i, e := range events {
		people[i] = e.Stream.User
	}
	marks, args := storage.In(nil, people)
	owned := map[social.ID][]endpoint{}
	err := storage.Each(ctx, q, func(row storage.Row) error {
		e, err := scanEndpoint(row)
		owned[e.owner] = append(owned[e.owner], e)
		return err
	}, `SELECT `+endpointColumns+` FROM endpoints
		WHERE deleted_at IS NULL AND disabled = '' AND owner_id IN `+marks, args...)
	for _, e := range events {
		if endpoints := owned[e.Stream.User]; len(endpoints) > 0 {
			out = in.forPerson(e, endpoints, out)
		}
	}
	return out, err
}

// forPerson adds the deliveries of a notification for the endpoints of its receiver. A revived one - older than its
// last change - was delivered when it was new.
func (in *intake) forPerson(e social.Event, endpoints []endpoint, out []delivery) []delivery {
	var n struct {
		ID        social.ID   `json:"id"`
		Type      string      `json:"type"`
		CreatedAt social.Time `json:"created_at"`
		UpdatedAt social.Time `json:"updated_at"`
	}
	if err := json.Unmarshal(e.Data, &n); err != nil || n.ID.IsZero() {
		in.p.log.Error("notification cannot be read: not delivered", zap.Stringer("event", e.Cursor), zap.Error(err))
		return out
	}
	if e.Type == social.EventNotificationUpdated && n.CreatedAt != n.UpdatedAt {
		return out
	}
	for _, to := range endpoints {
		if to.since < e.Cursor.Seq && to.wants(n.Type) && in.p.senders[to.Channel] != nil {
			out = append(out, newDelivery(to.ID, e.Cursor.Seq, e.Type, n.ID))
		}
	}
	return out
}
