package posts

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// row is one post or comment.
type row struct {
	key         int64
	id          social.ID
	author      social.ID
	rootKey     int64
	rootID      social.ID
	rootAuthor  social.ID
	replyTo     social.ID
	replyAuthor social.ID
	visibility  event.Visibility
	text        string
	sensitive   bool
	warning     *string
	language    *string
	mentions    []Mention
	tags        []Tag
	media       []social.Media // as Ports.Media.Take gives them
	likes       int64
	comments    int64
	createdAt   social.Time
	editedAt    *social.Time // nil = never
	deleted     bool         // deleted, or the author's account has ended
	liked       bool         // by the reader
	named       bool         // the reader is named in the top post
}

// visibilities in the order of their stored numbers.
var visibilities = []event.Visibility{event.Public, event.Followers, event.Mentioned}

const maxIn = 256 // values behind one IN

// columns need the reader as $1: the reader's like is read with the row.
const columns = `p.key, p.id, p.author_id, p.root_key, p.root_id, p.root_author_id, p.reply_to, p.reply_author_id,
	p.visibility, p.text, p.sensitive, p.warning, p.language, p.mentions, p.tags, p.media, p.like_count, p.comment_count,
	p.created_at, p.edited_at,
	CASE WHEN p.deleted_at <> 0 OR p.author_id IN (SELECT user_id FROM post_leavers) THEN 1 ELSE 0 END,
	CASE WHEN EXISTS (SELECT 1 FROM post_likes l WHERE l.post_key = p.key AND l.user_id = $1) THEN 1 ELSE 0 END`

const namedColumn = `, CASE WHEN p.visibility <> 0 AND ` + isNamed + ` THEN 1 ELSE 0 END`

// isNamed: the reader $1 is named in the top post.
const isNamed = `EXISTS (SELECT 1 FROM post_mentions m WHERE m.post_key = p.root_key AND m.user_id = $1)`

// visible is who sees a post: everybody a public one; its top post's author and those named in the top post any;
// followers of that author one for followers. Follows are another module's, so the last part lets through what
// the caller has to decide by Follows.IsFollowing (see needsFollow).
const visible = `(p.visibility = 0 OR p.root_author_id = $1 OR p.visibility = 1 OR ` + isNamed + `)`

// standing: in the lists.
const standing = `p.deleted_at = 0 AND p.author_id NOT IN (SELECT user_id FROM post_leavers)`

// Top-level posts and comments: a person's list of each has an index of its own.
const (
	topLevel = `p.reply_to IS NULL`
	comment  = `p.reply_to IS NOT NULL`
)

// needsFollow reports that reader sees the row only if they follow the top post's author.
func (r row) needsFollow(reader social.ID) bool {
	return r.visibility == event.Followers && r.rootAuthor != reader && !r.named
}

func queryRows(ctx context.Context, q storage.Querier, withNamed bool, query string, args ...any) ([]row, error) {
	return storage.All(ctx, q, func(found storage.Row) (r row, err error) {
		var vis, sensitive, deleted, liked, named int64
		var mentions, tags, media *string
		dest := []any{&r.key, &r.id, &r.author, &r.rootKey, &r.rootID, &r.rootAuthor, &r.replyTo, &r.replyAuthor, &vis,
			&r.text, &sensitive, &r.warning, &r.language, &mentions, &tags, &media, &r.likes, &r.comments, &r.createdAt,
			&r.editedAt, &deleted, &liked, &named}
		if !withNamed {
			dest = dest[:len(dest)-1]
		}
		if err := found.Scan(dest...); err != nil {
			return r, err
		}
		r.visibility, r.sensitive, r.deleted, r.liked, r.named = visibilities[vis], sensitive != 0, deleted != 0,
			liked != 0, named != 0
		if r.mentions, err = unpack[Mention](mentions); err != nil {
			return r, fmt.Errorf("mentions of %s: %w", r.id, err)
		}
		if r.tags, err = unpack[Tag](tags); err != nil {
			return r, fmt.Errorf("tags of %s: %w", r.id, err)
		}
		if r.media, err = unpack[social.Media](media); err != nil {
			return r, fmt.Errorf("media of %s: %w", r.id, err)
		}
		return r, nil
	}, query, args...)
}

// rowByID gives a post that reader may see, given that the caller decides needsFollow; also a deleted one.
func rowByID(ctx context.Context, q storage.Querier, reader, id social.ID) (row, bool, error) {
	list, err := queryRows(ctx, q, true, `SELECT `+columns+namedColumn+` FROM posts p WHERE p.id = $2 AND `+visible,
		reader, id)
	if err != nil || len(list) == 0 {
		return row{}, false, err
	}
	return list[0], true, nil
}

// ownRow gives a post of its author that is not deleted.
func ownRow(ctx context.Context, q storage.Querier, author, id social.ID) (row, bool, error) {
	list, err := queryRows(ctx, q, false,
		`SELECT `+columns+` FROM posts p WHERE p.id = $2 AND p.author_id = $1 AND `+standing, author, id)
	if err != nil || len(list) == 0 {
		return row{}, false, err
	}
	return list[0], true, nil
}

// rowsByKey gives posts in the order of keys; those that are not there are left out. The caller has decided who
// may see them.
func rowsByKey(ctx context.Context, q storage.Querier, reader social.ID, keys []int64) ([]row, error) {
	found := make(map[int64]row, len(keys))
	for part := range slices.Chunk(keys, maxIn) {
		in, args := storage.In([]any{reader}, part)
		list, err := queryRows(ctx, q, false, `SELECT `+columns+` FROM posts p WHERE p.key IN `+in, args...)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			found[r.key] = r
		}
	}
	out := make([]row, 0, len(keys))
	for _, k := range keys {
		if r, ok := found[k]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// rootStands reports whether a top post is neither deleted nor of an ended account.
func rootStands(ctx context.Context, q storage.Querier, key int64) (bool, error) {
	var one int
	err := q.QueryRow(ctx, `SELECT 1 FROM posts p WHERE p.key = $1 AND `+standing, key).Scan(&one)
	return storage.Found(err)
}

// insertRow writes a post with its places: whom it names, what it stands below, and the counts above it.
func insertRow(ctx context.Context, tx storage.Tx, r row, parent row) error {
	mentions, err := pack(r.mentions)
	if err != nil {
		return err
	}
	tags, err := pack(r.tags)
	if err != nil {
		return err
	}
	media, err := pack(r.media)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO posts (key, id, author_id, root_key, root_id, root_author_id, reply_to,
		reply_author_id, visibility, text, sensitive, warning, language, mentions, tags, media, changed, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $1, $17)`,
		r.key, r.id, r.author, r.rootKey, r.rootID, r.rootAuthor, r.replyTo, r.replyAuthor,
		slices.Index(visibilities, r.visibility),
		r.text, storage.Bit(r.sensitive), r.warning, r.language, mentions, tags, media,
		int64(r.createdAt))
	if err != nil {
		return err
	}
	if err := insertTags(ctx, tx, r); err != nil {
		return err
	}
	people := named(r.mentions, r.author)
	if r.addressed() {
		people = append(people, r.author)
	}
	if err := insertMentions(ctx, tx, r, people); err != nil {
		return err
	}
	if r.replyTo.IsZero() {
		return nil
	}
	if parent.key != r.rootKey {
		if err := insertAncestors(ctx, tx, r.key, parent.key); err != nil {
			return err
		}
	}
	return countComment(ctx, tx, r, +1)
}

// addressed: a top-level post for named people only.
func (r row) addressed() bool { return r.replyTo.IsZero() && r.visibility == event.Mentioned }

// insertMentions gives a post its places with people it names.
func insertMentions(ctx context.Context, tx storage.Tx, r row, people []social.ID) error {
	var author social.ID // zero but for a top-level post that is not for everybody
	if r.replyTo.IsZero() && r.visibility != event.Public {
		author = r.author
	}
	for _, id := range people {
		if _, err := tx.Exec(ctx, `INSERT INTO post_mentions (post_key, user_id, addressed, author_id, with_media)
			VALUES ($1, $2, $3, $4, $5)`, r.key, id, storage.Bit(r.addressed()), author,
			storage.Bit(len(r.media) > 0 && !author.IsZero())); err != nil {
			return err
		}
	}
	return nil
}

// maxAncestors bounds the work of a comment deep below others. Below that depth a comment counts for those at the
// top and for the one it answers.
const maxAncestors = 64

func insertAncestors(ctx context.Context, tx storage.Tx, key, parent int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO post_ancestors (ancestor_key, post_key)
		SELECT ancestor_key, $1 FROM post_ancestors WHERE post_key = $2 ORDER BY ancestor_key
		LIMIT $3`, key, parent, maxAncestors-1)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO post_ancestors (ancestor_key, post_key) VALUES ($1, $2)`, parent, key)
	return err
}

// countComment changes comment_count of the top post and of every comment r stands below.
func countComment(ctx context.Context, tx storage.Tx, r row, by int64) error {
	_, err := tx.Exec(ctx, `UPDATE posts SET comment_count = comment_count + $1
		WHERE key = $2 OR key IN (SELECT ancestor_key FROM post_ancestors WHERE post_key = $3)`, by, r.rootKey, r.key)
	return err
}

// emptyRow takes a post out of every list and its content away. Its place stays, for what stands below it.
func emptyRow(ctx context.Context, tx storage.Tx, r row, key int64, now social.Time) error {
	_, err := tx.Exec(ctx, `UPDATE posts SET deleted_at = $2, changed = $3, text = '', sensitive = 0, warning = NULL,
		language = NULL, mentions = NULL, tags = NULL, media = NULL WHERE key = $1`, r.key, int64(now), key)
	if err != nil {
		return err
	}
	if err := deleteTags(ctx, tx, r); err != nil {
		return err
	}
	if r.replyTo.IsZero() { // its places in lists; whom it named still decides who sees what is below it
		if r.visibility != event.Public {
			_, err = tx.Exec(ctx, `UPDATE post_mentions SET addressed = 0, author_id = NULL, with_media = 0
				WHERE post_key = $1`, r.key)
		}
		return err
	}
	if err := countComment(ctx, tx, r, -1); err != nil || r.replyTo == r.rootID {
		return err
	}
	// What is gone, with nothing below it, stands below nothing any more: lists would walk it for ever.
	_, err = tx.Exec(ctx, `DELETE FROM post_ancestors WHERE post_key IN (SELECT p.key FROM posts p
		WHERE p.deleted_at <> 0 AND p.comment_count = 0 AND (p.key = $1
		OR p.key IN (SELECT ancestor_key FROM post_ancestors WHERE post_key = $1)))`, r.key)
	return err
}
