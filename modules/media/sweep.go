package media

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

const (
	sweepPage  = 64
	sweepEvery = 5 * time.Second
	looseFor   = 24 * time.Hour // how long a picture may be used by nothing
)

// Jobs take away what is not shown any more.
func (s *Service) Jobs() []social.Job {
	return []social.Job{
		{Name: "media: give up what was in work", Every: 24 * time.Hour, Run: s.giveUp, AtStart: true},
		{Name: "media: forget what nothing uses", Every: time.Minute, Run: s.forgetLoose},
		{Name: "media: forget ended accounts", Every: sweepEvery, Run: s.forgetLeaver, AtStart: true},
		{Name: "media: remove files", Every: sweepEvery, Run: s.removeFiles},
	}
}

// giveUp calls a page of pictures failed that have been in work for longer than any takes; at the start, all: whoever
// worked on them is gone.
func (s *Service) giveUp(ctx context.Context) (more bool, err error) {
	before := s.clock.Now() + 1
	if s.begun.Swap(true) {
		before = s.clock.Now().Add(-looseFor)
	}
	n, err := s.sweep(ctx, `state = 0 AND created_at < $1`, int64(before), func(ctx context.Context, tx storage.Tx,
		id social.ID) error {
		return failRow(ctx, tx, id)
	})
	if more = n == sweepPage; more {
		s.begun.Store(false)
	}
	return more, social.Wrap(err, "media: give up")
}

// forgetLoose marks a page of pictures as gone: those that nothing has used for a day, and avatars of before that no
// kept event names.
func (s *Service) forgetLoose(ctx context.Context) (more bool, err error) {
	gone := func(ctx context.Context, tx storage.Tx, id social.ID) error {
		return markGone(ctx, tx, id, s.clock.Now())
	}
	since := int64(s.clock.Now().Add(-looseFor))
	loose, err := s.sweep(ctx, `used_as = 0 AND gone_at = 0 AND created_at < $1`, since, gone)
	if err != nil {
		return false, social.Wrap(err, "media: forget loose pictures")
	}
	var floor social.Position
	err = s.db.Read(ctx, func(q storage.Querier) (err error) { floor, err = outbox.Floor(ctx, q); return err })
	if err != nil {
		return false, social.Wrap(err, "media: floor of the log")
	}
	old, err := s.sweep(ctx, `used_as = 3 AND gone_at = 0 AND until <= $1`, int64(floor), gone)
	return loose == sweepPage || old == sweepPage, social.Wrap(err, "media: forget avatars of before")
}

// sweep does something to one page of the pictures that a condition finds, whose text is a constant; mostly there are
// none, and the writer is left alone.
func (s *Service) sweep(ctx context.Context, which string, arg any,
	act func(ctx context.Context, tx storage.Tx, id social.ID) error) (n int, err error) {
	page := func(q storage.Querier) ([]social.ID, error) {
		return storage.All(ctx, q, storage.One[social.ID], `SELECT id FROM media WHERE `+which+` LIMIT $2`, arg, sweepPage)
	}
	err = s.db.Read(ctx, func(q storage.Querier) error {
		list, err := page(q)
		n = len(list)
		return err
	})
	if err != nil || n == 0 {
		return 0, err
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		list, err := page(tx)
		for _, id := range list {
			if err == nil {
				err = act(ctx, tx, id)
			}
		}
		n = len(list)
		return err
	})
	return n, err
}

// forgetLeaver marks a page of one ended account's pictures as gone.
func (s *Service) forgetLeaver(ctx context.Context) (more bool, err error) {
	var person social.ID
	err = s.db.Read(ctx, func(q storage.Querier) error {
		return q.QueryRow(ctx, `SELECT user_id FROM media_leavers ORDER BY at, user_id LIMIT 1`).Scan(&person)
	})
	if found, err := storage.Found(err); !found {
		return false, social.Wrap(err, "media: ended accounts")
	}
	n, err := s.sweep(ctx, `gone_at = 0 AND owner_id = $1`, person, func(ctx context.Context, tx storage.Tx,
		id social.ID) error {
		return markGone(ctx, tx, id, s.clock.Now())
	})
	if err == nil && n == 0 {
		err = s.db.InTx(ctx, func(tx storage.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM media_leavers WHERE user_id = $1`, person)
			return err
		})
	}
	return true, social.Wrap(err, "media: forget %s", person)
}

// removeFiles removes the files of a page of pictures, and then their rows. What is in work has no end yet: its files
// may still come.
func (s *Service) removeFiles(ctx context.Context) (more bool, err error) {
	if !s.removing.TryLock() { // a backup is made
		return false, nil
	}
	defer s.removing.Unlock()
	var list []row
	err = s.db.Read(ctx, func(q storage.Querier) (err error) {
		list, err = storage.All(ctx, q, scan, `SELECT `+columns+` FROM media WHERE gone_at <> 0 AND state <> 0
			ORDER BY gone_at LIMIT $1`, sweepPage)
		return err
	})
	if err != nil || len(list) == 0 {
		return false, social.Wrap(err, "media: what is gone")
	}
	store, err := s.store()
	if err != nil {
		return false, err
	}
	for _, p := range list {
		if err := store.Remove(ctx, p.names()...); err != nil {
			return false, social.Wrap(err, "media: remove the files of %s", p.id)
		}
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		for _, p := range list {
			if _, err := tx.Exec(ctx, `DELETE FROM media WHERE id = $1 AND gone_at <> 0`, p.id); err != nil {
				return err
			}
		}
		return nil
	})
	return len(list) == sweepPage, social.Wrap(err, "media: remove what is gone")
}
