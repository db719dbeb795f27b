package timeline

import (
	"context"
	"maps"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// WindowFor is Window with the posts for named people only that the reader wrote or is named in.
func (t *Timeline) WindowFor(ctx context.Context, reader social.ID, w social.Window) ([]int64, error) {
	keys, err := t.Window(ctx, w)
	if err != nil {
		return nil, err
	}
	addressed, err := t.addressed(ctx, reader, w, keys)
	return social.Merge(w, keys, addressed, func(key int64) int64 { return key }), err
}

// addressed gives the keys of top-level posts for named people only that the reader wrote or is named in, of the
// authors among sources, as far as they have a place in the window beside the keys that are there already.
//
// One look at the newest mostly tells all of them. Strangers may have addressed any number of posts to the reader,
// though: where one look does not reach the end of the window, the authors are asked one by one.
func (t *Timeline) addressed(ctx context.Context, reader social.ID, w social.Window, there []int64) ([]int64, error) {
	list, err := storage.All(ctx, t.q, scanAddressed, `SELECT m.post_key, m.author_id FROM post_mentions m
		WHERE m.user_id = $1 AND m.addressed = 1`+w.Clause("m.post_key", 2), reader, w.From(), w.Limit)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	authors := t.authors()
	var out []int64
	for _, c := range list {
		if len(there) == w.Limit && (c.key > there[w.Limit-1]) == w.Rising {
			return out, nil
		}
		if authors[c.author] {
			out = append(out, c.key)
		}
	}
	if len(list) < w.Limit || len(out) == w.Limit {
		return out, nil
	}
	return t.addressedBy(ctx, authors, reader, w)
}

// addressedBy is addressed by the author. Its cost is bounded by the number of sources, whoever addresses the reader.
func (t *Timeline) addressedBy(ctx context.Context, authors map[social.ID]bool, reader social.ID,
	w social.Window) (out []int64, err error) {
	who, err := addressing(ctx, t.q, reader, len(authors)+1)
	if err != nil {
		return nil, err
	}
	if len(who) > len(authors) { // it is quicker to ask for each source
		who = slices.Collect(maps.Keys(authors))
	}
	query := `SELECT m.post_key FROM post_mentions m WHERE m.user_id = $1 AND m.author_id = $2 AND m.addressed = 1` +
		w.Clause("m.post_key", 3)
	for _, author := range who {
		if !authors[author] {
			continue
		}
		keys, err := storage.All(ctx, t.q, storage.One[int64], query, reader, author, w.From(), w.Limit)
		if err != nil {
			return nil, err
		}
		out = social.Merge(w, out, keys, func(key int64) int64 { return key })
	}
	return out, nil
}

// authors gives the people of the sources.
func (t *Timeline) authors() map[social.ID]bool {
	out := make(map[social.ID]bool, t.sources.len())
	for i := range t.sources.len() {
		author, _ := t.sources.at(i)
		out[author] = true
	}
	return out
}

// addressing gives up to limit of the people who wrote posts, not for everybody, in which a person is named. It leaps
// from author to author, however many posts each of them wrote.
func addressing(ctx context.Context, q storage.Querier, person social.ID, limit int) ([]social.ID, error) {
	const next = `(SELECT m.author_id FROM post_mentions m WHERE m.user_id = $1 AND m.author_id `
	ids, err := storage.All(ctx, q, storage.One[social.ID], `WITH RECURSIVE authors (id) AS (
		SELECT `+next+`IS NOT NULL ORDER BY m.author_id LIMIT 1)
		UNION ALL SELECT `+next+`> a.id ORDER BY m.author_id LIMIT 1) FROM authors a WHERE a.id IS NOT NULL)
		SELECT id FROM authors LIMIT $2`, person, limit+1)
	return slices.DeleteFunc(ids, social.ID.IsZero), err
}

// addressedPost is a post for named people only.
type addressedPost struct {
	key    int64
	author social.ID
}

func scanAddressed(row storage.Row) (a addressedPost, err error) {
	err = row.Scan(&a.key, &a.author)
	return a, err
}
