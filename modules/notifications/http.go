package notifications

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/storage"
)

func (s *Service) Routes(api huma.API) {
	h := handlers{s}
	const get, put, post, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete
	const all, one, group = "/v1/notifications", "/v1/notifications/{id}", "/v1/notifications/groups/{key}"
	kind := func(scope social.Scope, key string, value any) huma.Operation {
		return huma.Operation{Metadata: map[string]any{social.MetaAuth: social.AuthScope(scope), key: value}}
	}
	read, state := kind(social.ScopeRead, social.MetaETag, "weak"), kind(social.ScopeRead, social.MetaETag, "strong")
	write := huma.Operation{Metadata: map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWriteNotifications)}}
	end, push := write, kind(social.ScopeNotifySend, social.MetaLimit, social.BudgetService)
	end.DefaultStatus, push.DefaultStatus = http.StatusNoContent, http.StatusCreated

	add(api, read, get, all, "list-notifications", "The notifications of the person, newest first", h.list)
	add(api, state, get, all+"/counts", "count-notifications", "How many are unseen and unread", h.counts)
	add(api, read, get, group, "list-group-members", "The members of a group, newest first", h.members, 404)
	add(api, state, get, one, "get-notification", "One notification", h.item(s.Get), 404)
	add(api, write, post, all+"/seen", "mark-seen", "Mark an item and all older ones as seen", h.seen, 404)
	add(api, write, post, all+"/read", "mark-read",
		"Mark items, a group, or an item and all older ones as read", h.read, 404)
	add(api, write, put, one+"/read", "set-read", "Mark one item as read", h.change(s.SetRead, true), 404)
	add(api, write, del, one+"/read", "unset-read", "Mark one item as unread", h.change(s.SetRead, false), 404)
	add(api, write, put, one+"/archived", "set-archived", "Put one item away; implies read",
		h.change(s.SetArchived, true), 404)
	add(api, write, del, one+"/archived", "unset-archived", "Put one item back into the inbox",
		h.change(s.SetArchived, false), 404)
	add(api, end, del, one, "delete-notification", "Delete one notification", h.delete, 404)
	add(api, push, post, all, "push-notification", "Tell a person something, as a host application", h.push)
}

func add[I, O any](api huma.API, op huma.Operation, method, path, id, summary string,
	handler func(context.Context, *I) (*O, error), errors ...int) {
	op.Method, op.Path, op.OperationID, op.Summary, op.Tags = method, path, id, summary, []string{"notifications"}
	op.DefaultStatus = cmp.Or(op.DefaultStatus, http.StatusOK)
	op.Errors = append([]int{401, 403, 422, 429}, errors...)
	op.Metadata = maps.Clone(op.Metadata)
	huma.Register(api, op, handler)
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
	return &listOutput{Cursor: cursor, Body: list}, err
}

type membersInput struct {
	social.PageQuery
	Key string `path:"key" doc:"The group's key."`
}

type membersOutput = social.Answer[social.List[Notification]]

func (h handlers) members(ctx context.Context, in *membersInput) (*membersOutput, error) {
	return social.Answered(h.s.Members(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.Key), in.PageQuery))
}

type countsOutput struct {
	Cursor string `header:"Belfry-Cursor" doc:"Stream from here, and nothing is missed."`
	Body   Counts
}

func (h handlers) counts(ctx context.Context, _ *struct{}) (*countsOutput, error) {
	cursor := h.cursor()
	c, err := h.s.Counts(ctx, social.ActorFrom(ctx).UserID)
	return &countsOutput{Cursor: cursor, Body: c}, err
}

type itemInput struct {
	ID string `path:"id" doc:"A notification's id; of a derived item the post's."`
}

type itemOutput = social.Answer[Notification]

// itemHandler answers with one item.
type itemHandler = func(context.Context, *itemInput) (*itemOutput, error)

func (h handlers) item(do func(ctx context.Context, person, id social.ID) (Notification, error)) itemHandler {
	return func(ctx context.Context, in *itemInput) (*itemOutput, error) {
		return social.Answered(do(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID)))
	}
}

func (h handlers) change(set func(ctx context.Context, person, id social.ID, on bool) (Notification, error),
	on bool) itemHandler {
	return h.item(func(ctx context.Context, person, id social.ID) (Notification, error) {
		return set(ctx, person, id, on)
	})
}

func (h handlers) delete(ctx context.Context, in *itemInput) (*struct{}, error) {
	return nil, h.s.Delete(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID))
}

type markOutput = social.Answer[Counts]

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
	return social.Answered(h.s.SeenUpTo(ctx, social.ActorFrom(ctx).UserID, id))
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
	given := 0
	for _, there := range []bool{b.IDs != nil, b.UpTo != nil, b.Group != nil} {
		if there {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, social.Invalid(social.BodyField("", social.FieldRequired, "One of ids, up_to and group."))
	case given > 1:
		return nil, social.Invalid(social.BodyField("", social.FieldNotAllowed, "Only one of ids, up_to and group."))
	case b.UpTo != nil:
		id, err := bodyID("/up_to", *b.UpTo)
		if err != nil {
			return nil, err
		}
		return social.Answered(h.s.ReadUpTo(ctx, person, id))
	case b.Group != nil:
		key, err := bodyID("/group", *b.Group)
		if err != nil {
			return nil, err
		}
		return social.Answered(h.s.ReadGroup(ctx, person, key))
	case len(b.IDs) == 0:
		return nil, social.Invalid(social.BodyField("/ids", social.FieldTooShort, "At least one id."))
	}
	ids := make([]social.ID, len(b.IDs))
	for i, text := range b.IDs {
		var err error
		if ids[i], err = bodyID("/ids/"+strconv.Itoa(i), text); err != nil {
			return nil, err
		}
	}
	return social.Answered(h.s.ReadAll(ctx, person, ids))
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
	out := &pushOutput{Status: http.StatusOK, Replayed: once.Header(), Body: answer}
	if answer.Notification != nil {
		out.Status, out.Location = http.StatusCreated, "/v1/notifications/"+answer.Notification.ID.String()
	}
	return out, err
}
