package posts

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions posts asks. New fills in event.Absent; app/bindings.go sets them before start.
type Ports struct {
	Users   Users
	People  People
	Follows Follows
	Log     Log
	Limits  Limits
	Media   Media
}

// Users tells who is there. Absent: nobody is, so nothing can be posted and every name stays text.
type Users interface {
	// Refs gives the names of people; deleted ones are absent.
	Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error)
	// RefsByName gives people by their lower-case names; unknown ones are absent.
	RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]social.UserRef, error)
}

// People shows people to a viewer. Absent: lists of people are empty.
type People interface {
	// Views gives people as viewer sees them, in the order asked; unknown ones are left out.
	Views(ctx context.Context, q storage.Querier, viewer social.ID, ids []social.ID) ([]social.User, error)
}

// Follows tells who follows whom. Absent: nobody follows anybody, so a timeline holds one's own posts.
type Follows interface {
	IsFollowing(ctx context.Context, q storage.Querier, follower, followed social.ID) (bool, error)
	// Following tells whom a person follows. The answer is shared and must not be changed.
	Following(ctx context.Context, q storage.Querier, follower social.ID) ([]social.FollowEdge, error)
}

// Log tells how far the event log is. Absent, and before it is open: answers carry no Belfry-Cursor.
type Log interface {
	Head() social.Cursor
}

// Limits bounds what one person does. Absent: nothing is limited.
type Limits interface {
	// Spend takes so many of a key's budget, or gives the fault rate_limited and takes none.
	Spend(b social.Budget, key string, cost int) error
}

// Media has the pictures that people sent. Absent: there are none, so none can be attached.
type Media interface {
	// Take makes pictures of owner part of a post and gives them as the row keeps them (social.Site.ShownMedia); those it
	// has already stay. The fault validation_failed, at /media_ids/<n>: not_found, not_ready; at /media_ids: too_long.
	Take(ctx context.Context, tx storage.Tx, owner social.ID, ids []social.ID, post social.ID) ([]social.Media, error)
	// Drop ends pictures of a post that it has no more.
	Drop(ctx context.Context, tx storage.Tx, post social.ID, ids []social.ID) error
}
