package notifications

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// act is something a person did that names another.
type act struct {
	kind     string
	receiver social.ID
	actor    social.UserRef
	object   social.ID // the post; for a follow the followed
	grouped  bool      // acts of this kind on one object are one group
	cast     *cast     // who and what is known already
	at       social.Time
}

// notify writes and announces the row of an act. Nobody is notified of their own acts, and an act has one row: a
// withdrawn one is revived, silently within ReviveWindow, and any other stays as it is.
func (s *Service) notify(ctx context.Context, tx storage.Tx, a act) error {
	if a.receiver.IsZero() || a.receiver == a.actor.ID {
		return nil
	}
	r := &row{receiver: a.receiver, kind: a.kind, actor: a.actor.ID, object: a.object, actors: a.actor.ID[:],
		created: a.at}
	if a.grouped {
		r.subject = a.object
	}
	made, err := s.add(ctx, tx, r, a.cast)
	if err != nil || made != nil {
		return err
	}
	old, err := rowByAct(ctx, tx, a.receiver, a.kind, a.actor.ID, a.object)
	if err != nil || old == nil || old.state != stateWithdrawn {
		return err
	}
	if a.at.Sub(*old.withdrawn) < s.cfg.ReviveWindow {
		return s.revive(ctx, tx, old, a)
	}
	if err := deleteRow(ctx, tx, old.key); err != nil {
		return err
	}
	_, err = s.add(ctx, tx, r, a.cast)
	return err
}

// add inserts and announces a new row, as a member of the newest group about its subject if that group is unseen and
// within GroupWindow. It returns the announced item; nil, and nothing is written, if the act has a row.
func (s *Service) add(ctx context.Context, tx storage.Tx, r *row, c *cast) (*Notification, error) {
	var err error
	r.id, r.head, r.members, r.began, r.updated = social.NewID(), true, 1, r.created, r.created
	r.group = r.id
	var joins *row
	if !r.subject.IsZero() {
		g, unseen, err := openGroup(ctx, tx, r.receiver, r.kind, r.subject)
		if err != nil {
			return nil, err
		}
		if g != nil && unseen && r.created.Sub(g.began) < s.cfg.GroupWindow {
			joins = g
			r.group, r.members, r.began = g.group, g.members+1, g.began
			r.actors = storage.PackIDs(maxActors, append([]social.ID{r.actor}, g.people()...)...)
		}
	}
	if r.key, err = tx.NextKey(ctx); err != nil {
		return nil, err
	}
	if made, err := insertRow(ctx, tx, r); err != nil || !made {
		return nil, err
	}
	if joins == nil {
		return s.announce(ctx, tx, social.EventNotification, watermarks{}, c, r, r.actor, r.created)
	}
	if err := demote(ctx, tx, joins.key); err != nil {
		return nil, err
	}
	return s.announce(ctx, tx, social.EventNotificationUpdated, watermarks{}, c, r, r.actor, r.created)
}

// revive shows a withdrawn row again, in its old place and with its old read state.
func (s *Service) revive(ctx context.Context, tx storage.Tx, r *row, a act) error {
	w, err := watermarksOf(ctx, tx, r.receiver)
	if err != nil {
		return err
	}
	head, err := headOf(ctx, tx, r.group)
	if err != nil {
		return err
	}
	r.state, r.withdrawn, r.updated = stateInbox, nil, a.at
	if r.archived != nil {
		r.state = stateArchived
	}
	switch {
	case head == nil:
		r.head, r.members, r.actors = true, 1, storage.PackIDs(maxActors, r.actor)
		head = r
	case head.key < r.key:
		r.head, r.members = true, head.members+1
		if err := demote(ctx, tx, head.key); err != nil {
			return err
		}
		head = r
	default:
		head.members++
	}
	if err := saveRow(ctx, tx, r); err != nil {
		return err
	}
	if head.actors, err = newestActors(ctx, tx, r.group); err != nil {
		return err
	}
	if err := saveRow(ctx, tx, head); err != nil {
		return err
	}
	_, err = s.announce(ctx, tx, social.EventNotificationUpdated, w, a.cast, head, a.actor.ID, a.at)
	return err
}

// withdraw takes back an act: its row is hidden.
func (s *Service) withdraw(ctx context.Context, tx storage.Tx, receiver social.ID, kind string, actor, object social.ID,
	at social.Time) error {
	r, err := rowByAct(ctx, tx, receiver, kind, actor, object)
	if err != nil || r == nil || !r.shown() {
		return err
	}
	return s.takeBack(ctx, tx, r, at)
}

// takeBack empties every announcement that names the actor of a shown row with its object, those of others of its
// group too, takes the row out, announces that, and announces anew what is left of the group: first those others,
// unless they are gone as well, and at the end the group as it is now.
func (s *Service) takeBack(ctx context.Context, tx storage.Tx, r *row, at social.Time) error {
	m := announcedOf(r)
	m.Names = r.actor
	others, err := outbox.RedactNamed(ctx, tx, at, m)
	if err != nil {
		return err
	}
	head, err := s.leave(ctx, tx, r, stateWithdrawn, at)
	if err != nil || head == nil {
		return err
	}
	if gone, err := isGone(ctx, tx, head.object, head.receiver); err != nil || gone {
		return err
	}
	return s.announceAgain(ctx, tx, head, others, at)
}

// announceAgain announces rows of a group that are shown, and then the group. They are nothing new to the receiver, so
// their update is later than their beginning.
func (s *Service) announceAgain(ctx context.Context, tx storage.Tx, head *row, others []social.ID,
	at social.Time) error {
	w, err := watermarksOf(ctx, tx, head.receiver)
	if err != nil {
		return err
	}
	list, c := []*row{}, castOf(nil)
	for _, actor := range others {
		r, err := rowByAct(ctx, tx, head.receiver, head.kind, actor, head.object)
		if err != nil {
			return err
		}
		if r != nil && r.shown() && r.group == head.group && r.key != head.key {
			r.actors = head.actors
			list = append(list, r)
		}
	}
	for _, r := range append(list, head) {
		r.updated = max(at, r.created+1)
		if err := saveRow(ctx, tx, r); err != nil {
			return err
		}
		if _, err := s.announce(ctx, tx, social.EventNotificationUpdated, w, c, r, r.actor, at); err != nil {
			return err
		}
	}
	return nil
}

// announcedOf means what was announced to the receiver about the object of a row, whoever acted.
func announcedOf(r *row) outbox.Match {
	return outbox.Match{Object: r.redactable(), Stream: social.Stream{Kind: social.To, User: r.receiver},
		Types: []string{social.EventNotification, social.EventNotificationUpdated}}
}

// leave takes a shown row out of lists and its group and announces the removal. head is the newest of those that are
// left of the group; nil = nobody.
func (s *Service) leave(ctx context.Context, tx storage.Tx, r *row, state int, at social.Time) (head *row, err error) {
	was := *r
	r.state, r.head = state, false
	if state == stateWithdrawn {
		r.withdrawn = &at
	}
	if err := saveRow(ctx, tx, r); err != nil {
		return nil, err
	}
	count, reason := int64(0), "withdrawn"
	if state == stateDeleted {
		reason = "deleted"
	}
	if !r.subject.IsZero() {
		if head, err = s.removeMember(ctx, tx, &was, at); err != nil {
			return nil, err
		}
	}
	if head != nil {
		count = head.members
	}
	return head, announceRemoved(ctx, tx, r.receiver,
		removedData{ID: &r.id, Group: &removedGroup{Key: r.group, Count: count}, Reason: reason}, at)
}

// removeMember updates the group of a row that has left it, and returns its newest member; nil = none is left.
func (s *Service) removeMember(ctx context.Context, tx storage.Tx, was *row, at social.Time) (head *row, err error) {
	head, err = headOf(ctx, tx, was.group)
	if err != nil || head == nil {
		return nil, err
	}
	if was.head {
		head.head, head.members = true, was.members
		w, err := watermarksOf(ctx, tx, was.receiver)
		if err != nil {
			return nil, err
		}
		if w.seen(was) != nil && w.seen(head) == nil {
			head.seenAt = &at
		}
		if w.read(was) != nil && w.read(head) == nil {
			head.readAt, head.left = &at, false
		}
	}
	head.members--
	if head.actors, err = newestActors(ctx, tx, was.group); err != nil {
		return nil, err
	}
	return head, saveRow(ctx, tx, head)
}

// announce writes the event of a row and returns the item in it. actor is who acted now: after a revival the newest row
// of the group may be another person's.
func (s *Service) announce(ctx context.Context, tx storage.Tx, kind string, w watermarks, c *cast, r *row,
	actor social.ID, at social.Time) (*Notification, error) {
	list, err := s.render(ctx, tx, w, c, []row{*r}, true)
	if err != nil {
		return nil, err
	}
	// An event stays as it is for as long as it is kept. So it does not carry a text that the receiver sees only as long
	// as they follow somebody: the list has it, for as long as they may see it (0068).
	if object := list[0].Object; object != nil && c.posts[r.object].ByFollow {
		object.Excerpt, object.PreviewURL = "", nil
	}
	data, err := json.Marshal(list[0])
	if err != nil {
		return nil, fmt.Errorf("encode notification: %w", err)
	}
	own := *r
	own.actor = actor
	err = outbox.Announce(ctx, tx, outbox.Announcement{
		Stream: social.Stream{Kind: social.To, User: r.receiver}, Type: kind, Actor: actor,
		Object: own.redactable(), About: append([]social.ID{actor, r.actor}, r.people()...), Time: at, Data: data})
	return &list[0], err
}

// removedData is the data of notification.removed. Either ID and Group are set, or ObjectID.
type removedData struct {
	ID       *social.ID    `json:"id"`
	Group    *removedGroup `json:"group"`
	ObjectID *social.ID    `json:"object_id"`
	Reason   string        `json:"reason" doc:"withdrawn, deleted or hidden."`
}

type removedGroup struct {
	Key   social.ID `json:"key"`
	Count int64     `json:"count"`
}

// announceRemoved names neither actor nor object, so that a removal arrives even when those are erased or redacted.
func announceRemoved(ctx context.Context, tx storage.Tx, receiver social.ID, d removedData, at social.Time) error {
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode removal: %w", err)
	}
	return outbox.Announce(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.To, User: receiver},
		Type: social.EventNotificationRemoved, Time: at, Data: data})
}
