package event

import (
	"context"
	"encoding/json"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Absent answers the questions of every port to a module that was left out: there is nobody and nothing.
type Absent struct{}

type (
	ids   = []social.ID
	refs  = map[social.ID]social.UserRef
	edges = map[social.ID]social.FollowEdge
)

func (Absent) Refs(context.Context, storage.Querier, ids) (refs, error) { return nil, nil }

func (Absent) RefsByName(context.Context, storage.Querier, []string) (map[string]social.UserRef, error) {
	return nil, nil
}

func (Absent) Profiles(context.Context, storage.Querier, ids) (list []social.User, err error) {
	return list, err
}

func (Absent) Views(context.Context, storage.Querier, social.ID, ids) (list []social.User, err error) {
	return list, err
}

func (Absent) Search(context.Context, storage.Querier, social.ID, string,
	social.PageQuery) (list social.List[social.ID], err error) {
	return list, err
}

func (Absent) Active(context.Context, storage.Querier, social.ID,
	social.PageQuery) (list social.List[social.ID], err error) {
	return list, err
}

func (Absent) Relations(context.Context, storage.Querier, social.ID, ids) (map[social.ID]social.Relationship, error) {
	return nil, nil
}

func (Absent) Page(context.Context, storage.Querier, social.ID, social.ID, bool,
	social.PageQuery) (list social.List[social.ID], err error) {
	return list, err
}

func (Absent) Following(context.Context, storage.Querier, social.ID) ([]social.FollowEdge, error) {
	return nil, nil
}

func (Absent) IsFollowing(context.Context, storage.Querier, social.ID, social.ID) (bool, error) {
	return false, nil
}

func (Absent) Ended(context.Context, storage.Querier, social.ID) ([]social.FollowEdge, error) {
	return nil, nil
}

func (Absent) Edge(context.Context, storage.Querier, social.ID, social.ID) (e social.FollowEdge, ok bool, err error) {
	return e, false, nil
}

func (Absent) BellFollowers(context.Context, storage.Querier, social.ID, ids) (edges, error) {
	return nil, nil
}

func (Absent) Info(context.Context, storage.Querier, ids) (map[social.ID]PostInfo, error) {
	return nil, nil
}

func (Absent) InfoFor(context.Context, storage.Querier, social.ID, ids) (map[social.ID]PostInfo, error) {
	return nil, nil
}

func (Absent) RecentBy(context.Context, storage.Querier, social.ID, []social.FollowEdge,
	social.Window) ([]PostInfo, error) {
	return nil, nil
}

func (Absent) System(context.Context, storage.Tx, social.ID, string, string, json.RawMessage) error {
	return nil
}

func (Absent) Withdrawn(context.Context, storage.Querier, social.ID) (bool, error) { return false, nil }

func (Absent) Head() social.Cursor { return social.Cursor{} }

func (Absent) Take(_ context.Context, _ storage.Tx, _ social.ID, list ids, _ social.ID) ([]social.Media, error) {
	if len(list) == 0 {
		return nil, nil
	}
	return nil, social.Invalid(social.BodyField("/media_ids", social.FieldNotAllowed,
		"Pictures are not supported on this server."))
}

func (Absent) Drop(context.Context, storage.Tx, social.ID, ids) error { return nil }

func (Absent) Wear(_ context.Context, _ storage.Tx, _, id social.ID) (string, error) {
	if id.IsZero() {
		return "", nil
	}
	return "", social.Invalid(social.BodyField("/avatar_media_id", social.FieldNotAllowed,
		"Pictures are not supported on this server."))
}
