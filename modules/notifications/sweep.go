package notifications

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func (s *Service) Jobs() []social.Job {
	return []social.Job{{Name: "notifications: empty rows", Every: s.cfg.SweepEvery, Run: s.sweep}}
}

func addTombstone(ctx context.Context, tx storage.Tx, id social.ID, person bool, at social.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO notification_tombstones (id, person, at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO NOTHING`, id, storage.Bit(person), at)
	return social.Wrap(err, "tombstone")
}

// sweep does one page of one tombstone's work; a page that finds nothing left removes the tombstone. Every page is a
// transaction, so it goes on after a crash where it was.
func (s *Service) sweep(ctx context.Context) (more bool, err error) {
	var id social.ID
	var person bool
	err = s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT id, person FROM notification_tombstones LIMIT 1`).Scan(&id, &person)
	})
	if found, err := storage.Found(err); !found {
		return false, social.Wrap(err, "notifications: sweep")
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		empty := s.emptyPost
		if person {
			empty = s.emptyPerson
		}
		left, err := empty(ctx, tx, id)
		if err != nil || left {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM notification_tombstones WHERE id = $1`, id)
		return err
	})
	return true, social.Wrap(err, "notifications: sweep %s", id)
}

// emptyPost deletes one page of rows about a post, and of the states of it as a derived item. more = there may be
// another page.
func (s *Service) emptyPost(ctx context.Context, tx storage.Tx, post social.ID) (more bool, err error) {
	for _, statement := range []string{
		`DELETE FROM notifications WHERE key IN (SELECT key FROM notifications WHERE object_id = $1 LIMIT $2)`,
		`DELETE FROM notification_posts WHERE post_id = $1 AND receiver_id IN (
			SELECT receiver_id FROM notification_posts WHERE post_id = $1 LIMIT $2)`,
	} {
		n, err := tx.Exec(ctx, statement, post, s.cfg.Batch)
		if err != nil {
			return false, fmt.Errorf("rows of a post: %w", err)
		}
		more = more || n == int64(s.cfg.Batch)
	}
	return more, nil
}

// emptyPerson deletes one page: first rows of the person's acts, announced to their receivers, then the person's own
// rows.
func (s *Service) emptyPerson(ctx context.Context, tx storage.Tx, person social.ID) (more bool, err error) {
	acts, err := storage.All(ctx, tx, rowScanner(), actsQuery, person, s.cfg.Batch)
	if err != nil {
		return false, fmt.Errorf("acts of a person: %w", err)
	}
	for i := range acts {
		r := &acts[i]
		if r.shown() && r.receiver != person {
			// What was announced is emptied with the account.
			if err := s.leave(ctx, tx, r, stateWithdrawn, s.clock.Now()); err != nil {
				return false, err
			}
		}
		if err := deleteRow(ctx, tx, r.key); err != nil {
			return false, err
		}
	}
	if len(acts) == s.cfg.Batch {
		return true, nil
	}
	for _, statement := range emptyings {
		n, err := tx.Exec(ctx, statement, person, s.cfg.Batch)
		if err != nil {
			return false, fmt.Errorf("rows of a person: %w", err)
		}
		if n == int64(s.cfg.Batch) {
			return true, nil
		}
	}
	_, err = tx.Exec(ctx, `DELETE FROM notification_watermarks WHERE person_id = $1`, person)
	return false, social.Wrap(err, "watermarks of a person")
}

const (
	// actsQuery gives a page of the rows a person made, in any state.
	actsQuery = `SELECT ` + rowColumns + ` FROM notifications WHERE actor_id = $1 LIMIT $2`

	emptyRows  = `DELETE FROM notifications WHERE key IN (SELECT key FROM notifications WHERE receiver_id = $1 AND `
	emptyPosts = `DELETE FROM notification_posts WHERE receiver_id = $1 AND key IN (
		SELECT key FROM notification_posts WHERE receiver_id = $1`
	onePage = ` LIMIT $2)`
)

// emptyings delete a page each of a person's rows; each state of a row has its index.
var emptyings = []string{emptyRows + `state = 0 AND head = 1` + onePage, emptyRows + `state = 0 AND head = 0` + onePage,
	emptyRows + `state = 1` + onePage, emptyRows + `state >= 2` + onePage, emptyPosts + onePage}
