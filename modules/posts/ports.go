package posts

import (
	"context"

	"github.com/belfry-social/belfry/modules"
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
	Refs(ctx context.Context, q storage.Querier, ids []modules.ID) (map[modules.ID]modules.UserRef, error)
	// KnownRefs is Refs from memory, where everybody of ids is known: what it says is true now. false = ask Refs.
	KnownRefs(ids []modules.ID) (map[modules.ID]modules.UserRef, bool)
	// RefsByName gives people by their lower-case names; unknown ones are absent.
	RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]modules.UserRef, error)
	// Views gives people as viewer sees them, in the order asked; unknown ones are left out.
	Views(ctx context.Context, q storage.Querier, viewer modules.ID, ids []modules.ID) ([]modules.User, error)
}

// Follows tells who follows whom. Absent: nobody follows anybody, so a timeline holds one's own posts.
type Follows interface {
	IsFollowing(ctx context.Context, q storage.Querier, follower, followed modules.ID) (bool, error)
	// Turn moves with every change of a follow, before it can be seen by anybody, and when it is durable.
	Turn() uint64
	// FollowingAt is FollowingSince from memory: what was true when the turn was taken; false if that is not known.
	FollowingAt(follower modules.ID, turn uint64) ([]modules.FollowEdge, bool)
	// FollowingSince tells whom a person follows, in a snapshot that began after the turn was taken; memory learns it.
	FollowingSince(ctx context.Context, q storage.Querier, follower modules.ID, turn uint64) ([]modules.FollowEdge, error)
}

// History tells how far the log is. Absent: answers carry no Belfry-Cursor.
type History interface {
	Head() modules.Cursor
}

type noUsers struct{}

func (noUsers) Refs(context.Context, storage.Querier, []modules.ID) (map[modules.ID]modules.UserRef, error) {
	return nil, nil
}

func (noUsers) KnownRefs([]modules.ID) (map[modules.ID]modules.UserRef, bool) { return nil, false }

func (noUsers) RefsByName(context.Context, storage.Querier, []string) (map[string]modules.UserRef, error) {
	return nil, nil
}

func (noUsers) Views(context.Context, storage.Querier, modules.ID, []modules.ID) ([]modules.User, error) {
	return nil, nil
}

type noFollows struct{}

func (noFollows) IsFollowing(context.Context, storage.Querier, modules.ID, modules.ID) (bool, error) {
	return false, nil
}

func (noFollows) Turn() uint64 { return 0 }

func (noFollows) FollowingAt(modules.ID, uint64) ([]modules.FollowEdge, bool) { return nil, true }

func (noFollows) FollowingSince(context.Context, storage.Querier, modules.ID, uint64) ([]modules.FollowEdge, error) {
	return nil, nil
}

type noHistory struct{}

func (noHistory) Head() modules.Cursor { return modules.Cursor{} }
