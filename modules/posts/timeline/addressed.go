package timeline

import (
	"context"

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

const selectAddressed = `SELECT m.post_key, p.author_id FROM post_mentions m JOIN posts p ON p.key = m.post_key
	WHERE m.user_id = $1 AND m.addressed = 1 AND p.deleted_at = 0`

// addressed gives the keys of top-level posts for named people only that the reader wrote or is named in, of the
// authors among sources, as far as they have a place in the window beside the keys that are there already. Strangers
// may have addressed any number of posts to the reader: a full window ends the search among them.
func (t *Timeline) addressed(ctx context.Context, reader social.ID, w social.Window, there []int64) ([]int64, error) {
	query := selectAddressed + w.Clause("m.post_key", 2)
	var authors map[social.ID]bool
	var out []int64
	for bound := w.From(); ; {
		list, err := storage.All(ctx, t.q, scanAddressed, query, reader, bound, w.Limit)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 && authors == nil {
			authors = make(map[social.ID]bool, len(t.tails))
			for i := range t.tails {
				author, _ := t.sources.at(i)
				authors[author] = true
			}
		}
		for _, c := range list {
			bound = c.key
			if len(there) == w.Limit && (c.key > there[w.Limit-1]) == w.Rising {
				return out, nil
			}
			if !authors[c.author] {
				continue
			}
			if out = append(out, c.key); len(out) == w.Limit {
				return out, nil
			}
		}
		if len(list) < w.Limit {
			return out, nil
		}
	}
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
