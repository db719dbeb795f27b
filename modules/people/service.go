package people

import (
	"context"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// MaxRelationships bounds one question of Relationships.
const MaxRelationships = 100

// Service is the module. All methods may be called from many goroutines, Ports is set before the first call.
type Service struct {
	Ports Ports
	db    storage.DB
}

// New makes a Service whose ports answer as if the other modules were left out.
func New(db storage.DB) *Service {
	return &Service{Ports: Ports{Users: event.Absent{}, Follows: event.Absent{}}, db: db}
}

// Views gives people as viewer sees them, in the order asked; unknown and deleted people are left out. A zero
// viewer is anonymous: no relations are asked for then, and none is shown to oneself.
func (s *Service) Views(ctx context.Context, q storage.Querier, viewer social.ID,
	ids []social.ID) ([]social.User, error) {
	list, err := s.Ports.Users.Profiles(ctx, q, ids)
	if err != nil || viewer.IsZero() {
		return list, err
	}
	others := make([]social.ID, 0, len(list))
	for _, u := range list {
		if u.ID != viewer {
			others = append(others, u.ID)
		}
	}
	if len(others) == 0 {
		return list, nil
	}
	relations, err := s.Ports.Follows.Relations(ctx, q, viewer, others)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID != viewer {
			r := relationTo(relations, list[i].ID)
			list[i].Viewer = &r
		}
	}
	return list, nil
}

// User gives the account with this id as viewer sees it. NotFound when there is none, or none any more.
func (s *Service) User(ctx context.Context, viewer, id social.ID) (social.User, error) {
	return s.one(ctx, viewer, func(storage.Querier) (social.ID, error) { return id, nil })
}

// UserByName is User for a username in any case.
func (s *Service) UserByName(ctx context.Context, viewer social.ID, username string) (social.User, error) {
	return s.one(ctx, viewer, func(q storage.Querier) (social.ID, error) {
		refs, err := s.Ports.Users.RefsByName(ctx, q, []string{username})
		return refs[username].ID, err
	})
}

func (s *Service) one(ctx context.Context, viewer social.ID,
	find func(storage.Querier) (social.ID, error)) (u social.User, err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		id, err := find(q)
		if err != nil {
			return err
		}
		list, err := s.Views(ctx, q, viewer, []social.ID{id})
		if err == nil && len(list) == 0 {
			return social.NotFound()
		}
		if err == nil {
			u = list[0]
		}
		return err
	})
	return u, err
}

// Follows gives one page of whom a person follows, or of who follows them, newest follow first, as viewer sees them.
// NotFound for a person who is not there.
func (s *Service) Follows(ctx context.Context, viewer, person social.ID, following bool,
	p social.PageQuery) (out social.List[social.User], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		there, err := s.Ports.Users.Refs(ctx, q, []social.ID{person})
		if err != nil {
			return err
		}
		if _, ok := there[person]; !ok {
			return social.NotFound()
		}
		ids, err := s.Ports.Follows.Page(ctx, q, viewer, person, following, p)
		if err != nil {
			return err
		}
		out, err = s.views(ctx, q, viewer, ids)
		return err
	})
	return out, social.Wrap(err, "people: follows of %s", person)
}

// views is a page of people as viewer sees them.
func (s *Service) views(ctx context.Context, q storage.Querier, viewer social.ID,
	ids social.List[social.ID]) (social.List[social.User], error) {
	items, err := s.Views(ctx, q, viewer, ids.Items)
	if items == nil {
		items = []social.User{}
	}
	return social.List[social.User]{Items: items, Next: ids.Next, Prev: ids.Prev}, err
}

// Search gives one page of the people whose username or display name begins with a text, in any case. Faults:
// validation_failed for a text that shows nothing.
func (s *Service) Search(ctx context.Context, viewer social.ID, text string,
	p social.PageQuery) (out social.List[social.User], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		ids, err := s.Ports.Users.Search(ctx, q, viewer, text, p)
		if err == nil {
			out, err = s.views(ctx, q, viewer, ids)
		}
		return err
	})
	return out, social.Wrap(err, "people: search")
}

// Directory gives one page of the people who have written posts for everybody, who wrote last first. Suspended people
// are not in it.
func (s *Service) Directory(ctx context.Context, viewer social.ID,
	p social.PageQuery) (out social.List[social.User], err error) {
	err = s.db.Read(ctx, func(q storage.Querier) error {
		ids, err := s.Ports.Users.Active(ctx, q, viewer, p)
		if err == nil {
			out, err = s.views(ctx, q, viewer, ids)
		}
		return err
	})
	return out, social.Wrap(err, "people: directory")
}

// Relationships tells how the person stands to others, in the order asked. Unknown people and oneself are left out.
func (s *Service) Relationships(ctx context.Context, viewer social.ID, ids []social.ID) ([]social.Relationship, error) {
	list := make([]social.Relationship, 0, len(ids))
	err := s.db.Read(ctx, func(q storage.Querier) error {
		refs, err := s.Ports.Users.Refs(ctx, q, ids)
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
	return list, social.Wrap(err, "people: relationships of %s", viewer)
}

// relationTo is the relation to id, also when there is none.
func relationTo(relations map[social.ID]social.Relationship, id social.ID) social.Relationship {
	if r, ok := relations[id]; ok {
		return r
	}
	return social.Relationship{UserID: id, Follow: social.FollowNone}
}
