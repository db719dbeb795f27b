package follows

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules"
)

type followInput struct {
	ID   string `path:"id"`
	Body *struct {
		Notify  *bool `json:"notify,omitempty" doc:"The bell: tell me of new posts. Left out: on for a new follow, unchanged otherwise."`
		Reposts *bool `json:"reposts,omitempty" doc:"Show what this person reposts. Left out: as above."`
	}
}

type personInput struct {
	ID string `path:"id"`
}

type listInput struct {
	ID string `path:"id"`
	modules.PageQuery
}

type relationOutput struct{ Body modules.Relationship }

type usersOutput struct{ Body modules.List[modules.User] }

// Routes adds the operations of follows.
func (s *Service) Routes(api huma.API) {
	write := map[string]any{modules.MetaAuth: modules.AuthScope(modules.ScopeWriteFollows)}
	list := map[string]any{modules.MetaAuth: modules.AuthOptional, modules.MetaETag: "weak"}
	tags := []string{"follows"}
	huma.Register(api, huma.Operation{OperationID: "follow", Method: http.MethodPut, Path: "/v1/users/{id}/follow", Tags: tags,
		Summary: "Follow a person, or change the bell", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}}, s.putFollow)
	huma.Register(api, huma.Operation{OperationID: "unfollow", Method: http.MethodDelete, Path: "/v1/users/{id}/follow", Tags: tags,
		Summary: "Follow a person no more", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity}}, s.deleteFollow)
	huma.Register(api, huma.Operation{OperationID: "list-followers", Method: http.MethodGet, Path: "/v1/users/{id}/followers", Tags: tags,
		Summary: "Who follows a person", DefaultStatus: http.StatusOK, Metadata: list,
		Errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity}}, s.getList(false))
	huma.Register(api, huma.Operation{OperationID: "list-following", Method: http.MethodGet, Path: "/v1/users/{id}/following", Tags: tags,
		Summary: "Whom a person follows", DefaultStatus: http.StatusOK, Metadata: list,
		Errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity}}, s.getList(true))
}

func (s *Service) putFollow(ctx context.Context, in *followInput) (*relationOutput, error) {
	id, err := modules.ParseID(in.ID)
	if err != nil {
		return nil, modules.NotFound()
	}
	var w Wishes
	if in.Body != nil {
		w = Wishes{Bell: in.Body.Notify, Reposts: in.Body.Reposts}
	}
	r, err := s.Follow(ctx, modules.ActorFrom(ctx), id, w)
	if err != nil {
		return nil, err
	}
	return &relationOutput{Body: r}, nil
}

func (s *Service) deleteFollow(ctx context.Context, in *personInput) (*relationOutput, error) {
	id, err := modules.ParseID(in.ID)
	if err != nil {
		return nil, modules.NotFound()
	}
	r, err := s.Unfollow(ctx, modules.ActorFrom(ctx), id)
	if err != nil {
		return nil, err
	}
	return &relationOutput{Body: r}, nil
}

func (s *Service) getList(following bool) func(context.Context, *listInput) (*usersOutput, error) {
	return func(ctx context.Context, in *listInput) (*usersOutput, error) {
		id, err := modules.ParseID(in.ID)
		if err != nil {
			return nil, modules.NotFound()
		}
		list, err := s.Page(ctx, modules.ActorFrom(ctx).UserID, id, following, in.PageQuery)
		if err != nil {
			return nil, err
		}
		return &usersOutput{Body: list}, nil
	}
}
