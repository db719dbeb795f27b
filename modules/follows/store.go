package follows

import (
	"cmp"
	"context"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// edge is one row.
type edge struct {
	follower, followed social.ID
	key                int64
	since              social.Position
	bell, reposts      bool
	createdAt          social.Time
	stands             bool // read in lists alone, where those of ended accounts are passed over
}

const columns = `f.follower_id, f.followed_id, f.key, f.since, f.bell, f.reposts, f.created_at`

// places are where a row of columns is scanned to.
func (e *edge) places() []any {
	return []any{&e.follower, &e.followed, &e.key, &e.since, &e.bell, &e.reposts, &e.createdAt}
}

// standing leaves out the follows of people whose account has ended, before the job has taken them away.
const standing = ` AND f.follower_id NOT IN (SELECT user_id FROM follow_leavers)
	AND f.followed_id NOT IN (SELECT user_id FROM follow_leavers)`

const maxIn = 256 // values behind one IN

func queryEdges(ctx context.Context, q storage.Querier, query string, args ...any) ([]edge, error) {
	return storage.All(ctx, q, func(row storage.Row) (e edge, err error) {
		return e, row.Scan(e.places()...)
	}, query, args...)
}

func getEdge(ctx context.Context, q storage.Querier, follower, followed social.ID) (edge, bool, error) {
	list, err := queryEdges(ctx, q, `SELECT `+columns+` FROM follows f WHERE f.follower_id = $1 AND f.followed_id = $2`+
		standing, follower, followed)
	if err != nil || len(list) == 0 {
		return edge{}, false, err
	}
	return list[0], true, nil
}

// followedBy gives everybody a person follows, oldest follow first. Read as they lie and sorted here, 200 of them
// cost a third of what they cost by the index of the list. deletedUsers: there may be people to leave out.
func followedBy(ctx context.Context, q storage.Querier, follower social.ID, deletedUsers bool) ([]social.FollowEdge,
	error) {
	query := `SELECT f.followed_id, f.since, f.key, f.bell FROM follows f WHERE f.follower_id = $1`
	if deletedUsers {
		query += standing
	}
	list, err := storage.All(ctx, q, func(row storage.Row) (e social.FollowEdge, err error) {
		err = row.Scan(&e.User, &e.Since, &e.SinceKey, &e.Bell)
		return e, err
	}, query, follower)
	slices.SortFunc(list, func(a, b social.FollowEdge) int { return cmp.Compare(a.SinceKey, b.SinceKey) })
	return list, err
}

// insertEdge writes a follow that is not there; storage.ErrUnique if another writer was first.
func insertEdge(ctx context.Context, tx storage.Tx, e edge) error {
	_, err := tx.Exec(ctx, `INSERT INTO follows (follower_id, followed_id, key, since, bell, reposts, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		e.follower, e.followed, e.key, int64(e.since), storage.Bit(e.bell), storage.Bit(e.reposts), int64(e.createdAt))
	return err
}

func setWishes(ctx context.Context, tx storage.Tx, e edge) error {
	_, err := tx.Exec(ctx, `UPDATE follows SET bell = $3, reposts = $4 WHERE follower_id = $1 AND followed_id = $2`,
		e.follower, e.followed, storage.Bit(e.bell), storage.Bit(e.reposts))
	return err
}

func deleteEdge(ctx context.Context, tx storage.Tx, follower, followed social.ID) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM follows WHERE follower_id = $1 AND followed_id = $2`, follower, followed)
	return n == 1, err
}

// mark notes that what follower follows has changed.
func mark(ctx context.Context, tx storage.Tx, follower social.ID, key int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO follow_marks (follower_id, changed) VALUES ($1, $2)
		ON CONFLICT (follower_id) DO UPDATE SET changed = excluded.changed`, follower, key)
	return err
}

// getMark gives the order key of the last change of what follower follows, 0 = none, and whether follows of ended
// accounts are left.
func getMark(ctx context.Context, q storage.Querier, follower social.ID) (changed int64, deletedUsers bool, err error) {
	err = q.QueryRow(ctx, `SELECT COALESCE((SELECT changed FROM follow_marks WHERE follower_id = $1), 0),
		CASE WHEN EXISTS (SELECT 1 FROM follow_leavers) THEN 1 ELSE 0 END`, follower).Scan(&changed, &deletedUsers)
	return changed, deletedUsers, err
}

// isFull reports whether follower follows limit people or more.
func isFull(ctx context.Context, q storage.Querier, follower social.ID, limit int) (bool, error) {
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM follows WHERE follower_id = $1 ORDER BY key LIMIT 1 OFFSET $2`, follower,
		limit-1).Scan(&one)
	return storage.Found(err)
}

func edgeKey(e edge) int64 { return e.key }

// page reads one window of the people whom a person follows, or of those who follow the person. Follows of people whose
// account has ended are passed over until a job has taken them away.
func page(ctx context.Context, q storage.Querier, person social.ID, following bool,
	w social.Window) (social.Found[edge], error) {
	side := `f.followed_id = $1`
	if following {
		side = `f.follower_id = $1`
	}
	query := `SELECT ` + columns + `, CASE WHEN TRUE` + standing + ` THEN 1 ELSE 0 END FROM follows f WHERE ` + side +
		w.Clause("f.key", 2)
	return social.Walk(w, edgeKey, func(e edge) (bool, error) { return e.stands, nil },
		func(w social.Window) ([]edge, error) {
			return storage.All(ctx, q, func(row storage.Row) (e edge, err error) {
				return e, row.Scan(append(e.places(), &e.stands)...)
			}, query, person, w.From(), w.Limit)
		})
}

// deletedUserPage gives a person whose account has ended and up to limit of their follows, in either direction.
// false = nobody is on the way out.
func deletedUserPage(ctx context.Context, q storage.Querier, limit int) (social.ID, []edge, bool, error) {
	var person social.ID
	err := q.QueryRow(ctx, `SELECT user_id FROM follow_leavers ORDER BY at, user_id LIMIT 1`).Scan(&person)
	if found, err := storage.Found(err); !found {
		return social.ID{}, nil, false, err
	}
	const own, others = `SELECT ` + columns + ` FROM follows f WHERE f.follower_id = $1 ORDER BY f.key LIMIT $2`,
		`SELECT ` + columns + ` FROM follows f WHERE f.followed_id = $1 ORDER BY f.key LIMIT $2`
	list, err := queryEdges(ctx, q, own, person, limit)
	if err != nil || len(list) == limit {
		return person, list, true, err
	}
	more, err := queryEdges(ctx, q, others, person, limit-len(list))
	return person, append(list, more...), true, err
}

// endedBy gives the follows of a person that ended with the account of who was followed, as long as it is shown that
// it ended: those that the job has not taken away yet, and those that it has.
func endedBy(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error) {
	return storage.All(ctx, q, func(row storage.Row) (e social.FollowEdge, err error) {
		return e, row.Scan(&e.User, &e.Since)
	}, `SELECT followed_id, position - 1 FROM ended_follows WHERE follower_id = $1
		UNION ALL SELECT l.user_id, l.position - 1 FROM follow_leavers l
		JOIN follows f ON f.follower_id = $1 AND f.followed_id = l.user_id WHERE l.position > 0`, follower)
}

// keepEnded notes which of these follows, about to go, were of the person, whose account has ended.
func keepEnded(ctx context.Context, tx storage.Tx, person social.ID, list []edge) error {
	for _, e := range list {
		if e.followed != person {
			continue
		}
		_, err := tx.Exec(ctx, `INSERT INTO ended_follows (follower_id, followed_id, position)
			SELECT $1, user_id, position FROM follow_leavers WHERE user_id = $2 AND position > 0`, e.follower, person)
		if err != nil {
			return err
		}
	}
	return nil
}

func hasEndedBelow(ctx context.Context, q storage.Querier, floor social.Position) (has bool, err error) {
	err = q.QueryRow(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM ended_follows WHERE position <= $1) THEN 1 ELSE 0 END`,
		int64(floor)).Scan(&has)
	return has, err
}

func forgetEnded(ctx context.Context, tx storage.Tx, floor social.Position, limit int) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM ended_follows WHERE (follower_id, followed_id) IN (SELECT follower_id, followed_id
		FROM ended_follows WHERE position <= $1 ORDER BY position LIMIT $2)`, int64(floor), limit)
}
