package notifications

import (
	"context"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions notifications asks. New fills in event.Absent; app/bindings.go sets them before
// start.
type Ports struct {
	Users   Users
	Posts   Posts
	Follows Follows
	Log     Log
}

// Users names people. Absent: nobody is known: rows name nobody, and nothing can be pushed.
type Users interface {
	// Refs gives the names of people; deleted ones are absent.
	Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error)
	// RefsByName is Refs by username, in lower case.
	RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]social.UserRef, error)
}

// Posts tells what notifications are about. Absent: there are no posts: rows about them have no object, and no
// item is derived.
type Posts interface {
	// Info gives posts and comments; deleted ones are absent.
	Info(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]event.PostInfo, error)
	// InfoFor is Info for a reader: what they may not see now is absent too, and ByFollow tells what a follow lets them.
	InfoFor(ctx context.Context, q storage.Querier, reader social.ID,
		ids []social.ID) (map[social.ID]event.PostInfo, error)
	// RecentBy gives the top-level posts, public or for followers, of the authors of edges, each with a key above
	// its edge's SinceKey, in the window.
	RecentBy(ctx context.Context, q storage.Querier, reader social.ID, edges []social.FollowEdge,
		w social.Window) ([]event.PostInfo, error)
}

// Follows tells who follows whom. Absent: nobody follows anybody, so no item is derived, and posts for followers are
// seen by those they name only.
type Follows interface {
	// Following gives everybody a person follows.
	Following(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error)
	IsFollowing(ctx context.Context, q storage.Querier, follower, followed social.ID) (bool, error)
}

// Log tells its newest position, zero while it is not open. Absent: answers carry no Belfry-Cursor.
type Log interface{ Head() social.Cursor }
