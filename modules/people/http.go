package people

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
)

func (s *Service) Routes(api huma.API) {
	add(api, s.getUser, "users", "get-user", "/v1/users/{id}", "A user.", social.AuthOptional, "strong", 404)
	add(api, s.getUserByName, "users", "get-user-by-name", "/v1/users/by-name/{username}", "A user by name, in any case.",
		social.AuthOptional, "strong", 404)
	add(api, s.getRelationships, "users", "list-relationships", "/v1/relationships", "How the person stands to others.",
		social.AuthScope(social.ScopeRead), "", 401, 403, 422)
	add(api, s.getDirectory, "users", "list-users", "/v1/users",
		"People who have written posts for everybody, who wrote last first.", social.AuthOptional, "weak", 400, 422)
	add(api, s.search, "users", "search", "/v1/search", "People whose username or display name begins with a text.",
		social.AuthOptional, "weak", 400, 422)
	add(api, s.getFollows(false), "follows", "list-followers", "/v1/users/{id}/followers", "Who follows a person",
		social.AuthOptional, "weak", 400, 404, 422)
	add(api, s.getFollows(true), "follows", "list-following", "/v1/users/{id}/following", "Whom a person follows",
		social.AuthOptional, "weak", 400, 404, 422)
}

func add[I, O any](api huma.API, handler func(context.Context, *I) (*O, error), tag, id, path, summary string,
	who social.Auth, etag string, errors ...int) {
	meta := map[string]any{social.MetaAuth: who}
	if etag != "" {
		meta[social.MetaETag] = etag
	}
	if id == "search" {
		meta[social.MetaLimit] = social.BudgetSearch
	}
	huma.Register(api, huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
		Tags: []string{tag}, DefaultStatus: http.StatusOK, Errors: errors, Metadata: meta}, handler)
}

type userOutput = social.Answer[social.User]

func (s *Service) getUser(ctx context.Context, in *social.IDPath) (*userOutput, error) {
	return social.Answered(s.User(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID)))
}

type nameInput struct {
	Username string `path:"username"`
}

func (s *Service) getUserByName(ctx context.Context, in *nameInput) (*userOutput, error) {
	return social.Answered(s.UserByName(ctx, social.ActorFrom(ctx).UserID, in.Username))
}

type listInput struct {
	ID string `path:"id"`
	social.PageQuery
}

type usersOutput = social.Answer[social.List[social.User]]

func (s *Service) getFollows(following bool) func(context.Context, *listInput) (*usersOutput, error) {
	return func(ctx context.Context, in *listInput) (*usersOutput, error) {
		person := social.PathID(in.ID)
		return social.Answered(s.Follows(ctx, social.ActorFrom(ctx).UserID, person, following, in.PageQuery))
	}
}

func (s *Service) getDirectory(ctx context.Context, in *social.PageQuery) (*usersOutput, error) {
	return social.Answered(s.Directory(ctx, social.ActorFrom(ctx).UserID, *in))
}

type searchInput struct {
	Text string `query:"q" required:"true" minLength:"1" maxLength:"200" doc:"How a name begins, in any case; with @ or without."`
	Type string `query:"type" required:"true" enum:"users,posts,tags" doc:"users; the others are not offered yet."`
	social.PageQuery
}

func (s *Service) search(ctx context.Context, in *searchInput) (*usersOutput, error) {
	if in.Type != "users" {
		return nil, social.Invalid(social.QueryField("type", social.FieldNotAllowed, "Only users can be searched for yet."))
	}
	return social.Answered(s.Search(ctx, social.ActorFrom(ctx).UserID, in.Text, in.PageQuery))
}

type relationshipsInput struct {
	IDs string `query:"ids" required:"true" doc:"A comma list of 1 to 100 ids."`
}

type relationshipsOutput struct {
	Body struct {
		Items []social.Relationship `json:"items" nullable:"false"`
	}
}

func (s *Service) getRelationships(ctx context.Context, in *relationshipsInput) (*relationshipsOutput, error) {
	parts := strings.Split(in.IDs, ",")
	if len(parts) > MaxRelationships {
		return nil, social.Invalid(social.QueryField("ids", social.FieldTooMany,
			"At most "+strconv.Itoa(MaxRelationships)+" ids."))
	}
	ids := make([]social.ID, len(parts))
	for i, part := range parts {
		var err error
		if ids[i], err = social.ParseID(part); err != nil {
			return nil, social.Invalid(social.QueryField("ids", social.FieldBadFormat, "A comma list of ids."))
		}
	}
	list, err := s.Relationships(ctx, social.ActorFrom(ctx).UserID, ids)
	out := &relationshipsOutput{}
	out.Body.Items = list
	return out, err
}
