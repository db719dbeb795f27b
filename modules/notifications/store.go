package notifications

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// watermarksOf gives how far a person has seen and read everything.
func watermarksOf(ctx context.Context, q storage.Querier, person social.ID) (w watermarks, err error) {
	err = q.QueryRow(ctx, `SELECT seen_key, seen_at, read_key, read_at FROM notification_watermarks WHERE person_id = $1`,
		person).Scan(&w.seenKey, &w.seenAt, &w.readKey, &w.readAt)
	_, err = storage.Found(err)
	return w, social.Wrap(err, "watermarks")
}

func saveWatermarks(ctx context.Context, tx storage.Tx, person social.ID, w watermarks) error {
	_, err := tx.Exec(ctx, `INSERT INTO notification_watermarks (person_id, seen_key, seen_at, read_key, read_at)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (person_id) DO UPDATE SET seen_key = excluded.seen_key, seen_at = excluded.seen_at,
			read_key = excluded.read_key, read_at = excluded.read_at`, person, w.seenKey, w.seenAt, w.readKey, w.readAt)
	return social.Wrap(err, "watermarks")
}

// oneRow gives the first row of a query over rowColumns; nil = none.
func oneRow(ctx context.Context, q storage.Querier, query string, args ...any) (*row, error) {
	r, err := rowScanner()(q.QueryRow(ctx, query, args...))
	if found, err := storage.Found(err); !found {
		return nil, social.Wrap(err, "notification")
	}
	return &r, nil
}

func rowByID(ctx context.Context, q storage.Querier, id social.ID) (*row, error) {
	return oneRow(ctx, q, `SELECT `+rowColumns+` FROM notifications WHERE id = $1`, id)
}

// rowByAct gives the one row of an act, in any state.
func rowByAct(ctx context.Context, q storage.Querier, receiver social.ID, kind string, actor,
	object social.ID) (*row, error) {
	return oneRow(ctx, q, `SELECT `+rowColumns+` FROM notifications
		WHERE object_id = $1 AND receiver_id = $2 AND type = $3 AND actor_id = $4`, object, receiver, kind, actor)
}

// A group is the row that began it, which is its oldest and whose id is the group's, and those that joined.
const (
	founder = `id = $1 AND group_id = id AND state < 2`
	joiner  = `group_id = $1 AND group_id <> id AND state < 2`
)

// headOf gives the newest member of a group that is shown.
func headOf(ctx context.Context, q storage.Querier, group social.ID) (*row, error) {
	return oneRow(ctx, q, `SELECT `+rowColumns+` FROM notifications WHERE key = COALESCE(
		(SELECT key FROM notifications WHERE `+joiner+` ORDER BY key DESC LIMIT 1),
		(SELECT key FROM notifications WHERE `+founder+`))`, group)
}

// openGroup gives the newest group about subject, as its newest member and whether that one is unseen.
func openGroup(ctx context.Context, q storage.Querier, receiver social.ID, kind string,
	subject social.ID) (g *row, unseen bool, err error) {
	var open int64
	g = &row{}
	err = q.QueryRow(ctx, `SELECT n.key, n.group_id, n.members, n.actors, n.began_at, n.seen_at IS NULL
		AND n.key > COALESCE(w.seen_key, 0)
		FROM notifications n LEFT JOIN notification_watermarks w ON w.person_id = n.receiver_id
		WHERE n.receiver_id = $1 AND n.type = $2 AND n.subject = $3 AND n.head = 1 ORDER BY n.key DESC LIMIT 1`,
		receiver, kind, subject).Scan(&g.key, &g.group, &g.members, &g.actors, &g.began, &open)
	if found, err := storage.Found(err); !found {
		return nil, false, social.Wrap(err, "group")
	}
	return g, open != 0, nil
}

// newestActors gives who acted last in a group.
func newestActors(ctx context.Context, q storage.Querier, group social.ID) ([]byte, error) {
	ids, err := storage.All(ctx, q, storage.One[social.ID], `SELECT actor_id FROM (
		SELECT actor_id, key FROM (SELECT actor_id, key FROM notifications
		WHERE `+joiner+` ORDER BY key DESC LIMIT 3) AS newest
		UNION ALL SELECT actor_id, key FROM notifications WHERE `+founder+`) AS members ORDER BY key DESC LIMIT 3`, group)
	return storage.PackIDs(maxActors, ids...), social.Wrap(err, "actors of a group")
}

// insertRow reports false, and writes nothing, if there is a row of the same act.
func insertRow(ctx context.Context, tx storage.Tx, r *row) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO notifications (key, id, receiver_id, type, word, actor_id, object_id, subject,
		group_id, head, members, actors, began_at, content, url, data, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING`,
		r.key, r.id, r.receiver, r.kind, r.word, r.actor, r.object, r.subject, r.group, r.members,
		r.actors, r.began, r.content, r.url, r.data, r.created, r.updated)
	return n == 1, social.Wrap(err, "insert notification")
}

// saveRow writes what can change of a row.
func saveRow(ctx context.Context, tx storage.Tx, r *row) error {
	_, err := tx.Exec(ctx, `UPDATE notifications SET head = $2, members = $3, actors = $4, state = $5, withdrawn_at = $6,
		seen_at = $7, read_at = $8, left_unread = $9, archived_at = $10, updated_at = $11 WHERE key = $1`,
		r.key, storage.Bit(r.head), r.members, r.actors, r.state, r.withdrawn, r.seenAt, r.readAt, storage.Bit(r.left),
		r.archived, r.updated)
	return social.Wrap(err, "save notification")
}

// demote makes a row a plain member of its group.
func demote(ctx context.Context, tx storage.Tx, key int64) error {
	_, err := tx.Exec(ctx, `UPDATE notifications SET head = 0 WHERE key = $1`, key)
	return social.Wrap(err, "group")
}

func deleteRow(ctx context.Context, tx storage.Tx, key int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM notifications WHERE key = $1`, key)
	return social.Wrap(err, "delete notification")
}

// savePostState writes the state of a derived item.
func savePostState(ctx context.Context, tx storage.Tx, r *row) error {
	_, err := tx.Exec(ctx, `INSERT INTO notification_posts (receiver_id, key, post_id, seen_at, read_at, left_unread,
		archived_at, deleted) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (receiver_id, key) DO UPDATE SET seen_at = excluded.seen_at, read_at = excluded.read_at,
			left_unread = excluded.left_unread, archived_at = excluded.archived_at, deleted = excluded.deleted`,
		r.receiver, r.key, r.id, r.seenAt, r.readAt, storage.Bit(r.left), r.archived, storage.Bit(r.state == stateDeleted))
	return social.Wrap(err, "save state of a post")
}

// isGone reports whether what a row is about, or who did it, has a tombstone.
func isGone(ctx context.Context, q storage.Querier, r *row) (bool, error) {
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM notification_tombstones WHERE id = $1 OR id = $2 LIMIT 1`, r.object,
		r.actor).Scan(&one)
	found, err := storage.Found(err)
	return found, social.Wrap(err, "tombstone")
}
