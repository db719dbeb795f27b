package posts

import (
	"context"
	"time"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

const (
	cleanupPage  = 64
	cleanupEvery = 5 * time.Second
)

// Reactions are what posts does when others act: at the end of an account everything the person wrote or liked is
// out of every answer at once, by one row; the job empties it in pages.
func (s *Service) Reactions() []event.Reaction {
	return []event.Reaction{
		event.On("posts: the account's posts vanish", func(ctx context.Context, tx storage.Tx, f event.UserDeleted) error {
			_, err := tx.Exec(ctx, `INSERT INTO post_leavers (user_id, at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING`,
				f.UserID, int64(f.At))
			return err
		}),
		event.On("posts: show a picture as it is described now", s.describe),
	}
}

func (s *Service) Jobs() []social.Job {
	return []social.Job{
		{Name: "posts: empty ended accounts", Every: cleanupEvery, Run: s.emptyDeletedUser},
		{Name: "posts: recount", Every: time.Hour, Run: s.tell(uncounted), AtStart: true},
		{Name: "posts: tell who was active", Every: time.Hour, Run: s.tell(active), AtStart: true},
		{Name: "posts: redact what was announced", Every: cleanupEvery, Run: s.goOnRedacting, AtStart: true},
	}
}

// once is what a migration has found of each person, for others to be told of once.
type once struct {
	table, column string
	fact          func(person social.ID, figure int64) event.Fact
}

var (
	// uncounted takes what is not for everybody from the counts of people for whom it was counted once.
	uncounted = once{"post_recounts", "hidden", func(person social.ID, figure int64) event.Fact {
		return event.PostsUncounted{Author: person, Posts: figure}
	}}
	active = once{"post_authors", "newest", func(person social.ID, figure int64) event.Fact {
		return event.AuthorActive{Author: person, Key: figure}
	}}
)

// tell is a job that tells of one page of people, and takes them from the table.
func (s *Service) tell(what once) func(context.Context) (bool, error) {
	type finding struct {
		person social.ID
		figure int64
	}
	return func(ctx context.Context) (more bool, err error) {
		page := func(q storage.Querier) ([]finding, error) {
			return storage.All(ctx, q, func(row storage.Row) (f finding, err error) {
				return f, row.Scan(&f.person, &f.figure)
			}, `SELECT user_id, `+what.column+` FROM `+what.table+` ORDER BY user_id LIMIT $1`, cleanupPage)
		}
		err = s.db.Read(ctx, func(q storage.Querier) error { // mostly there is nobody, and the writer is left alone
			list, err := page(q)
			more = len(list) > 0
			return err
		})
		if err != nil || !more {
			return false, social.Wrap(err, "posts: %s", what.table)
		}
		err = s.db.InTx(ctx, func(tx storage.Tx) error {
			list, err := page(tx)
			if err != nil {
				return err
			}
			for _, f := range list {
				if err := s.bus.Emit(ctx, tx, what.fact(f.person, f.figure)); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `DELETE FROM `+what.table+` WHERE user_id = $1`, f.person); err != nil {
					return err
				}
			}
			return nil
		})
		return true, social.Wrap(err, "posts: %s", what.table)
	}
}

// emptyDeletedUser takes away one page of what is left of one ended account: posts (with a fact each), likes, and the
// places where others named that person. Nothing is announced: the account's erase entry speaks for all of it.
func (s *Service) emptyDeletedUser(ctx context.Context) (more bool, err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error { // mostly there is nobody, and the writer is left alone
		_, more, err = nextDeletedUser(ctx, q)
		return err
	})
	if err != nil || !more {
		return false, err
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		person, found, err := nextDeletedUser(ctx, tx)
		if err != nil || !found {
			return err
		}
		steps := []func(context.Context, storage.Tx, social.ID) (int, error){s.emptyPosts, takeLikes, takeMentions}
		for _, step := range steps {
			if n, err := step(ctx, tx, person); err != nil || n == cleanupPage {
				return err // the rest at the next run
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM post_leavers WHERE user_id = $1`, person)
		return err
	})
	return true, social.Wrap(err, "posts: empty an ended account")
}

func nextDeletedUser(ctx context.Context, q storage.Querier) (person social.ID, found bool, err error) {
	err = q.QueryRow(ctx, `SELECT user_id FROM post_leavers ORDER BY at, user_id LIMIT 1`).Scan(&person)
	found, err = storage.Found(err)
	return person, found, err
}

func (s *Service) emptyPosts(ctx context.Context, tx storage.Tx, person social.ID) (int, error) {
	var rows []row
	for _, which := range []string{topsOf, commentsBy} {
		more, err := queryRows(ctx, tx, false, `SELECT `+columns+` FROM `+which+`p.visibility LIMIT $3`, social.ID{}, person,
			cleanupPage-len(rows))
		if err != nil {
			return 0, err
		}
		rows = append(rows, more...)
	}
	for _, r := range rows {
		if err := s.remove(ctx, tx, r, social.UserRef{ID: person}, s.clock.Now()); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

func takeLikes(ctx context.Context, tx storage.Tx, person social.ID) (int, error) {
	list, err := storage.All(ctx, tx, storage.One[int64],
		`SELECT post_key FROM post_likes WHERE user_id = $1 ORDER BY post_key LIMIT $2`, person, cleanupPage)
	if err != nil {
		return 0, err
	}
	for _, key := range list {
		if _, err := deleteLike(ctx, tx, key, person); err != nil {
			return 0, err
		}
		if err := countLike(ctx, tx, key, -1); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// takeMentions makes "@name" plain text where others named the person.
func takeMentions(ctx context.Context, tx storage.Tx, person social.ID) (int, error) {
	list, err := storage.All(ctx, tx, storage.One[int64],
		`SELECT post_key FROM post_mentions WHERE user_id = $1 ORDER BY post_key LIMIT $2`, person, cleanupPage)
	if err != nil {
		return 0, err
	}
	for _, key := range list {
		var stored *string
		if err := tx.QueryRow(ctx, `SELECT mentions FROM posts WHERE key = $1`, key).Scan(&stored); err != nil {
			return 0, err
		}
		mentions, err := unpack[Mention](stored)
		if err != nil {
			return 0, err
		}
		var kept []Mention
		for _, m := range mentions {
			if m.UserID != person {
				kept = append(kept, m)
			}
		}
		if stored, err = pack(kept); err != nil {
			return 0, err
		}
		changed, err := tx.NextKey(ctx)
		if err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `UPDATE posts SET mentions = $2, changed = $3 WHERE key = $1`, key, stored,
			changed); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM post_mentions WHERE post_key = $1 AND user_id = $2`, key, person); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// describe puts what is said about a picture now into the post that shows it, and tells who reads the post.
func (s *Service) describe(ctx context.Context, tx storage.Tx, f event.MediaDescribed) error {
	var key int64
	var stored *string
	err := tx.QueryRow(ctx, `SELECT key, media FROM posts WHERE id = $1`, f.Post).Scan(&key, &stored)
	if found, err := storage.Found(err); !found {
		return err
	}
	list, err := unpack[social.Media](stored)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].ID == f.Media.ID {
			list[i] = f.Media
		}
	}
	if stored, err = pack(list); err != nil {
		return err
	}
	changed, err := tx.NextKey(ctx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE posts SET media = $2, changed = $3 WHERE key = $1`, key, stored, changed)
	if err != nil {
		return err
	}
	found, err := rowsByKey(ctx, tx, social.ID{}, []int64{key})
	if err != nil || len(found) == 0 || !announced(found[0]) {
		return err
	}
	author := found[0].author
	refs, err := s.Ports.Users.Refs(ctx, tx, []social.ID{author})
	if err != nil {
		return err
	}
	ref := refs[author]
	return s.announce(ctx, tx, social.EventPostUpdated, found[0], &ref, s.clock.Now())
}
