package delivery

import (
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules"
	"github.com/belfry-social/belfry/plugins"
)

// EventRoutes mounts GET and HEAD /v1/events, the JSON ways, behind the host's middleware: who asks is in the
// context, faults are returned. The host calls it after the routes of channels, so that a stream is taken by the
// channel that serves streams; a request for one that comes here is answered 204: there is no such channel.
func (s *Service) EventRoutes(r fiber.Router, doc *huma.OpenAPI) {
	r.Head(plugins.EventsPath, s.events) // before Get, which mounts a HEAD of its own
	r.Get(plugins.EventsPath, s.events)
	plugins.DescribeEvents(doc, fiber.MIMEApplicationJSON, eventPageSchema())
}

func (s *Service) events(c *fiber.Ctx) error {
	ctx := c.UserContext()
	actor := modules.ActorFrom(ctx)
	if err := actor.Need(modules.ScopeEvents); err != nil {
		return err
	}
	way := plugins.ChooseWay(strings.Clone(c.Get(fiber.HeaderAccept)))
	if way == plugins.WayNone {
		return modules.NewFault(modules.CodeNotAcceptable, "Events come as text/event-stream or application/json.")
	}
	q, err := plugins.ParseEvents(plugins.Params{Query: queryOf(c), Header: func(name string) string { return strings.Clone(c.Get(name)) }})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderVary, "Accept, Authorization, Cookie, Origin")
	if way == plugins.WayStream {
		return c.SendStatus(fiber.StatusNoContent)
	}
	if retry, ok := s.Ports.Limits.Take(modules.BudgetRead, actor.LimitKey(modules.AddressFrom(ctx))); !ok {
		return &modules.Fault{Code: modules.CodeRateLimited, Detail: "Too many requests.", RetryAfter: retry}
	}
	var page eventPage
	if q.Wait > 0 && c.Method() != fiber.MethodHead {
		page, err = s.longPoll(ctx, actor, q)
	} else {
		page, err = s.poll(ctx, actor.UserID, q)
	}
	if err != nil {
		return err
	}
	if q.Preferred >= 0 {
		c.Set("Preference-Applied", "wait="+strconv.Itoa(q.Preferred))
	}
	tag := page.etag()
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderCacheControl, "private, no-cache")
	if q.Wait == 0 && hasTag(c.Get(fiber.HeaderIfNoneMatch), tag) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(page.appendJSON(nil))
}

// queryOf copies the query out of the request, in order and with what is given twice.
func queryOf(c *fiber.Ctx) [][2]string {
	var out [][2]string
	c.Context().QueryArgs().VisitAll(func(key, value []byte) { out = append(out, [2]string{string(key), string(value)}) })
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
