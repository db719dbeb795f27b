package sse

import (
	"net"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
)

// Routes mounts the stream way of /v1/events, and the aliases that are switched on. Requests for /v1/events that
// do not ask for a stream are passed on.
func (c *Channel) Routes(r fiber.Router, doc *huma.OpenAPI) {
	events := func(f *fiber.Ctx) error {
		if plugins.ChooseWay(f.Get(fiber.HeaderAccept)) != plugins.WayStream {
			return f.Next()
		}
		return c.stream(f, nil)
	}
	r.Head(plugins.EventsPath, events) // before Get, which mounts a HEAD of its own
	r.Get(plugins.EventsPath, events)
	describeStream(doc)
	for _, name := range c.cfg.Aliases {
		p := frames.PresetOf(name)
		alias := func(f *fiber.Ctx) error {
			if weight, _ := plugins.Weight(f.Get(fiber.HeaderAccept), mimeStream); weight == 0 {
				return social.NewFault(social.CodeNotAcceptable, "This route streams: ask for text/event-stream.")
			}
			return c.stream(f, p)
		}
		r.Head(p.Path, alias)
		r.Get(p.Path, alias)
		describeAlias(doc, p)
	}
}

const mimeStream = "text/event-stream"

// stream answers a request for a stream: it checks, and then takes the connection away from the server.
func (c *Channel) stream(f *fiber.Ctx, p *frames.Preset) error {
	ctx := f.UserContext()
	actor := social.ActorFrom(ctx)
	if err := actor.Need(social.ScopeEvents); err != nil {
		return err
	}
	query, err := plugins.ParseEvents(plugins.ParamsOf(f))
	if err != nil {
		return err
	}
	if f.Method() == fiber.MethodHead {
		f.Set(fiber.HeaderContentType, mimeStream)
		f.Set(fiber.HeaderCacheControl, "no-store, no-transform")
		f.Set("X-Accel-Buffering", "no")
		f.Set(fiber.HeaderVary, "Accept, Authorization, Cookie, Origin")
		return nil
	}
	r := request{actor: actor, query: query, preset: p, address: strings.Clone(social.AddressFrom(ctx)),
		requestID: strings.Clone(social.RequestIDFrom(ctx)), headers: headersOf(f)}
	f.Context().HijackSetNoResponse(true)
	f.Context().Hijack(func(conn net.Conn) { c.take(conn, r) })
	return nil
}
