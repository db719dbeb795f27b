package people

import (
	"context"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Ports are the questions people asks. New fills in event.Absent; the host sets others before start.
type Ports struct {
	Users   Users
	Follows Follows
}

// Users tells who is there. Absent: nobody is.
type Users interface {
	// Profiles gives people without Viewer, in the order asked; unknown and deleted ones are left out.
	Profiles(ctx context.Context, q storage.Querier, ids []social.ID) ([]social.User, error)
	// Refs gives the names of people; unknown and deleted ones are absent.
	Refs(ctx context.Context, q storage.Querier, ids []social.ID) (map[social.ID]social.UserRef, error)
	// RefsByName is Refs by username, in any case; the keys are the names as given.
	RefsByName(ctx context.Context, q storage.Querier, names []string) (map[string]social.UserRef, error)
	// Search gives one page of the people whose username or display name begins with a text, for a viewer.
	Search(ctx context.Context, q storage.Querier, viewer social.ID, text string,
		p social.PageQuery) (social.List[social.ID], error)
	// Active gives one page of those who have written for everybody, who wrote last first, for a viewer.
	Active(ctx context.Context, q storage.Querier, viewer social.ID, p social.PageQuery) (social.List[social.ID], error)
}

// Follows tells how people stand to each other. Absent: nobody follows anybody.
type Follows interface {
	// Relations gives how viewer stands to each of ids, by id. People without an entry have no relation.
	Relations(ctx context.Context, q storage.Querier, viewer social.ID,
		ids []social.ID) (map[social.ID]social.Relationship, error)
	// Page gives one page of whom a person follows, or of who follows them, newest follow first, for a viewer.
	Page(ctx context.Context, q storage.Querier, viewer, person social.ID, following bool,
		p social.PageQuery) (social.List[social.ID], error)
}
