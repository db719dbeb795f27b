package posts

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

type createInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"255"`
	RawBody []byte
	Body    draftBody
}

type draftBody struct {
	Text       string   `json:"text,omitempty" doc:"At most 5000 characters. Needed unless there are pictures."`
	MediaIDs   []string `json:"media_ids,omitempty" doc:"At most 10 pictures of one's own, ready and not used yet."`
	ReplyTo    *string  `json:"reply_to,omitempty" doc:"The post or comment that is answered."`
	Visibility string   `json:"visibility,omitempty" enum:"public,followers,mentioned" doc:"public when left out. Not together with reply_to."`
	Sensitive  bool     `json:"sensitive,omitempty"`
	Warning    *string  `json:"warning,omitempty" doc:"1 to 200 characters."`
	Language   *string  `json:"language,omitempty" doc:"A language tag of BCP 47."`
}

type editInput struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match"`
	Body    struct {
		Text      Change[string]   `json:"text" required:"false" doc:"At most 5000 characters; may be empty where there are pictures."`
		MediaIDs  Change[[]string] `json:"media_ids" required:"false" doc:"All pictures, in their order: those it has, and new ones as in a new post. What is left out is deleted."`
		Sensitive Change[bool]     `json:"sensitive" required:"false"`
		Warning   Change[string]   `json:"warning" required:"false" doc:"1 to 200 characters; null = none."`
		Language  Change[string]   `json:"language" required:"false" doc:"A language tag of BCP 47; null = none."`
	}
}

// Schema is the value's own, or null.
func (Change[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[*T]())
}

type deleteInput struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match"`
}

type pageInput struct {
	ID string `path:"id"`
	social.PageQuery
}

type commentsInput struct {
	ID    string `path:"id"`
	Order string `query:"order" enum:"oldest,newest" default:"oldest"`
	social.PageQuery
}

type authorInput struct {
	ID       string `path:"id"`
	Media    bool   `query:"media" default:"false" doc:"Only posts with media."`
	Comments bool   `query:"comments" default:"false" doc:"Comments too."`
	social.PageQuery
}

type tagInput struct {
	Tag string `path:"tag" doc:"Without the sign; 1 to 64 characters, in any case and width."`
	social.PageQuery
}

type postsOutput = social.Answer[social.List[Post]]

// timelineOutput has the head of the log before the store was read.
type timelineOutput struct {
	BelfryCursor string `header:"Belfry-Cursor"`
	Body         social.List[Post]
}

func (s *Service) Routes(api huma.API) {
	write := map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWritePosts),
		social.MetaEvents: map[string]any{social.EventPostCreated: Content{}, social.EventPostUpdated: Content{},
			social.EventPostDeleted: Tombstone{}}}
	change := maps.Clone(write)
	change[social.MetaETag] = "strong"
	one := map[string]any{social.MetaAuth: social.AuthOptional, social.MetaETag: "strong"}
	list := map[string]any{social.MetaAuth: social.AuthOptional, social.MetaETag: "weak"}
	home := map[string]any{social.MetaAuth: social.AuthScope(social.ScopeRead), social.MetaETag: "weak"}
	op := func(id, method, path, summary string, status int, meta map[string]any, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"posts"},
			DefaultStatus: status, Metadata: meta, Errors: errs}
	}
	const ok, bad, missing, invalid = http.StatusOK, http.StatusBadRequest, http.StatusNotFound,
		http.StatusUnprocessableEntity
	huma.Register(api, op("create-post", http.MethodPost, "/v1/posts", "Write a post or a comment", http.StatusCreated,
		write, invalid), s.create)
	huma.Register(api, op("get-post", http.MethodGet, "/v1/posts/{id}", "One post or comment", ok, one, missing), s.get)
	huma.Register(api, op("edit-post", http.MethodPatch, "/v1/posts/{id}", "Change a post or comment of one's own", ok,
		change, missing, http.StatusPreconditionFailed, invalid), s.edited)
	huma.Register(api, op("delete-post", http.MethodDelete, "/v1/posts/{id}", "Delete a post or comment of one's own",
		http.StatusNoContent, write, missing, http.StatusPreconditionFailed), s.delete)
	huma.Register(api, op("list-comments", http.MethodGet, "/v1/posts/{id}/comments", "Everything below a post, flat",
		ok, list, bad, missing, invalid), s.getComments)
	huma.Register(api, op("like", http.MethodPut, "/v1/posts/{id}/like", "Like a post", ok, write, missing),
		s.setLike(true))
	huma.Register(api, op("unlike", http.MethodDelete, "/v1/posts/{id}/like", "Take a like back", ok, write, missing),
		s.setLike(false))
	huma.Register(api, op("list-likes", http.MethodGet, "/v1/posts/{id}/likes", "Who likes a post", ok, list, bad,
		missing, invalid), s.getLikes)
	huma.Register(api, op("list-user-posts", http.MethodGet, "/v1/users/{id}/posts", "Posts of a person", ok, list, bad,
		missing, invalid), s.getByAuthor)
	huma.Register(api, op("local-timeline", http.MethodGet, "/v1/timelines/local",
		"Top-level posts of this site that are for everybody", ok, list, bad, invalid), s.getTimeline(s.Local))
	huma.Register(api, op("list-tagged", http.MethodGet, "/v1/tags/{tag}/posts",
		"Posts and comments with a tag that are for everybody", ok, list, bad, missing, invalid), s.getTagged)
	huma.Register(api, op("home-timeline", http.MethodGet, "/v1/timelines/home",
		"Posts of those one follows, and one's own", ok, home, bad, invalid), s.getTimeline(s.Home))
}

func (s *Service) create(ctx context.Context, in *createInput) (*social.Created[Post], error) {
	d, err := in.Body.draft()
	if err != nil {
		return nil, err
	}
	actor := social.ActorFrom(ctx)
	once := storage.NewOnce(actor, s.clock.Now(), "POST /v1/posts", in.Key, in.RawBody)
	p, err := s.Publish(ctx, actor, d, once)
	return &social.Created[Post]{Location: "/v1/posts/" + p.ID.String(), Replayed: once.Header(), Body: p}, err
}

func (b draftBody) draft() (Draft, error) {
	d := Draft{Text: b.Text, Visibility: event.Visibility(b.Visibility), Sensitive: b.Sensitive, Warning: b.Warning,
		Language: b.Language}
	var bad []social.Field
	d.Media, bad = pictures(b.MediaIDs)
	if b.ReplyTo != nil {
		id, err := social.ParseID(*b.ReplyTo)
		if err != nil || id.IsZero() {
			bad = append(bad, social.BodyField("/reply_to", social.FieldBadFormat, "Not an id."))
		}
		d.ReplyTo = id
	}
	if len(bad) > 0 {
		return Draft{}, social.Invalid(bad...)
	}
	return d, nil
}

// pictures reads the ids of pictures.
func pictures(texts []string) (ids []social.ID, bad []social.Field) {
	for i, text := range texts {
		id, err := social.ParseID(text)
		if err != nil || id.IsZero() {
			bad = append(bad, social.BodyField(fmt.Sprintf("/media_ids/%d", i), social.FieldBadFormat, "Not an id."))
		}
		ids = append(ids, id)
	}
	return ids, bad
}

func (s *Service) get(ctx context.Context, in *social.IDPath) (*social.Answer[Post], error) {
	return social.Answered(s.Get(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID)))
}

func (s *Service) edited(ctx context.Context, in *editInput) (*social.Answer[Post], error) {
	b := in.Body
	media, bad := pictures(b.MediaIDs.orZero())
	if len(bad) > 0 {
		return nil, social.Invalid(bad...)
	}
	e := Edit{Text: b.Text, Sensitive: b.Sensitive, Warning: b.Warning, Language: b.Language,
		Media: Change[[]social.ID]{Set: b.MediaIDs.Set, Value: &media}}
	return social.Answered(s.Edit(ctx, social.ActorFrom(ctx), social.PathID(in.ID), e, in.IfMatch))
}

func (s *Service) delete(ctx context.Context, in *deleteInput) (*struct{}, error) {
	return nil, s.Delete(ctx, social.ActorFrom(ctx), social.PathID(in.ID), in.IfMatch)
}

func (s *Service) getComments(ctx context.Context, in *commentsInput) (*postsOutput, error) {
	newest := in.Order == "newest"
	return social.Answered(s.Comments(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID), newest, in.PageQuery))
}

func (s *Service) setLike(on bool) func(context.Context, *social.IDPath) (*social.Answer[LikeState], error) {
	return func(ctx context.Context, in *social.IDPath) (*social.Answer[LikeState], error) {
		return social.Answered(s.Like(ctx, social.ActorFrom(ctx), social.PathID(in.ID), on))
	}
}

func (s *Service) getLikes(ctx context.Context, in *pageInput) (*social.Answer[social.List[social.User]], error) {
	return social.Answered(s.Likes(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID), in.PageQuery))
}

func (s *Service) getByAuthor(ctx context.Context, in *authorInput) (*postsOutput, error) {
	reader, author := social.ActorFrom(ctx).UserID, social.PathID(in.ID)
	return social.Answered(s.ByAuthor(ctx, reader, author, in.Media, in.Comments, in.PageQuery))
}

func (s *Service) getTagged(ctx context.Context, in *tagInput) (*postsOutput, error) {
	return social.Answered(s.Tagged(ctx, social.ActorFrom(ctx).UserID, in.Tag, in.PageQuery))
}

// timelineOf is Home or Local.
type timelineOf = func(context.Context, social.ID, social.PageQuery) (social.List[Post], social.Cursor, error)

func (*Service) getTimeline(of timelineOf) func(context.Context, *social.PageQuery) (*timelineOutput, error) {
	return func(ctx context.Context, in *social.PageQuery) (*timelineOutput, error) {
		list, head, err := of(ctx, social.ActorFrom(ctx).UserID, *in)
		if err != nil {
			return nil, err
		}
		out := &timelineOutput{Body: list}
		if !head.IsZero() {
			out.BelfryCursor = head.String()
		}
		return out, nil
	}
}
