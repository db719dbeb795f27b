package follows

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

const (
	cleanupPage  = 64
	cleanupEvery = 5 * time.Second
	forgetPage   = 256
	forgetEvery  = time.Minute
)

// Reactions are what follows does when others act: at the end of an account its follows stop counting at once, in
// every answer, by one row; the job takes them away in pages.
func (s *Service) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("follows: the account's follows end", func(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
			_, err := tx.Exec(ctx, `INSERT INTO follow_leavers (user_id, at, position) VALUES ($1, $2, $3)
				ON CONFLICT (user_id) DO NOTHING`, f.UserID, int64(f.At), int64(f.Position))
			return err
		}),
	}
}

func (s *Service) Jobs() []social.Job {
	return []social.Job{{Name: "follows: end those of ended accounts", Every: cleanupEvery, Run: s.endFollows},
		{Name: "follows: forget those of ended accounts", Every: forgetEvery, Run: s.forgetEnded}}
}

// endFollows takes away one page of the follows of one ended account, with a fact each, so that the counts of
// everybody else come right. Nothing is announced: the account's user.deleted speaks for all of them, and a row is kept
// of who is to be shown it (Ended).
func (s *Service) endFollows(ctx context.Context) (more bool, err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error { // mostly there is nothing, and the writer is left alone
		_, _, more, err = deletedUserPage(ctx, q, 1)
		return err
	})
	if err != nil || !more {
		return false, err
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		more = false
		person, list, found, err := deletedUserPage(ctx, tx, cleanupPage)
		if err != nil || !found {
			return err
		}
		more = true
		if err := keepEnded(ctx, tx, person, list); err != nil {
			return err
		}
		now := s.clock.Now()
		key, err := tx.NextKey(ctx)
		if err != nil {
			return err
		}
		for _, e := range list {
			if _, err := deleteEdge(ctx, tx, e.follower, e.followed); err != nil {
				return err
			}
			if err := mark(ctx, tx, e.follower, key); err != nil {
				return err
			}
			if err := s.bus.Emit(ctx, tx, event.FollowEnded{Follower: e.follower, Followed: e.followed, At: now}); err != nil {
				return err
			}
		}
		if len(list) < cleanupPage {
			if _, err := tx.Exec(ctx, `DELETE FROM follow_marks WHERE follower_id = $1`, person); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `DELETE FROM ended_follows WHERE follower_id = $1`, person); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `DELETE FROM follow_leavers WHERE user_id = $1`, person)
		}
		return err
	})
	return more, social.Wrap(err, "follows: end follows of an account")
}

// forgetEnded takes away one page of the rows whose user.deleted is not shown to anybody any more.
func (s *Service) forgetEnded(ctx context.Context) (more bool, err error) {
	var floor social.Position
	err = s.db.Read(ctx, func(q storage.Querier) error {
		if floor, err = outbox.Floor(ctx, q); err != nil {
			return err
		}
		more, err = hasEndedBelow(ctx, q, floor)
		return err
	})
	if err != nil || !more {
		return false, social.Wrap(err, "follows: forget follows of ended accounts")
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		n, err := forgetEnded(ctx, tx, floor, forgetPage)
		more = n == forgetPage
		return err
	})
	return more, social.Wrap(err, "follows: forget follows of ended accounts")
}
