package users

import (
	"context"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func (s *Service) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("users: count a follow", func(ctx context.Context, tx storage.Tx, f event.FollowStarted) error {
			return countFollow(ctx, tx, f.Follower.ID, f.Followed.ID, 1)
		}),
		event.On("users: count an ended follow", func(ctx context.Context, tx storage.Tx, f event.FollowEnded) error {
			return countFollow(ctx, tx, f.Follower, f.Followed, -1)
		}),
		event.On("users: count a post", func(ctx context.Context, tx storage.Tx, f event.PostPublished) error {
			return wrote(ctx, tx, f.Post)
		}),
		event.On("users: note who was active", wasActive),
		event.On("users: count a removed post", func(ctx context.Context, tx storage.Tx, f event.PostRemoved) error {
			if !counts(f.Post) {
				return nil
			}
			return count(ctx, tx, "posts_count", f.Post.Author.ID, -1)
		}),
		event.On("users: take from the count", func(ctx context.Context, tx storage.Tx, f event.PostsUncounted) error {
			return count(ctx, tx, "posts_count", f.Author, -int(f.Posts))
		}),
		event.On("users: note what an operator removed", func(ctx context.Context, tx storage.Tx, f event.PostRemoved) error {
			return s.Audit(ctx, tx, "post delete", f.Post.Author.ID, f.Post.ID.String())
		}),
	}
}

// Deleted accounts keep their zeros: what is theirs is removed in pages, long after. A count that is wrong already
// stops at zero; it never stands in the way of an act.

func countFollow(ctx context.Context, tx storage.Tx, follower, followed social.ID, by int) error {
	if err := count(ctx, tx, "following_count", follower, by); err != nil {
		return err
	}
	return count(ctx, tx, "followers_count", followed, by)
}

// counts reports a top-level post for everybody. Everybody is told the count, so it says nothing of what is not for
// everybody; comments are not counted.
func counts(p event.PostInfo) bool { return p.Kind() == event.KindPost && p.Visibility == event.Public }

func count(ctx context.Context, tx storage.Tx, column string, person social.ID, by int) error {
	_, err := tx.Exec(ctx, `UPDATE users SET `+column+` = `+column+` + $1
		WHERE id = $2 AND deleted_at IS NULL AND `+column+` + $1 >= 0`, by, person)
	return err
}
