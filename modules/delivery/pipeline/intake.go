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

// intake turns the tail of the log into rows: deliveries for what names a person, one fan-out for a post. The mark
// moves in the transaction that makes the rows, so a crash repeats nothing and loses nothing.
//
// Batches of which nothing comes do not write: the mark in the store may stay behind by markLag events, which are
// judged again after a crash, with the same result.
type intake struct {
	s     *Pipeline
	saved social.Position // the mark in the store
	heard int             // events since it was saved
}

// markLag is how many events may pass before the mark is saved for its own sake.
const markLag = 4096

// errMarkMoved says that another node took these events.
var errMarkMoved = errors.New("another node moved the mark")

// openMark gives the place where intake goes on: the mark, or head if there is none yet.
func (s *Pipeline) openMark(ctx context.Context, head social.Position) (mark social.Position, err error) {
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO sender_mark (id, position) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, int64(head)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT position FROM sender_mark WHERE id = 1`).Scan(&mark)
	})
	return mark, err
}

// dropMark forgets the place: without senders nothing is to be made up for later.
func (s *Pipeline) dropMark(ctx context.Context) error {
	return s.db.InTx(ctx, func(tx storage.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM sender_mark`)
		return err
	})
}

// take handles one batch and returns when it is done or ctx ends: what the store cannot take now is tried again.
func (in *intake) take(ctx context.Context, events []social.Event) {
	for ctx.Err() == nil {
		made, err := in.try(ctx, events)
		switch {
		case errors.Is(err, errMarkMoved):
			if in.saved, err = in.s.openMark(ctx, in.saved); err == nil {
				events = after(events, in.saved)
				continue
			}
		case err == nil:
			if made {
				in.s.nudge()
			}
			return
		}
		in.s.log.Error("deliveries cannot be written", zap.Error(err))
		dispatch.Pause(ctx, nil, time.Second)
	}
}

func after(events []social.Event, mark social.Position) []social.Event {
	for len(events) > 0 && events[0].Cursor.Seq <= mark {
		events = events[1:]
	}
	return events
}

// try does one batch in at most one transaction, and reports whether it made work.
func (in *intake) try(ctx context.Context, events []social.Event) (bool, error) {
	if len(events) == 0 {
		return false, nil
	}
	plan, err := in.plan(ctx, events)
	if err != nil {
		return false, err
	}
	if plan.empty() && in.heard+len(events) < markLag {
		in.heard += len(events)
		return false, nil
	}
	last, now := events[len(events)-1].Cursor.Seq, in.s.clock.Now()
	err = in.s.db.InTx(ctx, func(tx storage.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE sender_mark SET position = $1 WHERE position = $2`, int64(last), int64(in.saved))
		if err != nil {
			return err
		}
		if n == 0 {
			return errMarkMoved
		}
		return plan.write(ctx, tx, now)
	})
	if err != nil {
		return false, err
	}
	in.saved, in.heard = last, 0
	return !plan.empty(), nil
}

// plan is what a batch asks for.
type plan struct {
	deliveries []delivery
	posts      []social.Position
}

func (p plan) empty() bool { return len(p.deliveries) == 0 && len(p.posts) == 0 }

// plan asks, outside the writer's time, which endpoints want which event. Most people have none, and most sites, so
// one look says whether there is any, and one more for many events whose there are.
func (in *intake) plan(ctx context.Context, events []social.Event) (p plan, err error) {
	var posts []social.Position
	var named []social.Event
	for _, e := range events {
		switch {
		case e.Internal || len(e.Data) == 0:
		case e.Type == social.EventPostCreated && e.Stream.Kind == social.By:
			posts = append(posts, e.Cursor.Seq)
		case (e.Type == social.EventNotification || e.Type == social.EventNotificationUpdated) && e.Stream.Kind == social.To:
			named = append(named, e)
		}
	}
	if len(posts) == 0 && len(named) == 0 {
		return plan{}, nil
	}
	err = in.s.db.Read(ctx, func(q storage.Querier) error {
		p = plan{}
		var anybody, wanted int
		err := q.QueryRow(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM endpoints WHERE deleted_at IS NULL) THEN 1 ELSE 0 END,
			CASE WHEN EXISTS (SELECT 1 FROM endpoints WHERE wants_posts = 1 AND disabled = '' AND deleted_at IS NULL) THEN 1 ELSE 0 END`).
			Scan(&anybody, &wanted)
		if err != nil || anybody == 0 {
			return err
		}
		if wanted == 1 {
			p.posts = posts
		}
		for part := range slices.Chunk(named, maxIn) {
			made, err := in.forPeople(ctx, q, part)
			if err != nil {
				return err
			}
			p.deliveries = append(p.deliveries, made...)
		}
		return nil
	})
	return p, err
}

// maxIn bounds the events whose receivers one statement names.
const maxIn = 256

// forPeople plans the deliveries of notifications for the endpoints of their receivers.
func (in *intake) forPeople(ctx context.Context, q storage.Querier, events []social.Event) (out []delivery, err error) {
	people := make([]social.ID, len(events))
	for i, e := range events {
		people[i] = e.Stream.User
	}
	marks, args := storage.In(nil, people)
	found, err := list(ctx, q, scanEndpoint, `SELECT `+endpointColumns+` FROM endpoints
		WHERE deleted_at IS NULL AND disabled = '' AND owner_id IN `+marks, args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	owned := map[social.ID][]endpoint{}
	for _, e := range found {
		owned[e.owner] = append(owned[e.owner], e)
	}
	for _, e := range events {
		if endpoints := owned[e.Stream.User]; len(endpoints) > 0 {
			out = append(out, in.forPerson(e, endpoints)...)
		}
	}
	return out, nil
}

// told is what intake reads of a notification.
type told struct {
	ID        social.ID   `json:"id"`
	Type      string      `json:"type"`
	CreatedAt social.Time `json:"created_at"`
	UpdatedAt social.Time `json:"updated_at"`
}

// forPerson plans the deliveries of a notification for the endpoints of its receiver. One that was revived - it is
// older than its last change - was delivered when it was new.
func (in *intake) forPerson(e social.Event, endpoints []endpoint) (out []delivery) {
	var n told
	if err := json.Unmarshal(e.Data, &n); err != nil || n.ID.IsZero() {
		in.s.log.Error("notification cannot be read: not delivered", zap.Stringer("event", e.Cursor), zap.Error(err))
		return nil
	}
	if e.Type == social.EventNotificationUpdated && n.CreatedAt != n.UpdatedAt {
		return nil
	}
	for _, endpoint := range endpoints {
		if endpoint.since < e.Cursor.Seq && endpoint.wants(n.Type) && in.s.senders[endpoint.channel] != nil {
			out = append(out, delivery{id: social.NewID(), endpoint: endpoint.id, position: e.Cursor.Seq, eventType: e.Type, notification: n.ID})
		}
	}
	return out
}

// write makes the rows.
func (p plan) write(ctx context.Context, tx storage.Tx, now social.Time) error {
	for _, d := range p.deliveries {
		if err := addDelivery(ctx, tx, d, now); err != nil {
			return fmt.Errorf("delivery for %s: %w", d.endpoint, err)
		}
	}
	for _, position := range p.posts {
		_, err := tx.Exec(ctx, `INSERT INTO fanouts (position) VALUES ($1) ON CONFLICT DO NOTHING`, int64(position))
		if err != nil {
			return fmt.Errorf("fan-out of %d: %w", position, err)
		}
	}
	return nil
}
