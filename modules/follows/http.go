package follows

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
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
	social.PageQuery
}

type relationOutput struct{ Body social.Relationship }

type usersOutput struct{ Body social.List[social.User] }

// Routes adds the operations of follows.
func (s *Service) Routes(api huma.API) {
	write := map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWriteFollows)}
	list := map[string]any{social.MetaAuth: social.AuthOptional, social.MetaETag: "weak"}
	tags := []string{"follows"}
	huma.Register(api, huma.Operation{OperationID: "follow", Method: http.MethodPut, Path: "/v1/users/{id}/follow",
		Tags:    tags,
		Summary: "Follow a person, or change the bell", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}}, s.putFollow)
	huma.Register(api, huma.Operation{OperationID: "unfollow", Method: http.MethodDelete, Path: "/v1/users/{id}/follow",
		Tags:    tags,
		Summary: "Follow a person no more", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity}}, s.deleteFollow)
	huma.Register(api, huma.Operation{OperationID: "list-followers", Method: http.MethodGet,
		Path: "/v1/users/{id}/followers", Tags: tags,
		Summary: "Who follows a person", DefaultStatus: http.StatusOK, Metadata: list,
		Errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity}}, s.getList(false))
	huma.Register(api, huma.Operation{OperationID: "list-following", Method: http.MethodGet,
		Path: "/v1/users/{id}/following", Tags: tags,
		Summary: "Whom a person follows", DefaultStatus: http.StatusOK, Metadata: list,
		Errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity}}, s.getList(true))
}

func (s *Service) putFollow(ctx context.Context, in *followInput) (*relationOutput, error) {
	id, err := social.ParseID(in.ID)
	if err != nil {
		return nil, social.NotFound()
	}
	var w Wishes
	if in.Body != nil {
		w = Wishes{Bell: in.Body.Notify, Reposts: in.Body.Reposts}
	}
	r, err := s.Follow(ctx, social.ActorFrom(ctx), id, w)
	if err != nil {
		return nil, err
	}
	return &relationOutput{Body: r}, nil
}

func (s *Service) deleteFollow(ctx context.Context, in *personInput) (*relationOutput, error) {
	id, err := social.ParseID(in.ID)
	if err != nil {
		return nil, social.NotFound()
	}
	r, err := s.Unfollow(ctx, social.ActorFrom(ctx), id)
	if err != nil {
		return nil, err
	}
	return &relationOutput{Body: r}, nil
}

func (s *Service) getList(following bool) func(context.Context, *listInput) (*usersOutput, error) {
	return func(ctx context.Context, in *listInput) (*usersOutput, error) {
		id, err := social.ParseID(in.ID)
		if err != nil {
			return nil, social.NotFound()
		}
		list, err := s.Page(ctx, social.ActorFrom(ctx).UserID, id, following, in.PageQuery)
		if err != nil {
			return nil, err
		}
		return &usersOutput{Body: list}, nil
	}
}
