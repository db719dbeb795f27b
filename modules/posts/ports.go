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
	// RefsByName gives people by their lower-case names; unknown ones are absent.
	RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]modules.UserRef, error)
	// Views gives people as viewer sees them, in the order asked; unknown ones are left out.
	Views(ctx context.Context, q storage.Querier, viewer modules.ID, ids []modules.ID) ([]modules.User, error)
}

// Follows tells who follows whom. Absent: nobody follows anybody, so a timeline holds one's own posts.
type Follows interface {
	Following(ctx context.Context, q storage.Querier, follower modules.ID) ([]modules.FollowEdge, error)
	IsFollowing(ctx context.Context, q storage.Querier, follower, followed modules.ID) (bool, error)
}

// History tells how far the log is. Absent: answers carry no Belfry-Cursor.
type History interface {
	Head() modules.Cursor
}

type noUsers struct{}

func (noUsers) Refs(context.Context, storage.Querier, []modules.ID) (map[modules.ID]modules.UserRef, error) {
	return nil, nil
}

func (noUsers) RefsByName(context.Context, storage.Querier, []string) (map[string]modules.UserRef, error) {
	return nil, nil
}

func (noUsers) Views(context.Context, storage.Querier, modules.ID, []modules.ID) ([]modules.User, error) {
	return nil, nil
}

type noFollows struct{}

func (noFollows) Following(context.Context, storage.Querier, modules.ID) ([]modules.FollowEdge, error) {
	return nil, nil
}

func (noFollows) IsFollowing(context.Context, storage.Querier, modules.ID, modules.ID) (bool, error) {
	return false, nil
}

type noHistory struct{}

func (noHistory) Head() modules.Cursor { return modules.Cursor{} }
