package users

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// findable is who may be found: suspended people are not.
const findable = `deleted_at IS NULL AND state = 'active'`

// maxFound bounds how many people one search looks at by username, and by display name.
const maxFound = social.ScanBudget

const (
	foldPage  = 256 // names folded in one transaction
	foldEvery = time.Hour
)

// foundForm gives a name as a search compares it: folded by case and width, without characters that show nothing, and
// with single spaces.
func foundForm(name string) string {
	shown := strings.Map(func(r rune) rune {
		if social.Ignorable(r) {
			return -1
		}
		return r
	}, cases.Fold().String(width.Fold.String(name)))
	return norm.NFC.String(strings.Join(strings.Fields(shown), " "))
}

// found is a person that a search has met.
type found struct {
	id    social.ID
	order int64
}

func foundOrder(f found) int64 { return f.order }

// Search gives one page of the people whose username or display name begins with a text, in any case: who has exactly
// this username first, then those who wrote for everybody, or joined, last. Of more than maxFound names that begin
// so, the first in the order of names are looked at. validation_failed at /q: the text shows nothing.
func (s *Service) Search(ctx context.Context, q storage.Querier, viewer social.ID, text string,
	p social.PageQuery) (social.List[social.ID], error) {
	want := foundForm(strings.TrimPrefix(strings.TrimSpace(text), "@"))
	if want == "" {
		return social.List[social.ID]{}, social.Invalid(social.QueryField("q", social.FieldTooShort,
			"At least one character of a name."))
	}
	var all []found
	scope := social.PageScope{List: "search", Filter: want, Person: viewer}
	list, err := social.PageOf(s.pages, scope, p, false, foundOrder,
		func(w social.Window) (_ []found, err error) {
			if all == nil {
				all, err = search(ctx, q, want)
			}
			return within(w, all), err
		})
	return idsOf(list), social.Wrap(err, "users: search")
}

// search gives everybody whose names begin with want, the last in order first.
func search(ctx context.Context, q storage.Querier, want string) ([]found, error) {
	all := []found{}
	for _, column := range []string{"username", "found_name"} {
		more, err := storage.All(ctx, q, func(row storage.Row) (f found, err error) {
			var exact bool
			if err = row.Scan(&f.id, &f.order, &exact); exact {
				f.order = math.MaxInt64 - 1 // in front of everybody, and within every window
			}
			return f, err
		}, `SELECT id, CASE WHEN active_key > key THEN active_key ELSE key END, CASE WHEN username = $1 THEN 1 ELSE 0 END
			FROM users WHERE `+findable+` AND `+column+` >= $1 AND `+column+` < $2 ORDER BY `+column+` LIMIT $3`,
			want, want+"\U0010FFFF", maxFound)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(b.order, a.order) })
	return slices.Compact(all), nil
}

// within gives the part of a falling list that lies in a window.
func within(w social.Window, all []found) (out []found) {
	at, there := slices.BinarySearchFunc(all, w.From(), func(f found, key int64) int { return cmp.Compare(key, f.order) })
	if w.Rising {
		out = slices.Clone(all[:at])
		slices.Reverse(out)
	} else {
		if there {
			at++
		}
		out = all[at:]
	}
	return out[:min(len(out), w.Limit)]
}

// Active gives one page of the people who have written posts for everybody, who wrote last first.
func (s *Service) Active(ctx context.Context, q storage.Querier, viewer social.ID,
	p social.PageQuery) (social.List[social.ID], error) {
	list, err := social.PageOf(s.pages, social.PageScope{List: "people", Person: viewer}, p, false, foundOrder,
		func(w social.Window) ([]found, error) {
			return storage.All(ctx, q, func(row storage.Row) (f found, err error) {
				return f, row.Scan(&f.id, &f.order)
			}, `SELECT id, active_key FROM users WHERE `+findable+` AND posts_count > 0`+w.Clause("active_key", 1), w.From(),
				w.Limit)
		})
	return idsOf(list), social.Wrap(err, "users: active people")
}

func idsOf(list social.List[found]) social.List[social.ID] {
	ids := make([]social.ID, len(list.Items))
	for i, f := range list.Items {
		ids[i] = f.id
	}
	return social.List[social.ID]{Items: ids, Next: list.Next, Prev: list.Prev}
}

// wrote counts a top-level post for everybody, the newest of its author.
func wrote(ctx context.Context, tx storage.Tx, p event.PostInfo) error {
	if !counts(p) {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE users SET posts_count = posts_count + 1, active_key = $1
		WHERE id = $2 AND deleted_at IS NULL`, p.Key, p.Author.ID)
	return err
}

// wasActive notes the newest post of somebody who wrote before such a thing was noted.
func wasActive(ctx context.Context, tx storage.Tx, f event.AuthorActive) error {
	_, err := tx.Exec(ctx, `UPDATE users SET active_key = $1 WHERE id = $2 AND deleted_at IS NULL AND active_key < $1`,
		f.Key, f.Author)
	return err
}

// Jobs are the background work of the module.
func (s *Service) Jobs() []social.Job {
	return append(s.Service.Jobs(),
		social.Job{Name: "users: fold names", Every: foldEvery, Run: s.foldNames, AtStart: true})
}

// foldNames makes one page of found_name for accounts that are older than it.
func (s *Service) foldNames(ctx context.Context) (more bool, err error) {
	const next = `SELECT id, display_name FROM users WHERE deleted_at IS NULL AND found_name IS NULL ORDER BY key LIMIT $1`
	page := func(q storage.Querier) ([]social.UserRef, error) {
		return storage.All(ctx, q, func(row storage.Row) (r social.UserRef, err error) {
			return r, row.Scan(&r.ID, &r.DisplayName)
		}, next, foldPage)
	}
	err = s.db.Read(ctx, func(q storage.Querier) error { // mostly there is nobody, and the writer is left alone
		list, err := page(q)
		more = len(list) > 0
		return err
	})
	if err != nil || !more {
		return false, social.Wrap(err, "users: fold names")
	}
	err = s.db.InTx(ctx, func(tx storage.Tx) error {
		list, err := page(tx)
		if err != nil {
			return err
		}
		for _, r := range list {
			if _, err := tx.Exec(ctx, `UPDATE users SET found_name = $1 WHERE id = $2`, foundForm(r.DisplayName),
				r.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return true, social.Wrap(err, "users: fold names")
}
