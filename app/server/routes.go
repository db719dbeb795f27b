package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// lateRoutes collects the routes of modules and sorts them before Fiber gets them: Fiber takes the first match, and
// /v1/notifications/{id} would shadow /v1/notifications/counts.
type lateRoutes struct {
	fiber.Router
	kept []lateRoute
}

type lateRoute struct {
	method, path string
	handlers     []fiber.Handler
}

// Add keeps one route back; huma calls it.
func (l *lateRoutes) Add(method, path string, handlers ...fiber.Handler) fiber.Router {
	l.kept = append(l.kept, lateRoute{method, path, handlers})
	return l
}

// add hands the routes to Fiber. Every GET answers HEAD as well.
func (l *lateRoutes) add() {
	slices.SortStableFunc(l.kept, func(a, b lateRoute) int { return comparePaths(a.path, b.path) })
	for _, r := range l.kept {
		l.Router.Add(r.method, r.path, r.handlers...)
		if r.method == fiber.MethodGet {
			l.Router.Add(fiber.MethodHead, r.path, r.handlers...)
		}
	}
	l.kept = nil
}

// comparePaths orders paths so that in each place a word comes before a parameter.
func comparePaths(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := 0; i < min(len(as), len(bs)); i++ {
		ap, bp := strings.HasPrefix(as[i], ":"), strings.HasPrefix(bs[i], ":")
		switch {
		case ap && !bp:
			return 1
		case bp && !ap:
			return -1
		case !ap && as[i] != bs[i]:
			return strings.Compare(as[i], bs[i])
		}
	}
	return len(as) - len(bs)
}

// front precedes each route of a channel: it refuses cross-site requests, puts the actor into the context, and spends
// the read or write budget; the channel itself spends the budget of streams.
func (s *Server) front(c *fiber.Ctx) error {
	if err := s.checkSite(c, true); err != nil {
		return err
	}
	stream := plugins.ChooseWay(c.Get(fiber.HeaderAccept)) == plugins.WayStream
	a, err := s.identify(c)
	if !stream {
		if limited := s.spend(c, budgetOf(c.Method()), a); limited != nil {
			return limited
		}
	}
	if err != nil {
		if stream && c.Method() == fiber.MethodGet && newProblem(err).Status >= 500 {
			return s.bye(c, err)
		}
		return err
	}
	c.SetUserContext(actorContext(c, a))
	return c.Next()
}

// bye refuses a stream for an error of ours with status 200: on any other status an EventSource never reconnects.
func (s *Server) bye(c *fiber.Ctx, err error) error {
	s.log.Warn("stream refused", zap.String("request_id", social.RequestIDFrom(c.UserContext())), zap.Error(err))
	retry := 5_000 + rand.IntN(25_000) //nolint:gosec // it spreads clients and keeps no secret
	c.Status(fiber.StatusOK)
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set(fiber.HeaderCacheControl, "no-store, no-transform")
	c.Set(fiber.HeaderVary, "Accept, Authorization, Cookie, Origin")
	c.Context().SetConnectionClose()
	return c.SendString(fmt.Sprintf("event: bye\nretry: %d\ndata: {\"reason\":%q,\"retry_ms\":%d,\"cursor\":null}\n\n",
		retry, plugins.ByeOverload, retry))
}

// RouterFunc is a plugins.Router made of a function, for a module with plain routes.
type RouterFunc func(r fiber.Router, doc *huma.OpenAPI)

func (f RouterFunc) Routes(r fiber.Router, doc *huma.OpenAPI) { f(r, doc) }

// behind is the router of a channel: plain routes, each preceded by one handler of the host. Methods that would affect
// other routes panic: a channel's programming error.
type behind struct {
	fiber.Router
	first fiber.Handler
}

var _ fiber.Router = behind{}

func (b behind) Add(method, path string, handlers ...fiber.Handler) fiber.Router {
	b.Router.Add(method, path, append([]fiber.Handler{b.first}, handlers...)...)
	return b
}

func (b behind) Get(path string, h ...fiber.Handler) fiber.Router {
	b.Add(fiber.MethodHead, path, h...)
	return b.Add(fiber.MethodGet, path, h...)
}
func (b behind) Head(path string, h ...fiber.Handler) fiber.Router {
	return b.Add(fiber.MethodHead, path, h...)
}
func (b behind) Post(path string, h ...fiber.Handler) fiber.Router {
	return b.Add(fiber.MethodPost, path, h...)
}
func (b behind) Put(path string, h ...fiber.Handler) fiber.Router {
	return b.Add(fiber.MethodPut, path, h...)
}
func (b behind) Patch(path string, h ...fiber.Handler) fiber.Router {
	return b.Add(fiber.MethodPatch, path, h...)
}
func (b behind) Delete(path string, h ...fiber.Handler) fiber.Router {
	return b.Add(fiber.MethodDelete, path, h...)
}
func (b behind) Use(...any) fiber.Router                                  { panic(plainOnly) }
func (b behind) Connect(string, ...fiber.Handler) fiber.Router            { panic(plainOnly) }
func (b behind) Options(string, ...fiber.Handler) fiber.Router            { panic(plainOnly) }
func (b behind) Trace(string, ...fiber.Handler) fiber.Router              { panic(plainOnly) }
func (b behind) All(string, ...fiber.Handler) fiber.Router                { panic(plainOnly) }
func (b behind) Static(string, string, ...fiber.Static) fiber.Router      { panic(plainOnly) }
func (b behind) Group(string, ...fiber.Handler) fiber.Router              { panic(plainOnly) }
func (b behind) Route(string, func(fiber.Router), ...string) fiber.Router { panic(plainOnly) }
func (b behind) Mount(string, *fiber.App) fiber.Router                    { panic(plainOnly) }
func (b behind) Name(string) fiber.Router                                 { return b }

const plainOnly = "server: a channel adds plain routes: Get, Head, Post, Put, Patch, Delete, Add"
