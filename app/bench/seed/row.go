package seed

import (
	"context"

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
}

func (w *seeder) insertPost(ctx context.Context, tx storage.Tx, r postRow) error {
	_, err := tx.Exec(ctx, `INSERT INTO posts (key, id, author_id, root_key, root_id, root_author_id, reply_to,
		reply_author_id, visibility, text, sensitive, like_count, comment_count, changed, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, 0, 0, $10, $1, $11)`,
		r.key, r.id, r.author, r.root.key, r.root.id, r.rootAuthor, r.to.id, r.toAuthor, w.text(r.key), r.comments,
		int64(w.at(r.key)))
	if err == nil && r.to.id.IsZero() {
		_, err = tx.Exec(ctx, `UPDATE users SET active_key = $1 WHERE id = $2`, r.key, r.author)
	}
	return err
}

// notification is a row in somebody's inbox, in a group of its own.
type notification struct {
	key      int64
	kind     string
	word     string
	receiver social.ID
	actor    social.ID // zero for a push
	object   social.ID
	content  *string
}

// notify writes the row of an act; an actor gets no notification of an own act.
func (w *seeder) notify(ctx context.Context, tx storage.Tx, n notification) error {
	if n.receiver == n.actor {
		return nil
	}
	id, at, actors := w.id(n.key), int64(w.at(n.key)), []byte{}
	if !n.actor.IsZero() {
		actors = n.actor[:]
	}
	_, err := tx.Exec(ctx, `INSERT INTO notifications (key, id, receiver_id, type, word, actor_id, object_id, subject,
		group_id, head, members, actors, began_at, content, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $2, 1, 1, $9, $10, $11, $10, $10)`,
		n.key, id, n.receiver, n.kind, n.word, n.actor, n.object, social.ID{}, actors, at, n.content)
	return err
}
