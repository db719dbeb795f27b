package seed

import (
	"context"
	"database/sql"
	"errors"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// place is a post by key and id.
type place struct {
	key int64
	id  social.ID
}

// postRow is a post or a comment. to is zero at top level.
type postRow struct {
	key        int64
	id         social.ID
	author     social.ID
	root       place
	rootAuthor social.ID
	to         place
	toAuthor   social.ID
	comments   int
	likes      int
}

func (w *seeder) insertPost(ctx context.Context, tx storage.Tx, r postRow) error {
	_, err := tx.Exec(ctx, `INSERT INTO posts (key, id, author_id, root_key, root_id, root_author_id, reply_to,
		reply_author_id, visibility, text, sensitive, like_count, comment_count, changed, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, 0, $10, $11, $1, $12)`,
		r.key, r.id, r.author, r.root.key, r.root.id, r.rootAuthor, r.to.id, r.toAuthor, w.text(r.key), r.likes,
		r.comments, int64(w.at(r.key)))
	return err
}

// notification is a row in somebody's inbox.
type notification struct {
	key      int64
	kind     string
	word     string
	receiver social.ID
	actor    social.ID // zero for a push
	object   social.ID
	grouped  bool // with those of the same kind about the same object
	content  *string
}

// notify writes the row of an act as the newest of its group.
func (w *seeder) notify(ctx context.Context, tx storage.Tx, n notification) error {
	if n.receiver == n.actor {
		return nil
	}
	id, actors := w.id(n.key), []byte{}
	if !n.actor.IsZero() {
		actors = n.actor[:]
	}
	group, members, began := id, int64(1), int64(w.at(n.key))
	var subject social.ID
	if n.grouped {
		subject = n.object
		var head int64
		var others []byte
		err := tx.QueryRow(ctx, `SELECT key, group_id, members, actors, began_at FROM notifications
			WHERE receiver_id = $1 AND type = $2 AND subject = $3 AND head = 1
			ORDER BY key DESC LIMIT 1`, n.receiver, n.kind, subject).
			Scan(&head, &group, &members, &others, &began)
		switch {
		case err == nil:
			members++
			actors = append(actors[:16:16], others[:min(len(others), 32)]...)
			if _, err := tx.Exec(ctx, `UPDATE notifications SET head = 0 WHERE key = $1`, head); err != nil {
				return err
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO notifications (key, id, receiver_id, type, word, actor_id, object_id, subject,
		group_id, head, members, actors, began_at, content, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, $12, $13, $14, $14)`,
		n.key, id, n.receiver, n.kind, n.word, n.actor, n.object, subject, group, members, actors, began, n.content,
		int64(w.at(n.key)))
	return err
}
