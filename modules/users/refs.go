package users

import (
	"context"
	"fmt"
	"slices"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// maxIn bounds the list of one question to the store.
const maxIn = 256

// maxNames bounds the names in memory, to about 10 MB.
const maxNames = 1 << 16

// name is a person's reference as it was in snapshots with this mark.
type name struct {
	social.UserRef
	mark int64
}

// Refs names people, in the caller's snapshot. Unknown and deleted people are absent; no ids give an empty map. A name
// in memory holds in every snapshot that has the mark it was read under, whatever process wrote it. For the others one
// query is asked, for up to 256. A transaction asks for all: it names few, and memory must not learn from it.
func (s *Service) Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	refs := make(map[social.ID]social.UserRef, len(ids))
	missing, learn := ids, func(social.UserRef) {}
	if len(ids) > 0 && !storage.Provisional(q) {
		var mark int64
		if err := q.QueryRow(ctx, `SELECT names_changed FROM user_marks WHERE id = 1`).Scan(&mark); err != nil {
			return nil, fmt.Errorf("users: mark of names: %w", err)
		}
		missing, learn = nil, func(r social.UserRef) { s.names.Put(r.ID, &name{r, mark}) }
		for i, known := range s.names.GetAll(len(ids), func(i int) social.ID { return ids[i] }) {
			if known != nil && known.mark == mark {
				refs[ids[i]] = known.UserRef
			} else {
				missing = append(missing, ids[i])
			}
		}
	}
	err := in(ctx, q, missing, s.refScanner(),
		`SELECT id, username, display_name, avatar FROM users WHERE deleted_at IS NULL AND id IN `,
		func(r social.UserRef) {
			refs[r.ID] = r
			learn(r)
		})
	return refs, social.Wrap(err, "users: refs of %d people", len(ids))
}

// changeNames moves the mark of names. Every transaction that changes what Refs shows calls it.
func changeNames(ctx context.Context, tx storage.Tx) error {
	key, err := tx.NextKey(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE user_marks SET names_changed = $1 WHERE id = 1`, key)
	}
	return err
}

// RefsByName names people by username, in any case. The answer's keys are the names as they were given. What is
// no username, and names nobody has, are absent.
func (s *Service) RefsByName(ctx context.Context, q storage.Querier,
	names []string) (map[string]social.UserRef, error) {
	given := make(map[string][]string, len(names)) // by the form that is kept
	var folded []string
	for _, name := range names {
		if f, ok := FoldName(name); ok {
			given[f] = append(given[f], name)
			folded = append(folded, f)
		}
	}
	refs := make(map[string]social.UserRef, len(folded))
	err := in(ctx, q, folded, s.refScanner(), `SELECT id, username, display_name, avatar FROM users
		WHERE deleted_at IS NULL
		AND username IN `, func(r social.UserRef) {
		for _, name := range given[r.Username] {
			refs[name] = r
		}
	})
	return refs, social.Wrap(err, "users: refs of %d names", len(names))
}

// Profiles gives people as everybody may see them, without Viewer, in the order asked; unknown and deleted people are
// left out.
func (s *Service) Profiles(ctx context.Context, q storage.Querier, ids []social.ID) ([]social.User, error) {
	found := make(map[social.ID]social.User, len(ids))
	err := in(ctx, q, ids, s.scanUser, `SELECT `+viewColumns+` FROM users WHERE deleted_at IS NULL AND id IN `,
		func(u social.User) { found[u.ID] = u })
	list := make([]social.User, 0, len(found))
	for _, id := range ids {
		if u, ok := found[id]; ok {
			list = append(list, u)
		}
	}
	return list, social.Wrap(err, "users: profiles of %d people", len(ids))
}

// in runs a query that ends in IN for all values and gives what scan makes of the rows to take, in no order.
func in[V, T any](ctx context.Context, q storage.Querier, values []V, scan func(storage.Row) (T, error), query string,
	take func(T)) error {
	for part := range slices.Chunk(values, maxIn) {
		list, args := storage.In(nil, part)
		err := storage.Each(ctx, q, func(row storage.Row) error {
			v, err := scan(row)
			if err == nil {
				take(v)
			}
			return err
		}, query+list, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// refScanner scans one row after the other into the same place: every list names people.
func (s *Service) refScanner() func(storage.Row) (social.UserRef, error) {
	var r social.UserRef
	into := []any{&r.ID, &r.Username, &r.DisplayName, &r.AvatarURL}
	return func(row storage.Row) (social.UserRef, error) {
		err := row.Scan(into...)
		r.AvatarURL = s.site.ShownFile(r.AvatarURL)
		return r, err
	}
}
