package users

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// KnownRefs knows nobody: names are asked of the store.
func (s *Service) KnownRefs([]social.ID) (map[social.ID]social.UserRef, bool) { return nil, false }

// Views gives people as viewer sees them, in the order asked; unknown and deleted people are left out. A zero
// viewer is anonymous: no relations are asked for then, and none is shown to oneself.
func (s *Service) Views(ctx context.Context, q storage.Querier, viewer social.ID, ids []social.ID) ([]social.User, error) {
	list, err := s.Profiles(ctx, q, ids)
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

// User gives the account with this id as viewer sees it. NotFound when there is none, or none any more.
func (s *Service) User(ctx context.Context, viewer, id social.ID) (social.User, error) {
	var list []social.User
	err := s.db.Read(ctx, func(q storage.Querier) (err error) {
		list, err = s.Views(ctx, q, viewer, []social.ID{id})
		return err
	})
	if err == nil && len(list) == 0 {
		err = social.NotFound()
	}
	if err != nil {
		return social.User{}, err
	}
	return list[0], nil
}

// UserByName is User for a username in any case.
func (s *Service) UserByName(ctx context.Context, viewer social.ID, username string) (social.User, error) {
	var list []social.User
	err := s.db.Read(ctx, func(q storage.Querier) error {
		refs, err := s.RefsByName(ctx, q, []string{username})
		if err != nil {
			return err
		}
		list, err = s.Views(ctx, q, viewer, []social.ID{refs[username].ID})
		return err
	})
	if err == nil && len(list) == 0 {
		err = social.NotFound()
	}
	if err != nil {
		return social.User{}, err
	}
	return list[0], nil
}

func (h *handlers) viewRoutes(api huma.API) {
	add(api, h.user, "users", "get-user", "GET", "/v1/users/{id}", "A user.", 200, social.AuthOptional, 404)
	add(api, h.userByName, "users", "get-user-by-name", "GET", "/v1/users/by-name/{username}", "A user by name, in any case.",
		200, social.AuthOptional, 404)
	huma.Register(api, huma.Operation{OperationID: "list-relationships", Method: "GET", Path: "/v1/relationships",
		Summary: "How the person stands to others.", Tags: []string{"users"}, DefaultStatus: 200, Errors: []int{401, 403, 422},
		Metadata: map[string]any{social.MetaAuth: social.AuthScope(social.ScopeRead)}}, h.relationships)
}

type idInput struct {
	ID string `path:"id"`
}

func (in *idInput) id() (social.ID, error) {
	id, err := social.ParseID(in.ID)
	if err != nil {
		return id, social.NotFound()
	}
	return id, nil
}

type userOutput struct{ Body social.User }

// user answers GET /v1/users/{id}.
func (h *handlers) user(ctx context.Context, in *idInput) (*userOutput, error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	u, err := h.users.User(ctx, social.ActorFrom(ctx).UserID, id)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: u}, nil
}

type nameInput struct {
	Username string `path:"username"`
}

// userByName answers GET /v1/users/by-name/{username}.
func (h *handlers) userByName(ctx context.Context, in *nameInput) (*userOutput, error) {
	u, err := h.users.UserByName(ctx, social.ActorFrom(ctx).UserID, in.Username)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: u}, nil
}

type relationshipsInput struct {
	IDs string `query:"ids" required:"true" doc:"A comma list of 1 to 100 ids."`
}

type relationshipsOutput struct {
	Body struct {
		Items []social.Relationship `json:"items" nullable:"false"`
	}
}

// relationships answers GET /v1/relationships.
func (h *handlers) relationships(ctx context.Context, in *relationshipsInput) (*relationshipsOutput, error) {
	parts := strings.Split(in.IDs, ",")
	if len(parts) > MaxRelationships {
		return nil, social.Invalid(social.QueryField("ids", social.FieldTooMany, "At most "+strconv.Itoa(MaxRelationships)+" ids."))
	}
	ids := make([]social.ID, len(parts))
	for i, part := range parts {
		var err error
		if ids[i], err = social.ParseID(part); err != nil {
			return nil, social.Invalid(social.QueryField("ids", social.FieldBadFormat, "A comma list of ids."))
		}
	}
	list, err := h.users.Relationships(ctx, social.ActorFrom(ctx).UserID, ids)
	if err != nil {
		return nil, err
	}
	out := &relationshipsOutput{}
	out.Body.Items = list
	return out, nil
}
