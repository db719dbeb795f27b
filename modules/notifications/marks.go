package notifications

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// readState is the data of read_state: what one device did, for the others. Exactly one of IDs, Group and UpTo is
// set; Counts is authoritative.
type readState struct {
	Change string      `json:"change" enum:"seen,read,unread,archived,unarchived"`
	IDs    []social.ID `json:"ids" nullable:"true"`
	Group  *social.ID  `json:"group"`
	UpTo   *social.ID  `json:"up_to"`
	Counts Counts      `json:"counts"`
}

// Changes of read_state.
const (
	changeSeen       = "seen"
	changeRead       = "read"
	changeUnread     = "unread"
	changeArchived   = "archived"
	changeUnarchived = "unarchived"
)

// mark runs one change of read state. change writes it and returns what to announce; nil = nothing has changed.
func (s *Service) mark(ctx context.Context, person social.ID,
	change func(tx storage.Tx, v *viewer, now social.Time) (*readState, error)) (counts Counts, err error) {
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		v, err := s.viewer(ctx, tx, person)
		if err != nil {
			return err
		}
		now := s.clock.Now()
		done, err := change(tx, v, now)
		if err != nil {
			return err
		}
		if counts, err = s.counts(ctx, tx, v); err != nil || done == nil {
			return err
		}
		done.Counts = counts
		data, err := json.Marshal(done)
		if err != nil {
			return fmt.Errorf("encode read state: %w", err)
		}
		return outbox.Announce(ctx, tx, outbox.Announcement{Stream: social.Stream{Kind: social.To, User: person},
			Type: social.EventReadState, Actor: person, Time: now, Data: data})
	})
	return counts, err
}

// SeenUpTo marks an item and all older ones as seen, in one write. NotFound if the person has no such item.
func (s *Service) SeenUpTo(ctx context.Context, person, id social.ID) (Counts, error) {
	return s.upTo(ctx, person, id, changeSeen)
}

// ReadUpTo is SeenUpTo for read, which implies seen.
func (s *Service) ReadUpTo(ctx context.Context, person, id social.ID) (Counts, error) {
	return s.upTo(ctx, person, id, changeRead)
}

func (s *Service) upTo(ctx context.Context, person, id social.ID, change string) (Counts, error) {
	return s.mark(ctx, person, func(tx storage.Tx, v *viewer, now social.Time) (*readState, error) {
		item, err := s.mine(ctx, tx, v, id, rowByID) // withdrawn meanwhile, a row still has its place
		if err != nil {
			return nil, err
		}
		key := item.key
		state := inUnseen
		if change == changeRead {
			state = inUnread // what is unseen is unread too
		}
		open, err := s.page(ctx, tx, v, everything(state), span{low: -1, high: key + 1, limit: 1, scan: social.ScanBudget})
		if err != nil || len(open.Items) == 0 && !open.Cut {
			return nil, err
		}
		if key > v.marks.seenKey {
			v.marks.seenKey, v.marks.seenAt = key, &now
		}
		if change == changeRead {
			if key > v.marks.readKey {
				v.marks.readKey, v.marks.readAt = key, &now
			}
			for _, table := range []string{`notifications`, `notification_posts`} {
				if _, err := tx.Exec(ctx, `UPDATE `+table+` SET left_unread = 0 WHERE receiver_id = $1 AND left_unread = 1
					AND key <= $2`, person, key); err != nil {
					return nil, fmt.Errorf("read up to: %w", err)
				}
			}
		}
		if err := saveWatermarks(ctx, tx, person, v.marks); err != nil {
			return nil, err
		}
		return &readState{Change: change, UpTo: &id}, nil
	})
}

// ReadAll marks single items as read. Ids that are not this person's are passed over; NotFound if none is left.
func (s *Service) ReadAll(ctx context.Context, person social.ID, ids []social.ID) (Counts, error) {
	return s.mark(ctx, person, func(tx storage.Tx, v *viewer, now social.Time) (*readState, error) {
		var changed []social.ID
		found := false
		for _, id := range ids {
			r, err := s.visible(ctx, tx, v, id, rowByID)
			if social.IsFault(err, social.CodeNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			found = true
			if r.setRead(v.marks, now) {
				changed = append(changed, id)
				if err := saveState(ctx, tx, r); err != nil {
					return nil, err
				}
			}
		}
		if !found {
			return nil, social.NotFound()
		}
		if len(changed) == 0 {
			return nil, nil
		}
		return &readState{Change: changeRead, IDs: changed}, nil
	})
}

// ReadGroup marks all members of a group as read: the newest, which stands for the group in lists and counts, and up to
// Batch others in one transaction, the rest in transactions of their own.
func (s *Service) ReadGroup(ctx context.Context, person, group social.ID) (Counts, error) {
	var rest int64
	counts, err := s.mark(ctx, person, func(tx storage.Tx, v *viewer, now social.Time) (*readState, error) {
		rest = 0
		head, err := s.visible(ctx, tx, v, group, headOf)
		if err != nil {
			return nil, err
		}
		changed := head.setRead(v.marks, now)
		if changed {
			if err := saveState(ctx, tx, head); err != nil {
				return nil, err
			}
		}
		if head.post == nil {
			// CASE keeps the engine to the small index of rows left unread.
			left, err := tx.Exec(ctx, `UPDATE notifications SET left_unread = 0, read_at = $3
				WHERE receiver_id = $1 AND left_unread = 1 AND CASE WHEN group_id = $2
				AND state < 2 THEN 1 ELSE 0 END = 1`, person, group, now)
			if err != nil {
				return nil, fmt.Errorf("read group: %w", err)
			}
			if rest, err = readMembers(ctx, tx, group, v.marks.readKey, s.cfg.Batch, now); err != nil {
				return nil, err
			}
			changed = changed || left > 0 || rest > 0
		}
		if !changed {
			return nil, nil
		}
		return &readState{Change: changeRead, Group: &group}, nil
	})
	for err == nil && rest >= int64(s.cfg.Batch) {
		err = s.db.InTx(ctx, func(tx storage.Tx) (err error) {
			w, err := watermarksOf(ctx, tx, person)
			if err != nil {
				return err
			}
			rest, err = readMembers(ctx, tx, group, w.readKey, s.cfg.Batch, s.clock.Now())
			return err
		})
	}
	return counts, err
}

// readMembers marks up to limit members above the watermark as read, and the one that began the group, and returns
// how many.
func readMembers(ctx context.Context, tx storage.Tx, group social.ID, above int64, limit int,
	now social.Time) (int64, error) {
	n, err := tx.Exec(ctx, `UPDATE notifications SET read_at = $4, seen_at = COALESCE(seen_at, $4), left_unread = 0
		WHERE key IN (
		SELECT key FROM (SELECT key FROM notifications
			WHERE `+joiner+` AND read_at IS NULL AND key > $2 ORDER BY key DESC LIMIT $3) AS newest
		UNION ALL SELECT key FROM notifications WHERE `+founder+` AND read_at IS NULL AND key > $2)`,
		group, above, limit, now)
	return n, social.Wrap(err, "read group")
}

// SetRead marks one item as read or unread and gives it as it is then.
func (s *Service) SetRead(ctx context.Context, person, id social.ID, read bool) (Notification, error) {
	if read {
		return s.setOne(ctx, person, id, changeRead, (*row).setRead)
	}
	return s.setOne(ctx, person, id, changeUnread, (*row).setUnread)
}

// SetArchived puts one item away, which implies read, or back into the inbox.
func (s *Service) SetArchived(ctx context.Context, person, id social.ID, archived bool) (Notification, error) {
	if archived {
		return s.setOne(ctx, person, id, changeArchived, (*row).setArchived)
	}
	return s.setOne(ctx, person, id, changeUnarchived, (*row).setUnarchived)
}

func (s *Service) setOne(ctx context.Context, person, id social.ID, change string,
	set func(*row, watermarks, social.Time) bool) (n Notification, err error) {
	_, err = s.mark(ctx, person, func(tx storage.Tx, v *viewer, now social.Time) (*readState, error) {
		r, err := s.visible(ctx, tx, v, id, rowByID)
		if err != nil {
			return nil, err
		}
		changed := set(r, v.marks, now)
		if changed {
			if err := saveState(ctx, tx, r); err != nil {
				return nil, err
			}
		}
		if n, err = s.renderOne(ctx, tx, v, r); err != nil || !changed {
			return nil, err
		}
		return &readState{Change: change, IDs: []social.ID{id}}, nil
	})
	return n, err
}

// Delete takes one item out of the receiver's lists for good; the same act done again does not bring it back.
func (s *Service) Delete(ctx context.Context, person, id social.ID) error {
	return s.db.InTx(ctx, func(tx storage.Tx) error {
		_, r, err := s.find(ctx, tx, person, id)
		if err != nil {
			return err
		}
		now := s.clock.Now()
		if r.post != nil {
			r.state, r.left = stateDeleted, false
			if err := savePostState(ctx, tx, r); err != nil {
				return err
			}
			return announceRemoved(ctx, tx, person, removedData{ID: &r.id, Group: &removedGroup{Key: r.group},
				Reason: "deleted"}, now)
		}
		m := announcedOf(r)
		m.Actor = r.actor
		if err := outbox.Redact(ctx, tx, now, m); err != nil {
			return err
		}
		_, err = s.leave(ctx, tx, r, stateDeleted, now)
		return err
	})
}

func (r *row) setRead(w watermarks, now social.Time) bool {
	if w.read(r) != nil {
		return false
	}
	r.readAt, r.left = &now, false
	if w.seen(r) == nil {
		r.seenAt = &now
	}
	return true
}

func (r *row) setUnread(w watermarks, _ social.Time) bool {
	if w.read(r) == nil {
		return false
	}
	r.readAt, r.left = nil, true
	return true
}

func (r *row) setArchived(w watermarks, now social.Time) bool {
	if r.archived != nil {
		return false
	}
	r.setRead(w, now)
	r.state, r.archived = stateArchived, &now
	return true
}

func (r *row) setUnarchived(watermarks, social.Time) bool {
	if r.archived == nil {
		return false
	}
	r.state, r.archived = stateInbox, nil
	return true
}

// saveState writes a row, or what was done to a derived item.
func saveState(ctx context.Context, tx storage.Tx, r *row) error {
	if r.post != nil {
		return savePostState(ctx, tx, r)
	}
	return saveRow(ctx, tx, r)
}
