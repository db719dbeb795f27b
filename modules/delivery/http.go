package delivery

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/delivery/pipeline"
	"github.com/belfry-social/belfry/modules/delivery/reading"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
)

// Routes registers the operations on endpoints and deliveries.
func (s *Service) Routes(api huma.API) {
	const base, one = "/v1/me/endpoints", "/v1/me/endpoints/{id}"
	const deliveries, delivery = one + "/deliveries", one + "/deliveries/{delivery_id}"
	read, write := social.ScopeRead, social.ScopeWriteAccount
	huma.Register(api, operation("list-endpoints", http.MethodGet, base, "My endpoints, newest first", read, 200, 400), s.listEndpoints)
	huma.Register(api, operation("get-endpoint", http.MethodGet, one, "One endpoint", read, 200, 404), s.getEndpoint)
	huma.Register(api, operation("create-endpoint", http.MethodPost, base, "Add an endpoint", write, 201, 409), s.createEndpoint)
	huma.Register(api, operation("change-endpoint", http.MethodPatch, one, "Change an endpoint, or switch it on or off", write, 200, 404), s.patchEndpoint)
	huma.Register(api, operation("delete-endpoint", http.MethodDelete, one, "Remove an endpoint and what waits for it", write, 204, 404), s.deleteEndpoint)
	huma.Register(api, operation("rotate-endpoint-secret", http.MethodPost, one+"/rotate-secret", "Give an endpoint a new secret; both sign for a while", write, 200, 404), s.postRotate)
	huma.Register(api, operation("test-endpoint", http.MethodPost, one+"/test", "Send a test: one attempt", write, 202, 404, 409), s.postTest)
	huma.Register(api, operation("list-deliveries", http.MethodGet, deliveries, "Deliveries of an endpoint, newest first", read, 200, 400, 404), s.listDeliveries)
	huma.Register(api, operation("get-delivery", http.MethodGet, delivery, "One delivery", read, 200, 404), s.getDelivery)
	huma.Register(api, operation("retry-delivery", http.MethodPost, delivery+"/retry", "Try a dead or pending delivery again, at once", write, 202, 404, 409), s.postRetry)
}

func operation(id, method, path, summary string, scope social.Scope, status int, errs ...int) huma.Operation {
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"endpoints"}, DefaultStatus: status,
		Errors:   append([]int{401, 403, 422, 429}, errs...),
		Metadata: map[string]any{social.MetaAuth: social.AuthScope(scope)}}
	switch {
	case method != http.MethodGet:
	case strings.HasPrefix(id, "list-"):
		op.Metadata[social.MetaETag] = "weak"
	default:
		op.Metadata[social.MetaETag] = "strong"
	}
	return op
}

type endpointPath struct {
	ID string `path:"id"`
}

type deliveryPath struct {
	ID         string `path:"id"`
	DeliveryID string `path:"delivery_id"`
}

type endpointOutput struct {
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed"`
	Body     pipeline.Endpoint
}

type deliveryOutput struct {
	Location string `header:"Location"`
	Replayed string `header:"Idempotency-Replayed"`
	Body     pipeline.Delivery
}

func (s *Service) listEndpoints(ctx context.Context, in *struct{ social.PageQuery }) (*struct {
	Body social.List[pipeline.Endpoint]
}, error) {
	page, err := s.Endpoints(ctx, social.ActorFrom(ctx).UserID, in.PageQuery)
	return &struct {
		Body social.List[pipeline.Endpoint]
	}{page}, err
}

func (s *Service) getEndpoint(ctx context.Context, in *endpointPath) (*endpointOutput, error) {
	id, err := pathID(in.ID)
	if err != nil {
		return nil, err
	}
	e, err := s.Endpoint(ctx, social.ActorFrom(ctx).UserID, id)
	return &endpointOutput{Body: e}, err
}

type createInput struct {
	Key     string `header:"Idempotency-Key" maxLength:"255"`
	RawBody []byte
	Body    struct {
		Channel  string          `json:"channel" minLength:"1" maxLength:"64"`
		Name     *string         `json:"name,omitempty" minLength:"1" maxLength:"60" doc:"The channel's name if absent."`
		Settings json.RawMessage `json:"settings" doc:"By the channel's schema."`
		Types    []string        `json:"types,omitempty" maxItems:"50" doc:"Types of notifications it gets; all if absent."`
	}
}

func (s *Service) createEndpoint(ctx context.Context, in *createInput) (*endpointOutput, error) {
	actor := social.ActorFrom(ctx)
	d := pipeline.EndpointDraft{Channel: in.Body.Channel, Settings: in.Body.Settings, Types: in.Body.Types}
	if in.Body.Name != nil {
		d.Name = *in.Body.Name
	}
	once := storage.NewOnce(actor, s.clock.Now(), "POST /v1/me/endpoints", in.Key, in.RawBody)
	e, err := s.AddEndpoint(ctx, actor.UserID, d, once)
	if err != nil {
		return nil, err
	}
	return &endpointOutput{Location: "/v1/me/endpoints/" + e.ID.String(), Replayed: replayed(once), Body: e}, nil
}

type patchInput struct {
	ID      string `path:"id"`
	RawBody []byte
	Body    struct {
		Name     *string         `json:"name,omitempty" minLength:"1" maxLength:"60" doc:"null = the channel's name."`
		Settings json.RawMessage `json:"settings,omitempty"`
		Types    []string        `json:"types,omitempty" maxItems:"50" doc:"null = all."`
		Enabled  *bool           `json:"enabled,omitempty" doc:"Switching on forgets failures."`
	}
}

func (s *Service) patchEndpoint(ctx context.Context, in *patchInput) (*endpointOutput, error) {
	id, err := pathID(in.ID)
	if err != nil {
		return nil, err
	}
	given := map[string]json.RawMessage{} // tells null, which clears, from absent
	if err := json.Unmarshal(in.RawBody, &given); err != nil {
		return nil, social.NewFault(social.CodeInvalidJSON, "The body is not valid JSON.")
	}
	p := pipeline.EndpointPatch{Name: in.Body.Name, Types: in.Body.Types, Enabled: in.Body.Enabled}
	_, p.SetTypes = given["types"]
	if _, ok := given["name"]; ok && p.Name == nil {
		p.Name = new(string)
	}
	if _, ok := given["settings"]; ok {
		p.Settings = in.Body.Settings
	}
	if _, ok := given["enabled"]; ok && p.Enabled == nil {
		return nil, social.Invalid(social.BodyField("/enabled", social.FieldWrongType, "True or false."))
	}
	e, err := s.ChangeEndpoint(ctx, social.ActorFrom(ctx).UserID, id, p)
	return &endpointOutput{Body: e}, err
}

func (s *Service) deleteEndpoint(ctx context.Context, in *endpointPath) (*struct{}, error) {
	id, err := pathID(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.RemoveEndpoint(ctx, social.ActorFrom(ctx).UserID, id)
}

type rotateInput struct {
	ID   string `path:"id"`
	Key  string `header:"Idempotency-Key" maxLength:"255"`
	Body *struct {
		Overlap *int `json:"overlap_s,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the secret before signs as well."`
	}
}

func (s *Service) postRotate(ctx context.Context, in *rotateInput) (*endpointOutput, error) {
	id, err := pathID(in.ID)
	if err != nil {
		return nil, err
	}
	overlap := 24 * time.Hour
	if in.Body != nil && in.Body.Overlap != nil {
		overlap = time.Duration(*in.Body.Overlap) * time.Second
	}
	actor := social.ActorFrom(ctx)
	once := storage.NewOnce(actor, s.clock.Now(), "POST /v1/me/endpoints/"+in.ID+"/rotate-secret", in.Key, []byte(overlap.String()))
	e, err := s.RotateSecret(ctx, actor.UserID, id, overlap, once)
	return &endpointOutput{Replayed: replayed(once), Body: e}, err
}

type testInput struct {
	ID  string `path:"id"`
	Key string `header:"Idempotency-Key" maxLength:"255"`
}

func (s *Service) postTest(ctx context.Context, in *testInput) (*deliveryOutput, error) {
	id, err := pathID(in.ID)
	if err != nil {
		return nil, err
	}
	actor := social.ActorFrom(ctx)
	once := storage.NewOnce(actor, s.clock.Now(), "POST /v1/me/endpoints/"+in.ID+"/test", in.Key, nil)
	d, err := s.TestEndpoint(ctx, actor.UserID, id, once)
	if err != nil {
		return nil, err
	}
	return &deliveryOutput{Location: "/v1/me/endpoints/" + in.ID + "/deliveries/" + d.ID.String(), Replayed: replayed(once), Body: d}, nil
}

type deliveriesInput struct {
	ID string `path:"id"`
	social.PageQuery
	State string `query:"state" enum:"pending,succeeded,dead,cancelled"`
}

func (s *Service) listDeliveries(ctx context.Context, in *deliveriesInput) (*struct {
	Body social.List[pipeline.Delivery]
}, error) {
	id, err := pathID(in.ID)
	if err != nil {
		return nil, err
	}
	page, err := s.Deliveries(ctx, social.ActorFrom(ctx).UserID, id, in.State, in.PageQuery)
	return &struct {
		Body social.List[pipeline.Delivery]
	}{page}, err
}

func (s *Service) getDelivery(ctx context.Context, in *deliveryPath) (*deliveryOutput, error) {
	endpoint, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	d, err := s.Delivery(ctx, social.ActorFrom(ctx).UserID, endpoint, id)
	return &deliveryOutput{Body: d}, err
}

func (s *Service) postRetry(ctx context.Context, in *deliveryPath) (*deliveryOutput, error) {
	endpoint, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	d, err := s.RetryDelivery(ctx, social.ActorFrom(ctx).UserID, endpoint, id)
	return &deliveryOutput{Body: d}, err
}

func (in *deliveryPath) ids() (endpoint, delivery social.ID, err error) {
	if endpoint, err = pathID(in.ID); err == nil {
		delivery, err = pathID(in.DeliveryID)
	}
	return endpoint, delivery, err
}

// pathID reads an id of the path; what is none names nothing.
func pathID(text string) (social.ID, error) {
	id, err := social.ParseID(text)
	if err != nil {
		return id, social.NotFound()
	}
	return id, nil
}

func replayed(once *storage.Once) string {
	if once.Replayed() {
		return "true"
	}
	return ""
}

// EventRoutes mounts GET and HEAD /v1/events, the JSON ways, behind the host's middleware: who asks is in the
// context, the read budget was spent there, faults are returned. The host calls it after the routes of channels, so that a stream is taken by the
// channel that serves streams; a request for one that comes here is answered 204: there is no such channel.
func (s *Service) EventRoutes(r fiber.Router, doc *huma.OpenAPI) {
	r.Head(plugins.EventsPath, s.getEvents) // before Get, which mounts a HEAD of its own
	r.Get(plugins.EventsPath, s.getEvents)
	plugins.DescribeEvents(doc, fiber.MIMEApplicationJSON, eventPageSchema())
}

func (s *Service) getEvents(c *fiber.Ctx) error {
	ctx := c.UserContext()
	actor := social.ActorFrom(ctx)
	if err := actor.Need(social.ScopeEvents); err != nil {
		return err
	}
	way := plugins.ChooseWay(strings.Clone(c.Get(fiber.HeaderAccept)))
	if way == plugins.WayNone {
		return social.NewFault(social.CodeNotAcceptable, "Events come as text/event-stream or application/json.")
	}
	q, err := plugins.ParseEvents(plugins.Params{Query: queryOf(c), Header: func(name string) string { return strings.Clone(c.Get(name)) }})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderVary, "Accept, Authorization, Cookie, Origin")
	if way == plugins.WayStream {
		return c.SendStatus(fiber.StatusNoContent)
	}
	var page reading.Page
	if q.Wait > 0 && c.Method() != fiber.MethodHead {
		page, err = s.polls.LongPoll(ctx, actor, q)
	} else {
		page, err = s.polls.Poll(ctx, actor.UserID, q)
	}
	if err != nil {
		return err
	}
	if q.Preferred >= 0 {
		c.Set("Preference-Applied", "wait="+strconv.Itoa(q.Preferred))
	}
	tag := page.ETag()
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
	if q.Wait == 0 && hasTag(c.Get(fiber.HeaderIfNoneMatch), tag) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(page.AppendJSON(nil))
}

// queryOf copies the query out of the request, in order and with what is given twice.
func queryOf(c *fiber.Ctx) [][2]string {
	var out [][2]string
	for key, value := range c.Context().QueryArgs().All() {
		out = append(out, [2]string{string(key), string(value)})
	}
	return out
}

// hasTag reports whether an If-None-Match header (RFC 9110, 13.1.2) names the tag; tags are compared weakly.
func hasTag(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
			return true
		}
	}
	return false
}

func eventPageSchema() *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	item := &huma.Schema{Type: huma.TypeObject, Required: []string{"id", "type", "time", "data"}, Properties: map[string]*huma.Schema{
		"id": text("Its position."), "type": text("What happened."), "time": {Type: huma.TypeString, Format: "date-time"},
		"data": {Type: huma.TypeObject, AdditionalProperties: true, Description: "By type."},
	}}
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"items", "next", "more", "head", "oldest"}, Properties: map[string]*huma.Schema{
		"items":  {Type: huma.TypeArray, Items: item},
		"next":   text("The position to ask from next."),
		"more":   {Type: huma.TypeBoolean, Description: "Ask again at once."},
		"head":   text("The newest durable position."),
		"oldest": text("Reading after it gives everything kept."),
	}}
}
