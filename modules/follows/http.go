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

type relationOutput = social.Answer[social.Relationship]

func (s *Service) Routes(api huma.API) {
	write := map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWriteFollows)}
	tags := []string{"follows"}
	huma.Register(api, huma.Operation{OperationID: "follow", Method: http.MethodPut, Path: "/v1/users/{id}/follow",
		Tags: tags, Summary: "Follow a person, or change the bell", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}}, s.putFollow)
	huma.Register(api, huma.Operation{OperationID: "unfollow", Method: http.MethodDelete, Path: "/v1/users/{id}/follow",
		Tags: tags, Summary: "Follow a person no more", DefaultStatus: http.StatusOK, Metadata: write,
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity}}, s.deleteFollow)
}

func (s *Service) putFollow(ctx context.Context, in *followInput) (*relationOutput, error) {
	var w Wishes
	if in.Body != nil {
		w = Wishes{Bell: in.Body.Notify, Reposts: in.Body.Reposts}
	}
	return social.Answered(s.Follow(ctx, social.ActorFrom(ctx), social.PathID(in.ID), w))
}

func (s *Service) deleteFollow(ctx context.Context, in *social.IDPath) (*relationOutput, error) {
	return social.Answered(s.Unfollow(ctx, social.ActorFrom(ctx), social.PathID(in.ID)))
}
