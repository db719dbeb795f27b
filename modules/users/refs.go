package users

import (
	"context"
	"fmt"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

var (
	refsByID   = newInList(`SELECT id, username, display_name FROM users WHERE id IN`, `AND deleted_at IS NULL`)
	refsByName = newInList(`SELECT id, username, display_name FROM users WHERE username IN`, `AND deleted_at IS NULL`)
	viewsByID  = newInList(`SELECT `+viewColumns+` FROM users WHERE id IN`, `AND deleted_at IS NULL`)
)

// Refs names people. Every list and every event asks it, inside a transaction or with a reader, so most answers come
// from memory, and the others are one statement for up to 128 people. Unknown and deleted people are absent; no ids
// give an empty map.
func (s *Service) Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error) {
	refs := make(map[social.ID]social.UserRef, len(ids))
	others := s.names.fill(refs, ids)
	if len(others) == 0 {
		return refs, nil
	}
	if err := readRefs(ctx, q, refs, others); err != nil {
		return nil, fmt.Errorf("users: refs of %d people: %w", len(others), err)
	}
	return refs, nil
}

// KnownRefs is Refs from memory: false if one of ids is not known there. What it says is true now. Timelines ask it
// before they ask the store. Who is not known is known a moment later.
func (s *Service) KnownRefs(ids []social.ID) (map[social.ID]social.UserRef, bool) {
	refs := make(map[social.ID]social.UserRef, len(ids))
	return refs, len(s.names.fill(refs, ids)) == 0
}

// readRefs adds the names of people to refs.
func readRefs(ctx context.Context, q storage.Querier, refs map[social.ID]social.UserRef, ids []social.ID) error {
	return refsByID.each(ctx, q, idArgs(ids), func(rows storage.Rows) error {
		var r social.UserRef
		if err := rows.Scan(&r.ID, &r.Username, &r.DisplayName); err != nil {
			return err
		}
		refs[r.ID] = r
		return nil
	})
}

// RefsByName names people by username, in any case. The answer's keys are the names as they were given. What is
// no username, and names nobody has, are absent.
func (s *Service) RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]social.UserRef, error) {
	found := make(map[string]social.UserRef, len(names))
	args := make([]any, 0, len(names))
	for _, name := range names {
		if folded, ok := FoldName(name); ok {
			args = append(args, folded)
		}
	}
	err := refsByName.each(ctx, q, args, func(rows storage.Rows) error {
		var r social.UserRef
		if err := rows.Scan(&r.ID, &r.Username, &r.DisplayName); err != nil {
			return err
		}
		found[r.Username] = r
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("users: refs of %d names: %w", len(names), err)
	}
	refs := make(map[string]social.UserRef, len(found))
	for _, name := range names {
		if folded, ok := FoldName(name); ok {
			if r, ok := found[folded]; ok {
				refs[name] = r
			}
		}
	}
	return refs, nil
}

// Views gives people as viewer sees them, in the order asked; unknown and deleted people are left out. A zero
// viewer is anonymous: no relations are asked for then, and none is shown to oneself.
func (s *Service) Views(ctx context.Context, q storage.Querier, viewer social.ID, ids []social.ID) ([]social.User, error) {
	found := make(map[social.ID]social.User, len(ids))
	err := viewsByID.each(ctx, q, idArgs(ids), func(rows storage.Rows) error {
		u, err := s.scanUser(rows)
		found[u.ID] = u
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("users: views of %d people: %w", len(ids), err)
	}
	list := make([]social.User, 0, len(found))
	others := make([]social.ID, 0, len(found))
	for _, id := range ids {
		if u, ok := found[id]; ok {
			list = append(list, u)
			if id != viewer {
				others = append(others, id)
			}
		}
	}
	if viewer.IsZero() || len(others) == 0 {
		return list, nil
	}
	relations, err := s.Ports.Follows.Relations(ctx, q, viewer, others)
	if err != nil {
		return nil, fmt.Errorf("users: relations of %s: %w", viewer, err)
	}
	for i := range list {
		if list[i].ID != viewer {
			r := relationTo(relations, list[i].ID)
			list[i].Viewer = &r
		}
	}
	return list, nil
}

// MaxRelationships bounds one question of Relationships.
const MaxRelationships = 100

// Relationships tells how the person stands to others, in the order asked. Unknown people and oneself are left out.
func (s *Service) Relationships(ctx context.Context, viewer social.ID, ids []social.ID) ([]social.Relationship, error) {
	list := make([]social.Relationship, 0, len(ids))
	err := s.db.Read(ctx, func(q storage.Querier) error {
		refs, err := s.Refs(ctx, q, ids)
		if err != nil {
			return err
		}
		relations, err := s.Ports.Follows.Relations(ctx, q, viewer, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, ok := refs[id]; ok && id != viewer {
				list = append(list, relationTo(relations, id))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("users: relationships of %s: %w", viewer, err)
	}
	return list, nil
}

// relationTo is the relation to id, also when there is none.
func relationTo(relations map[social.ID]social.Relationship, id social.ID) social.Relationship {
	if r, ok := relations[id]; ok {
		return r
	}
	return social.Relationship{UserID: id, Follow: social.FollowNone}
}

func idArgs(ids []social.ID) []any {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}
