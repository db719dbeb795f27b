package posts

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions posts asks. New fills them with absent answers; app/bindings.go sets them before start.
type Ports struct {
	Users   Users
	Follows Follows
	History History
}

// Users tells who is there. Absent: nobody is, so nothing can be posted and every name stays text.
type Users interface {
	// Refs gives the names of people; deleted ones are absent.
	Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error)
	// KnownRefs is Refs from memory, where everybody of ids is known: what it says is true now. false = ask Refs.
	KnownRefs(ids []social.ID) (map[social.ID]social.UserRef, bool)
	// RefsByName gives people by their lower-case names; unknown ones are absent.
	RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]social.UserRef, error)
	// Views gives people as viewer sees them, in the order asked; unknown ones are left out.
	Views(ctx context.Context, q storage.Querier, viewer social.ID, ids []social.ID) ([]social.User, error)
}

// Follows tells who follows whom. Absent: nobody follows anybody, so a timeline holds one's own posts.
type Follows interface {
	IsFollowing(ctx context.Context, q storage.Querier, follower, followed social.ID) (bool, error)
	// Turn moves with every change of a follow, before it can be seen by anybody, and when it is durable.
	Turn() uint64
	// FollowingAt is FollowingSince from memory: what was true when the turn was taken; false if that is not known.
	FollowingAt(follower social.ID, turn uint64) ([]social.FollowEdge, bool)
	// FollowingSince tells whom a person follows, in a snapshot that began after the turn was taken; memory learns it.
	FollowingSince(ctx context.Context, q storage.Querier, follower social.ID, turn uint64) ([]social.FollowEdge, error)
}

// History tells how far the log is. Absent: answers carry no Belfry-Cursor.
type History interface {
	Head() social.Cursor
}

type noUsers struct{}

func (noUsers) Refs(context.Context, storage.Querier, []social.ID) (map[social.ID]social.UserRef, error) {
	return nil, nil
}

func (noUsers) KnownRefs([]social.ID) (map[social.ID]social.UserRef, bool) { return nil, false }

func (noUsers) RefsByName(context.Context, storage.Querier, []string) (map[string]social.UserRef, error) {
	return nil, nil
}

func (noUsers) Views(context.Context, storage.Querier, social.ID, []social.ID) ([]social.User, error) {
	return nil, nil
}

type noFollows struct{}

func (noFollows) IsFollowing(context.Context, storage.Querier, social.ID, social.ID) (bool, error) {
	return false, nil
}

func (noFollows) Turn() uint64 { return 0 }

func (noFollows) FollowingAt(social.ID, uint64) ([]social.FollowEdge, bool) { return nil, true }

func (noFollows) FollowingSince(context.Context, storage.Querier, social.ID, uint64) ([]social.FollowEdge, error) {
	return nil, nil
}

type noHistory struct{}

func (noHistory) Head() social.Cursor { return social.Cursor{} }
