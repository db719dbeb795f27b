package posts

import (
	"context"
	"strings"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Comments lists everything below a post or a comment, flat, oldest first unless newest is asked for. A deleted
// comment that has comments stands there as a tombstone; a deleted post's comments are listed as long as there are
// any. not_found: absent, or not for this reader.
func (s *Service) Comments(ctx context.Context, reader, id social.ID, newest bool,
	p social.PageQuery) (social.List[Post], error) {
	var out social.List[Post]
	err := s.db.Read(ctx, func(q storage.Querier) error {
		top, err := s.findDeletedToo(ctx, q, reader, id)
		if err != nil {
			return err
		}
		if top.deleted && top.comments == 0 {
			return social.NotFound()
		}
		scope := social.PageScope{List: "comments", Filter: id.String() + " oldest", Person: reader}
		if newest {
			scope.Filter = id.String() + " newest"
		}
		rows, err := social.WalkedPage(s.pages, scope, p, !newest, rowKey, func(w social.Window) (social.Found[row], error) {
			return commentsOf(ctx, q, reader, top, w)
		})
		if err != nil {
			return err
		}
		items, err := s.render(ctx, q, reader, rows.Items)
		out = social.List[Post]{Items: items, Next: rows.Next, Prev: rows.Prev}
		return err
	})
	return out, social.Wrap(err, "posts: comments of %s", id)
}

// ByAuthor lists the posts of a person, newest first, as reader may see them: top-level ones, and with comments
// also comments. media lists only those with pictures. not_found: no such person.
func (s *Service) ByAuthor(ctx context.Context, reader, author social.ID, media, comments bool,
	p social.PageQuery) (social.List[Post], error) {
	var out social.List[Post]
	err := s.db.Read(ctx, func(q storage.Querier) error {
		there, err := s.Ports.Users.Refs(ctx, q, []social.ID{author})
		if err != nil {
			return err
		}
		if _, ok := there[author]; !ok {
			return social.NotFound()
		}
		judge := &judge{s: s, q: q, reader: reader}
		spans, err := judge.spansBy(ctx, author, comments)
		spans = withMedia(spans, media)
		if err != nil {
			return err
		}
		filter := author.String() + string(" m"[storage.Bit(media)]) + string(" c"[storage.Bit(comments)])
		scope := social.PageScope{List: "posts", Filter: filter, Person: reader}
		keys, err := social.WalkedPage(s.pages, scope, p, false, ownKey,
			func(w social.Window) (social.Found[int64], error) {
				return judge.keysBy(ctx, author, spans, withMedia(closedSpans, media), comments, w)
			})
		if err != nil {
			return err
		}
		rows, err := rowsByKey(ctx, q, reader, keys.Items)
		if err != nil {
			return err
		}
		items, err := s.render(ctx, q, reader, rows)
		out = social.List[Post]{Items: items, Next: keys.Next, Prev: keys.Prev}
		return err
	})
	return out, social.Wrap(err, "posts: posts of %s", author)
}

func rowKey(r row) int64     { return r.key }
func ownKey(key int64) int64 { return key }
func placeKey(p place) int64 { return p.key }

// judge decides, for one reader and one snapshot, what visible leaves open.
type judge struct {
	s        *Service
	q        storage.Querier
	reader   social.ID
	followed map[social.ID]bool // whom the reader follows; nil = not asked yet
}

func (j *judge) follows(ctx context.Context, author social.ID) (bool, error) {
	if j.followed == nil {
		edges, err := j.s.Ports.Follows.Following(ctx, j.q, j.reader)
		if err != nil {
			return false, err
		}
		j.followed = make(map[social.ID]bool, len(edges))
		for _, e := range edges {
			j.followed[e.User] = true
		}
	}
	return j.followed[author], nil
}

// span is a range of an index: rows p, in the order of a column.
type span struct{ rows, key string }

const (
	topsOf     = `posts p WHERE p.author_id = $2 AND p.deleted_at = 0 AND ` + topLevel + ` AND p.visibility = `
	commentsBy = `posts p WHERE p.author_id = $2 AND p.deleted_at = 0 AND ` + comment + ` AND p.visibility = `
	namedBy    = `post_mentions p WHERE p.user_id = $1 AND p.author_id = $2 AND p.addressed = `
)

// Spans in which a reader $1 sees everything that an author $2 wrote. What a reader may not see lies in spans of its
// own, and there may be any amount of it.
var (
	forEverybody   = span{topsOf + `0`, `key`}
	forFollowers   = span{topsOf + `1`, `key`}
	namedAmongThem = span{namedBy + `0`, `post_key`}
	forNamed       = span{namedBy + `1`, `post_key`}
	openComments   = span{commentsBy + `0`, `key`}
)

// closedSpans hold the comments below posts that are not for everybody.
var closedSpans = []span{{commentsBy + `1`, `key`}, {commentsBy + `2`, `key`}}

// withMedia narrows spans to posts with pictures, which have indexes of their own.
func withMedia(spans []span, on bool) []span {
	if !on {
		return spans
	}
	out := make([]span, len(spans))
	for i, one := range spans {
		out[i] = span{one.rows + ` AND p.media IS NOT NULL`, one.key}
		if one.key == namedAmongThem.key {
			out[i].rows = one.rows + ` AND p.with_media = 1`
		}
	}
	return out
}

// spansBy gives the spans that hold what the reader may see of what author wrote, but for closedSpans.
func (j *judge) spansBy(ctx context.Context, author social.ID, comments bool) ([]span, error) {
	spans := []span{forEverybody}
	if comments {
		spans = append(spans, openComments)
	}
	if j.reader.IsZero() {
		return spans, nil
	}
	follower := j.reader == author
	if !follower {
		var err error
		if follower, err = j.s.Ports.Follows.IsFollowing(ctx, j.q, j.reader, author); err != nil {
			return nil, err
		}
	}
	if follower {
		return append(spans, forFollowers, forNamed), nil
	}
	return append(spans, namedAmongThem, forNamed), nil
}

// keysBy gives the keys of what author wrote and the reader may see.
func (j *judge) keysBy(ctx context.Context, author social.ID, spans, closedSpans []span, comments bool,
	w social.Window) (social.Found[int64], error) {
	keys, err := storage.All(ctx, j.q, storage.One[int64], inSpans(spans, w), j.reader, author, w.From(), w.Limit)
	found := social.Found[int64]{Items: keys}
	if err != nil || !comments || j.reader.IsZero() {
		return found, err
	}
	if len(keys) == w.Limit {
		w.Until = keys[w.Limit-1]
	}
	closed, err := j.closedComments(ctx, author, closedSpans, w)
	return social.MergeFound(w, found, closed, ownKey), err
}

// inSpans is the query of a window over spans. $3 is where it begins, $4 its limit.
func inSpans(spans []span, w social.Window) string {
	sign, order := " < $3", " ORDER BY key DESC LIMIT $4"
	if w.Rising {
		sign, order = " > $3", " ORDER BY key LIMIT $4"
	}
	arms := make([]string, len(spans))
	for i, one := range spans {
		arms[i] = `SELECT p.` + one.key + ` AS key FROM ` + one.rows + ` AND p.` + one.key + sign
	}
	return strings.Join(arms, " UNION ALL ") + order
}

// place is a comment as far as it tells who may see it.
type place struct {
	key        int64
	rootAuthor social.ID
	followers  bool // its top post is for followers, else for those named in it
	named      bool // the reader is named in the top post
}

// closedComments gives the keys of author's comments below posts that are not for everybody, as far as the reader may
// see those. Who may differs from post to post, so this is a walk, in which many may be passed over.
func (j *judge) closedComments(ctx context.Context, author social.ID, spans []span,
	w social.Window) (social.Found[int64], error) {
	query := `SELECT p.key, p.root_author_id, CASE WHEN p.visibility = 1 THEN 1 ELSE 0 END, CASE WHEN ` + isNamed +
		` THEN 1 ELSE 0 END FROM posts p WHERE p.key IN (` +
		inSpans(spans, w) + `) ORDER BY p.key`
	if !w.Rising {
		query += " DESC"
	}
	found, err := social.Walk(w, placeKey, func(p place) (bool, error) {
		if p.named || p.rootAuthor == j.reader || !p.followers {
			return p.named || p.rootAuthor == j.reader, nil
		}
		return j.follows(ctx, p.rootAuthor)
	}, func(w social.Window) ([]place, error) {
		return storage.All(ctx, j.q, func(row storage.Row) (p place, err error) {
			return p, row.Scan(&p.key, &p.rootAuthor, &p.followers, &p.named)
		}, query, j.reader, author, w.From(), w.Limit)
	})
	return social.Keys(found, placeKey), err
}

// commentsOf gives what stands below a place the reader may see: comments that are there, and the places of those that
// are not but have comments. What is gone with its author's account stands in the index until a job has emptied it.
func commentsOf(ctx context.Context, q storage.Querier, reader social.ID, top row,
	w social.Window) (social.Found[row], error) {
	const standing = ` AND (p.deleted_at = 0 OR p.comment_count > 0)` // the condition of the index
	const below = `SELECT ` + columns + ` FROM posts p WHERE p.root_key = $2 AND p.reply_to IS NOT NULL` + standing
	const belowComment = `SELECT ` + columns +
		` FROM post_ancestors a JOIN posts p ON p.key = a.post_key WHERE a.ancestor_key = $2` + standing
	query := below + w.Clause("p.key", 3)
	if top.key != top.rootKey {
		query = belowComment + w.Clause("a.post_key", 3)
	}
	return social.Walk(w, rowKey, func(r row) (bool, error) { return !r.deleted || r.comments > 0, nil },
		func(w social.Window) ([]row, error) {
			return queryRows(ctx, q, false, query, reader, top.key, w.From(), w.Limit)
		})
}
