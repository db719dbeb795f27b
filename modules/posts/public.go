package posts

import (
	"context"

	"golang.org/x/text/unicode/norm"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Local lists the top-level posts of this site that are for everybody, newest first. A zero reader is anonymous. The
// cursor is as for Home.
func (s *Service) Local(ctx context.Context, reader social.ID,
	p social.PageQuery) (list social.List[Post], head social.Cursor, err error) {
	head = s.Ports.Log.Head()
	err = s.db.Read(ctx, func(q storage.Querier) error {
		keys, err := social.WalkedPage(s.pages, social.PageScope{List: "local", Person: reader}, p, false, ownKey,
			func(w social.Window) (social.Found[int64], error) { return localKeys(ctx, q, w) })
		if err != nil {
			return err
		}
		shown, err := s.show(ctx, q, reader, keys.Items)
		if err != nil {
			return err
		}
		refs, err := s.Ports.Users.Refs(ctx, q, authorsOf(shown))
		list = social.List[Post]{Items: present(shown, refs, reader), Next: keys.Next, Prev: keys.Prev}
		return err
	})
	return list, head, social.Wrap(err, "posts: local timeline")
}

// Tagged lists the posts and comments with a tag that are for everybody, newest first. The tag is folded as those in
// texts are; not_found: no text can hold it.
func (s *Service) Tagged(ctx context.Context, reader social.ID, tag string,
	p social.PageQuery) (social.List[Post], error) {
	var out social.List[Post]
	tag, ok := FoldTag(tag)
	if !ok {
		return out, social.NotFound()
	}
	err := s.db.Read(ctx, func(q storage.Querier) error {
		scope := social.PageScope{List: "tag", Filter: tag, Person: reader}
		keys, err := social.WalkedPage(s.pages, scope, p, false, ownKey,
			func(w social.Window) (social.Found[int64], error) { return taggedKeys(ctx, q, tag, w) })
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
	return out, social.Wrap(err, "posts: posts with a tag")
}

// FoldTag gives a tag in the one form in which it is kept: NFC, folded by case and width. False if it is none.
func FoldTag(text string) (string, bool) {
	text = norm.NFC.String(text)
	word, tag := tagOf(text)
	return tag, tag != "" && word == text
}

// hasLeft: the author's account has ended. What is left of it stands in the indexes until a job has emptied it.
const hasLeft = `CASE WHEN p.author_id IN (SELECT user_id FROM post_leavers) THEN 1 ELSE 0 END`

func localKeys(ctx context.Context, q storage.Querier, w social.Window) (social.Found[int64], error) {
	return standingKeys(ctx, q, w, `SELECT p.key, `+hasLeft+` FROM posts p WHERE p.deleted_at = 0 AND `+topLevel+`
		AND p.visibility = 0`+w.Clause("p.key", 1))
}

func taggedKeys(ctx context.Context, q storage.Querier, tag string, w social.Window) (social.Found[int64], error) {
	return standingKeys(ctx, q, w, `SELECT p.key, `+hasLeft+` FROM post_tags t JOIN posts p ON p.key = t.post_key
		WHERE t.tag = $1`+w.Clause("t.post_key", 2), tag)
}

// standingKeys walks an index of what is for everybody, without those who have left.
func standingKeys(ctx context.Context, q storage.Querier, w social.Window, query string,
	args ...any) (social.Found[int64], error) {
	type spot struct {
		key  int64
		gone bool
	}
	key := func(s spot) int64 { return s.key }
	found, err := social.Walk(w, key, func(s spot) (bool, error) { return !s.gone, nil },
		func(w social.Window) ([]spot, error) {
			return storage.All(ctx, q, func(row storage.Row) (s spot, err error) {
				return s, row.Scan(&s.key, &s.gone)
			}, query, append(args[:len(args):len(args)], w.From(), w.Limit)...)
		})
	return social.Keys(found, key), err
}

// insertTags gives a post that is for everybody its places under its tags.
func insertTags(ctx context.Context, tx storage.Tx, r row) error {
	if r.visibility != event.Public {
		return nil
	}
	for _, tag := range words(r.tags) {
		if _, err := tx.Exec(ctx, `INSERT INTO post_tags (tag, post_key) VALUES ($1, $2)`, tag, r.key); err != nil {
			return err
		}
	}
	return nil
}

// deleteTags takes the places away that insertTags gave.
func deleteTags(ctx context.Context, tx storage.Tx, r row) error {
	tags := words(r.tags)
	if r.visibility != event.Public || len(tags) == 0 {
		return nil
	}
	in, args := storage.In([]any{r.key}, tags)
	_, err := tx.Exec(ctx, `DELETE FROM post_tags WHERE post_key = $1 AND tag IN `+in, args...)
	return err
}

// words gives each tag once.
func words(tags []Tag) (out []string) {
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		if !seen[t.Tag] {
			seen[t.Tag] = true
			out = append(out, t.Tag)
		}
	}
	return out
}
