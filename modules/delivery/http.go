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

const (
	endpointsRoute  = "/v1/me/endpoints"
	endpointRoute   = endpointsRoute + "/{id}"
	deliveriesRoute = endpointRoute + "/deliveries"
	deliveryRoute   = deliveriesRoute + "/{delivery_id}"
)

func (s *Service) Routes(api huma.API) {
	get, post := http.MethodGet, http.MethodPost
	huma.Register(api, operation(get, endpointsRoute, "list-endpoints", "My endpoints, newest first",
		200, 400), s.listEndpoints)
	huma.Register(api, operation(get, endpointRoute, "get-endpoint", "One endpoint",
		200, 404), s.getEndpoint)
	huma.Register(api, operation(post, endpointsRoute, "create-endpoint", "Add an endpoint",
		201, 409), s.createEndpoint)
	huma.Register(api, operation(http.MethodPatch, endpointRoute, "change-endpoint",
		"Change an endpoint, or switch it on or off", 200, 404), s.patchEndpoint)
	huma.Register(api, operation(http.MethodDelete, endpointRoute, "delete-endpoint",
		"Remove an endpoint and what waits for it", 204, 404), s.deleteEndpoint)
	huma.Register(api, operation(post, endpointRoute+"/rotate-secret", "rotate-endpoint-secret",
		"Give an endpoint a new secret; both sign for a while", 200, 404), s.postRotate)
	test := operation(post, endpointRoute+"/test", "test-endpoint", "Send a test: one attempt", 202, 404, 409)
	test.Metadata[social.MetaLimit] = social.BudgetEndpointTest
	huma.Register(api, test, s.postTest)
	huma.Register(api, operation(get, deliveriesRoute, "list-deliveries", "Deliveries of an endpoint, newest first",
		200, 400, 404), s.listDeliveries)
	huma.Register(api, operation(get, deliveryRoute, "get-delivery", "One delivery",
		200, 404), s.getDelivery)
	huma.Register(api, operation(post, deliveryRoute+"/retry", "retry-delivery",
		"Try a dead or pending delivery again, at once", 202, 404, 409), s.postRetry)
}

func operation(method, path, id, summary string, status int, errs ...int) huma.Operation {
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"endpoints"},
		DefaultStatus: status, Errors: append([]int{401, 403, 422, 429}, errs...),
		Metadata: map[string]any{social.MetaAuth: social.AuthScope(social.ScopeWriteAccount)}}
	if method == http.MethodGet {
		op.Metadata[social.MetaAuth] = social.AuthScope(social.ScopeRead)
		op.Metadata[social.MetaETag] = "strong"
		if strings.HasPrefix(id, "list-") {
			op.Metadata[social.MetaETag] = "weak"
		}
	}
	return op
}

type deliveryPath struct {
	social.IDPath
	DeliveryID string `path:"delivery_id"`
}

type (
	endpointList = social.Answer[social.List[pipeline.Endpoint]]
	deliveryList = social.Answer[social.List[pipeline.Delivery]]
	endpoint     = social.Created[pipeline.Endpoint]
	delivery     = social.Created[pipeline.Delivery]
)

func (s *Service) listEndpoints(ctx context.Context, in *social.PageQuery) (*endpointList, error) {
	return social.Answered(s.Endpoints(ctx, social.ActorFrom(ctx).UserID, *in))
}

func (s *Service) getEndpoint(ctx context.Context, in *social.IDPath) (*endpoint, error) {
	e, err := s.Endpoint(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID))
	return &endpoint{Body: e}, err
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

func (s *Service) createEndpoint(ctx context.Context, in *createInput) (*endpoint, error) {
	actor := social.ActorFrom(ctx)
	d := pipeline.EndpointDraft{Channel: in.Body.Channel, Settings: in.Body.Settings, Types: in.Body.Types}
	if in.Body.Name != nil {
		d.Name = *in.Body.Name
	}
	once := storage.NewOnce(actor, s.clock.Now(), "POST "+endpointsRoute, in.Key, in.RawBody)
	e, err := s.AddEndpoint(ctx, actor.UserID, d, once)
	return &endpoint{Location: endpointsRoute + "/" + e.ID.String(), Replayed: once.Header(), Body: e}, err
}

type patchInput struct {
	social.IDPath
	RawBody []byte
	Body    struct {
		Name     *string         `json:"name,omitempty" minLength:"1" maxLength:"60" doc:"null = the channel's name."`
		Settings json.RawMessage `json:"settings,omitempty"`
		Types    []string        `json:"types,omitempty" maxItems:"50" doc:"null = all."`
		Enabled  *bool           `json:"enabled,omitempty" doc:"Switching on forgets failures."`
	}
}

func (s *Service) patchEndpoint(ctx context.Context, in *patchInput) (*endpoint, error) {
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
	e, err := s.ChangeEndpoint(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID), p)
	return &endpoint{Body: e}, err
}

func (s *Service) deleteEndpoint(ctx context.Context, in *social.IDPath) (*struct{}, error) {
	return nil, s.RemoveEndpoint(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID))
}

type rotateInput struct {
	social.IDPath
	Key  string `header:"Idempotency-Key" maxLength:"255"`
	Body *struct {
		Old *int `json:"overlap_s,omitempty" minimum:"0" maximum:"604800" default:"86400" doc:"How long the old one signs."`
	}
}

func (s *Service) postRotate(ctx context.Context, in *rotateInput) (*endpoint, error) {
	overlap := 24 * time.Hour
	if in.Body != nil && in.Body.Old != nil {
		overlap = time.Duration(*in.Body.Old) * time.Second
	}
	actor := social.ActorFrom(ctx)
	once := storage.NewOnce(actor, s.clock.Now(), "POST "+endpointsRoute+"/"+in.ID+"/rotate-secret", in.Key,
		[]byte(overlap.String()))
	e, err := s.RotateSecret(ctx, actor.UserID, social.PathID(in.ID), overlap, once)
	return &endpoint{Replayed: once.Header(), Body: e}, err
}

type testInput struct {
	social.IDPath
	Key string `header:"Idempotency-Key" maxLength:"255"`
}

func (s *Service) postTest(ctx context.Context, in *testInput) (*delivery, error) {
	actor, at := social.ActorFrom(ctx), endpointsRoute+"/"+in.ID
	once := storage.NewOnce(actor, s.clock.Now(), "POST "+at+"/test", in.Key, nil)
	d, err := s.TestEndpoint(ctx, actor.UserID, social.PathID(in.ID), once)
	return &delivery{Location: at + "/deliveries/" + d.ID.String(), Replayed: once.Header(), Body: d}, err
}

type deliveriesInput struct {
	social.IDPath
	social.PageQuery
	State string `query:"state" enum:"pending,succeeded,dead,cancelled"`
}

func (s *Service) listDeliveries(ctx context.Context, in *deliveriesInput) (*deliveryList, error) {
	owner, from := social.ActorFrom(ctx).UserID, social.PathID(in.ID)
	return social.Answered(s.Deliveries(ctx, owner, from, in.State, in.PageQuery))
}

func (s *Service) getDelivery(ctx context.Context, in *deliveryPath) (*delivery, error) {
	d, err := s.Delivery(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID), social.PathID(in.DeliveryID))
	return &delivery{Body: d}, err
}

func (s *Service) postRetry(ctx context.Context, in *deliveryPath) (*delivery, error) {
	d, err := s.RetryDelivery(ctx, social.ActorFrom(ctx).UserID, social.PathID(in.ID), social.PathID(in.DeliveryID))
	return &delivery{Body: d}, err
}

// EventRoutes mounts GET and HEAD /v1/events, the JSON ways, behind the host's middleware and after the routes of
// channels: a request for a stream that comes here is answered 204, since no channel serves streams.
func (s *Service) EventRoutes(r fiber.Router, doc *huma.OpenAPI) {
	r.Head(plugins.EventsPath, s.getEvents) // before Get, which mounts a HEAD of its own
	r.Get(plugins.EventsPath, s.getEvents)
	plugins.Schemas(doc).Map()["EventPage"] = eventPageSchema()
	plugins.DescribeEvents(doc, fiber.MIMEApplicationJSON, &huma.Schema{Ref: "#/components/schemas/EventPage"})
}

func (s *Service) getEvents(c *fiber.Ctx) error {
	ctx := c.UserContext()
	actor := social.ActorFrom(ctx)
	if err := actor.Need(social.ScopeEvents); err != nil {
		return err
	}
	way := plugins.ChooseWay(c.Get(fiber.HeaderAccept))
	if way == plugins.WayNone {
		return social.NewFault(social.CodeNotAcceptable, "Events come as text/event-stream or application/json.")
	}
	q, err := plugins.ParseEvents(plugins.ParamsOf(c))
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
	if q.Wait == 0 && social.HasETag(c.Get(fiber.HeaderIfNoneMatch), tag, true) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(page.AppendJSON(nil))
}

// eventPageSchema is what a page of events (reading.Page) looks like.
func eventPageSchema() *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"items", "next", "more", "head", "oldest"},
		Properties: map[string]*huma.Schema{
			"items":  {Type: huma.TypeArray, Items: &huma.Schema{Ref: plugins.EventSchema}},
			"next":   text("The position to ask from next."),
			"more":   {Type: huma.TypeBoolean, Description: "Ask again at once."},
			"head":   text("The newest durable position."),
			"oldest": text("Reading after it gives everything kept."),
		}}
}
