package notifications

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

// Routes registers what clients may ask.
func (s *Service) Routes(api huma.API) {
	h := handlers{s}
	read, write := social.AuthScope(social.ScopeRead), social.AuthScope(social.ScopeWriteNotifications)
	add(api, http.MethodGet, "/v1/notifications", "list-notifications", "The notifications of the person, newest first", read, "weak", nil, h.list)
	add(api, http.MethodGet, "/v1/notifications/counts", "count-notifications", "How many are unseen and unread", read, "strong", nil, h.counts)
	add(api, http.MethodGet, "/v1/notifications/groups/{key}", "list-group-members", "The members of a group, newest first", read, "weak", []int{404}, h.members)
	add(api, http.MethodGet, "/v1/notifications/{id}", "get-notification", "One notification", read, "strong", []int{404}, h.get)
	add(api, http.MethodPost, "/v1/notifications/seen", "mark-seen", "Mark an item and all older ones as seen", write, "", []int{404}, h.seen)
	add(api, http.MethodPost, "/v1/notifications/read", "mark-read", "Mark items, a group, or an item and all older ones as read", write, "", []int{404}, h.read)
	add(api, http.MethodPut, "/v1/notifications/{id}/read", "set-read", "Mark one item as read", write, "", []int{404}, h.setRead(true))
	add(api, http.MethodDelete, "/v1/notifications/{id}/read", "unset-read", "Mark one item as unread", write, "", []int{404}, h.setRead(false))
	add(api, http.MethodPut, "/v1/notifications/{id}/archived", "set-archived", "Put one item away; implies read", write, "", []int{404}, h.setArchived(true))
	add(api, http.MethodDelete, "/v1/notifications/{id}/archived", "unset-archived", "Put one item back into the inbox", write, "", []int{404}, h.setArchived(false))
	huma.Register(api, operation(http.MethodDelete, "/v1/notifications/{id}", "delete-notification", "Delete one notification", write, "", []int{404}, http.StatusNoContent), h.delete)

	push := operation(http.MethodPost, "/v1/notifications", "push-notification", "Tell a person something, as a host application",
		social.AuthScope(social.ScopeNotifySend), "", nil, http.StatusCreated)
	push.Metadata[social.MetaLimit] = social.BudgetService
	huma.Register(api, push, h.push)
}

func operation(method, path, id, summary string, auth social.Auth, etag string, errors []int, status int) huma.Operation {
	meta := map[string]any{social.MetaAuth: auth}
	if etag != "" {
		meta[social.MetaETag] = etag
	}
	return huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary, Tags: []string{"notifications"}, Metadata: meta,
		DefaultStatus: status, Errors: append([]int{401, 403, 422, 429}, errors...)}
}

func add[I, O any](api huma.API, method, path, id, summary string, auth social.Auth, etag string, errors []int, handler func(context.Context, *I) (*O, error)) {
	huma.Register(api, operation(method, path, id, summary, auth, etag, errors, http.StatusOK), handler)
}

type handlers struct{ s *Service }

// cursor is the head of the log; it has to be read before the store is.
func (h handlers) cursor() string {
	c := h.s.Ports.Log.Head()
	if c.IsZero() {
		return ""
	}
	return c.String()
}

type listInput struct {
	social.PageQuery
	Types   string `query:"types" maxLength:"600" doc:"A comma list of types; custom stands for all custom types. None = all."`
	State   string `query:"state" enum:"inbox,unseen,unread,archived" default:"inbox"`
	Grouped bool   `query:"grouped" default:"false" doc:"One item for each group: its newest member."`
}

type listOutput struct {
	Cursor string `header:"Belfry-Cursor" doc:"Stream from here, and nothing is missed."`
	Body   social.List[Notification]
}

func (h handlers) list(ctx context.Context, in *listInput) (*listOutput, error) {
	f := Filter{State: in.State, Grouped: in.Grouped}
	if in.Types != "" {
		f.Types = strings.Split(in.Types, ",")
	}
	cursor := h.cursor()
	list, err := h.s.List(ctx, social.ActorFrom(ctx).UserID, f, in.PageQuery)
	if err != nil {
		return nil, err
	}
	return &listOutput{Cursor: cursor, Body: list}, nil
}

type membersInput struct {
	social.PageQuery
	Key string `path:"key" doc:"The group's key."`
}

type membersOutput struct {
	Body social.List[Notification]
}

func (h handlers) members(ctx context.Context, in *membersInput) (*membersOutput, error) {
	key, err := social.ParseID(in.Key)
	if err != nil {
		return nil, social.NotFound()
	}
	list, err := h.s.Members(ctx, social.ActorFrom(ctx).UserID, key, in.PageQuery)
	if err != nil {
		return nil, err
	}
	return &membersOutput{Body: list}, nil
}

type countsOutput struct {
	Cursor string `header:"Belfry-Cursor" doc:"Stream from here, and nothing is missed."`
	Body   Counts
}

func (h handlers) counts(ctx context.Context, _ *struct{}) (*countsOutput, error) {
	cursor := h.cursor()
	c, err := h.s.Counts(ctx, social.ActorFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	return &countsOutput{Cursor: cursor, Body: c}, nil
}

type itemInput struct {
	ID string `path:"id" doc:"A notification's id; of a derived item the post's."`
}

type itemOutput struct {
	Body Notification
}

func (h handlers) get(ctx context.Context, in *itemInput) (*itemOutput, error) {
	return h.item(ctx, in, h.s.Get)
}

func (h handlers) setRead(read bool) func(context.Context, *itemInput) (*itemOutput, error) {
	return func(ctx context.Context, in *itemInput) (*itemOutput, error) {
		return h.item(ctx, in, func(ctx context.Context, person, id social.ID) (Notification, error) {
			return h.s.SetRead(ctx, person, id, read)
		})
	}
}

func (h handlers) setArchived(archived bool) func(context.Context, *itemInput) (*itemOutput, error) {
	return func(ctx context.Context, in *itemInput) (*itemOutput, error) {
		return h.item(ctx, in, func(ctx context.Context, person, id social.ID) (Notification, error) {
			return h.s.SetArchived(ctx, person, id, archived)
		})
	}
}

func (h handlers) item(ctx context.Context, in *itemInput, do func(context.Context, social.ID, social.ID) (Notification, error)) (*itemOutput, error) {
	id, err := social.ParseID(in.ID)
	if err != nil {
		return nil, social.NotFound()
	}
	n, err := do(ctx, social.ActorFrom(ctx).UserID, id)
	if err != nil {
		return nil, err
	}
	return &itemOutput{Body: n}, nil
}

func (h handlers) delete(ctx context.Context, in *itemInput) (*struct{}, error) {
	id, err := social.ParseID(in.ID)
	if err != nil {
		return nil, social.NotFound()
	}
	return nil, h.s.Delete(ctx, social.ActorFrom(ctx).UserID, id)
}

type markOutput struct {
	Body Counts
}

type seenInput struct {
	Body struct {
		UpTo string `json:"up_to" doc:"An item's id: that one and all older ones in list order."`
	}
}

func (h handlers) seen(ctx context.Context, in *seenInput) (*markOutput, error) {
	id, err := bodyID("/up_to", in.Body.UpTo)
	if err != nil {
		return nil, err
	}
	return marked(h.s.SeenUpTo(ctx, social.ActorFrom(ctx).UserID, id))
}

type readInput struct {
	Body struct {
		IDs   []string `json:"ids,omitempty" maxItems:"100" doc:"Ids of items."`
		UpTo  *string  `json:"up_to,omitempty" doc:"An item's id: that one and all older ones in list order."`
		Group *string  `json:"group,omitempty" doc:"A group's key."`
	}
}

func (h handlers) read(ctx context.Context, in *readInput) (*markOutput, error) {
	person, b := social.ActorFrom(ctx).UserID, in.Body
	switch {
	case b.IDs != nil && b.UpTo == nil && b.Group == nil:
		if len(b.IDs) == 0 {
			return nil, social.Invalid(social.BodyField("/ids", social.FieldTooShort, "At least one id."))
		}
		ids := make([]social.ID, len(b.IDs))
		for i, text := range b.IDs {
			var err error
			if ids[i], err = bodyID("/ids/"+strconv.Itoa(i), text); err != nil {
				return nil, err
			}
		}
		return marked(h.s.ReadAll(ctx, person, ids))
	case b.IDs == nil && b.UpTo != nil && b.Group == nil:
		id, err := bodyID("/up_to", *b.UpTo)
		if err != nil {
			return nil, err
		}
		return marked(h.s.ReadUpTo(ctx, person, id))
	case b.IDs == nil && b.UpTo == nil && b.Group != nil:
		key, err := bodyID("/group", *b.Group)
		if err != nil {
			return nil, err
		}
		return marked(h.s.ReadGroup(ctx, person, key))
	case b.IDs == nil && b.UpTo == nil:
		return nil, social.Invalid(social.BodyField("", social.FieldRequired, "One of ids, up_to and group."))
	}
	return nil, social.Invalid(social.BodyField("", social.FieldNotAllowed, "Only one of ids, up_to and group."))
}

func marked(c Counts, err error) (*markOutput, error) {
	if err != nil {
		return nil, err
	}
	return &markOutput{Body: c}, nil
}

func bodyID(pointer, text string) (social.ID, error) {
	id, err := social.ParseID(text)
	if err != nil {
		return social.ID{}, social.Invalid(social.BodyField(pointer, social.FieldBadFormat, "An id."))
	}
	return id, nil
}

type pushInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"255"`
	RawBody []byte
	Body    struct {
		Receiver string          `json:"receiver" minLength:"1" maxLength:"64" doc:"A user's id, or @ and a username."`
		Type     string          `json:"type" minLength:"1" maxLength:"32" pattern:"^[a-z][a-z0-9_]{0,31}$" doc:"Shown as custom.<type>."`
		Content  string          `json:"content" minLength:"1" maxLength:"2000"`
		URL      *string         `json:"url,omitempty" maxLength:"2048" doc:"An http or https address, or a path from /."`
		Group    *string         `json:"group,omitempty" minLength:"1" maxLength:"64" doc:"Joins the newest group of this name that is unseen and less than a day old."`
		Data     json.RawMessage `json:"data,omitempty" doc:"An object of at most 4 KiB."`
	}
}

type pushOutput struct {
	Status   int
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed"`
	Body     Pushed
}

func (h handlers) push(ctx context.Context, in *pushInput) (*pushOutput, error) {
	p := Push{Receiver: in.Body.Receiver, Type: in.Body.Type, Content: in.Body.Content, Data: in.Body.Data}
	if in.Body.URL != nil {
		p.URL = *in.Body.URL
	}
	if in.Body.Group != nil {
		p.Group = *in.Body.Group
	}
	once := storage.NewOnce(social.ActorFrom(ctx), h.s.clock.Now(), "POST /v1/notifications", in.Key, in.RawBody)
	answer, err := h.s.Push(ctx, p, once)
	if err != nil {
		return nil, err
	}
	out := &pushOutput{Status: http.StatusOK, Body: answer}
	if answer.Notification != nil {
		out.Status, out.Location = http.StatusCreated, "/v1/notifications/"+answer.Notification.ID.String()
	}
	if once.Replayed() {
		out.Replayed = "true"
	}
	return out, nil
}
