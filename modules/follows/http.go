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

type relationOutput struct{ Body social.Relationship }

func (s *Service) Routes(api huma.API) {
	write := map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWriteFollows),
		social.MetaEvents: map[string]any{social.EventFollowChanged: social.Relationship{}}}
	tags := []string{"follows"}
	huma.Register(api, huma.Operation{OperationID: "follow", Method: http.MethodPut, Path: "/v1/users/{id}/follow",
		Tags: tags, Summary: "Follow a person, or change the bell", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}}, s.putFollow)
	huma.Register(api, huma.Operation{OperationID: "unfollow", Method: http.MethodDelete, Path: "/v1/users/{id}/follow",
		Tags: tags, Summary: "Follow a person no more", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity}}, s.deleteFollow)
}

func (s *Service) putFollow(ctx context.Context, in *followInput) (*relationOutput, error) {
	id := social.PathID(in.ID)
	var w Wishes
	if in.Body != nil {
		w = Wishes{Bell: in.Body.Notify, Reposts: in.Body.Reposts}
	}
	r, err := s.Follow(ctx, social.ActorFrom(ctx), id, w)
	return &relationOutput{Body: r}, err
}

func (s *Service) deleteFollow(ctx context.Context, in *personInput) (*relationOutput, error) {
	id := social.PathID(in.ID)
	r, err := s.Unfollow(ctx, social.ActorFrom(ctx), id)
	return &relationOutput{Body: r}, err
}
