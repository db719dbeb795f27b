package posts

import (
	"context"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Like makes the actor like a post (on) or takes the like back. Done again it answers the same and changes nothing.
// not_found: absent, deleted, or not for this actor.
func (s *Service) Like(ctx context.Context, actor social.Actor, id social.ID, on bool) (LikeState, error) {
	var answer LikeState
	err := s.db.InTx(ctx, func(tx storage.Tx) error {
		liker, err := s.person(ctx, tx, actor)
		if err != nil {
			return err
		}
		r, err := s.find(ctx, tx, actor.UserID, id)
		if err != nil {
			return err
		}
		answer = LikeState{PostID: id, Liked: on, LikeCount: r.likes}
		if r.liked == on {
			return nil
		}
		now := s.clock.Now()
		by, changed := int64(1), false
		if on {
			changed, err = insertLike(ctx, tx, r.key, liker.ID, now)
		} else {
			by = -1
			changed, err = deleteLike(ctx, tx, r.key, liker.ID)
		}
		if err != nil || !changed {
			return err
		}
		if err := countLike(ctx, tx, r.key, by); err != nil {
			return err
		}
		r.likes += by
		answer.LikeCount = r.likes
		authors, err := s.authors(ctx, tx, []row{r})
		if err != nil {
			return err
		}
		if authors[r.author] == nil { // ended in this moment
			return social.NotFound()
		}
		post := s.info(r, *authors[r.author])
		if on {
			return s.bus.Emit(ctx, tx, event.PostLiked{Post: post, Liker: liker, At: now})
		}
		return s.bus.Emit(ctx, tx, event.PostUnliked{Post: post, Liker: liker.ID, At: now})
	})
	return answer, social.Wrap(err, "posts: like %s", id)
}

// Likes lists who likes a post, newest like first, as reader sees them. not_found as for Get.
func (s *Service) Likes(ctx context.Context, reader, id social.ID,
	p social.PageQuery) (social.List[social.User], error) {
	var out social.List[social.User]
	err := s.db.Read(ctx, func(q storage.Querier) error {
		r, err := s.find(ctx, q, reader, id)
		if err != nil {
			return err
		}
		scope := social.PageScope{List: "likes", Filter: id.String(), Person: reader}
		list, err := social.WalkedPage(s.pages, scope, p, false, likeKey,
			func(w social.Window) (social.Found[like], error) { return likesOf(ctx, q, r.key, w) })
		if err != nil {
			return err
		}
		ids := make([]social.ID, len(list.Items))
		for i, l := range list.Items {
			ids[i] = l.user
		}
		users, err := s.Ports.People.Views(ctx, q, reader, ids)
		if users == nil {
			users = []social.User{}
		}
		out = social.List[social.User]{Items: users, Next: list.Next, Prev: list.Prev}
		return err
	})
	return out, social.Wrap(err, "posts: likes of %s", id)
}

type like struct {
	key  int64
	user social.ID
	gone bool // with the person's account
}

func likeKey(l like) int64 { return l.key }

func likesOf(ctx context.Context, q storage.Querier, post int64, w social.Window) (social.Found[like], error) {
	query := `SELECT l.key, l.user_id, CASE WHEN l.user_id IN (SELECT user_id FROM post_leavers) THEN 1 ELSE 0 END
		FROM post_likes l WHERE l.post_key = $1` + w.Clause("l.key", 2)
	return social.Walk(w, likeKey, func(l like) (bool, error) { return !l.gone, nil },
		func(w social.Window) ([]like, error) {
			return storage.All(ctx, q, func(row storage.Row) (l like, err error) {
				return l, row.Scan(&l.key, &l.user, &l.gone)
			}, query, post, w.From(), w.Limit)
		})
}

func insertLike(ctx context.Context, tx storage.Tx, post int64, user social.ID, now social.Time) (bool, error) {
	key, err := tx.NextKey(ctx)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `INSERT INTO post_likes (post_key, user_id, key, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, post_key) DO NOTHING`, post, user, key, int64(now))
	return n == 1, err
}

func deleteLike(ctx context.Context, tx storage.Tx, post int64, user social.ID) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM post_likes WHERE post_key = $1 AND user_id = $2`, post, user)
	return n == 1, err
}

func countLike(ctx context.Context, tx storage.Tx, post, by int64) error {
	_, err := tx.Exec(ctx, `UPDATE posts SET like_count = like_count + $2 WHERE key = $1`, post, by)
	return err
}
