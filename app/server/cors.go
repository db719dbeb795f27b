package server

import (
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// What pages of the allowed origins may send and read. Credentials are never allowed: they use tokens.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, If-None-Match, " +
		"Last-Event-ID, Prefer, X-Request-Id, traceparent"
	corsExposed = "Belfry-Cursor, ETag, Idempotency-Replayed, Link, Location, RateLimit, " +
		"RateLimit-Policy, Retry-After, X-Request-Id"
	corsMaxAge = "600"
)

// allowOrigin names the caller's origin in the answer if it is one of those in config, letter for letter, and nothing
// at all otherwise: the browser then keeps the answer from the page.
func (s *Server) allowOrigin(c *fasthttp.RequestCtx) bool {
	if len(s.origins) == 0 {
		return false
	}
	h := &c.Response.Header
	h.Set(fiber.HeaderVary, fiber.HeaderOrigin)
	origin := string(c.Request.Header.Peek(fiber.HeaderOrigin))
	if !slices.Contains(s.origins, origin) {
		return false
	}
	h.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	h.Set(fiber.HeaderAccessControlExposeHeaders, corsExposed)
	return true
}

// cors precedes every route. It answers preflights of allowed origins, whatever the path: the page is told by the
// request itself that there is nothing.
func (s *Server) cors(c *fiber.Ctx) error {
	allowed := s.allowOrigin(c.Context())
	if !allowed || c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" {
		return c.Next()
	}
	c.Locals(localLabel, unmatched)
	c.Response().Header.Del(fiber.HeaderAccessControlExposeHeaders)
	c.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
	c.Set(fiber.HeaderAccessControlAllowHeaders, corsHeaders)
	c.Set(fiber.HeaderAccessControlMaxAge, corsMaxAge)
	return c.SendStatus(fiber.StatusNoContent)
}

// asterisk answers OPTIONS *, which asks about the server and not about a path (RFC 9110 9.3.7).
func asterisk(c *fiber.Ctx) error {
	if c.Method() != fiber.MethodOptions || string(c.Request().Header.RequestURI()) != "*" {
		return c.Next()
	}
	c.Locals(localLabel, unmatched)
	c.Set(fiber.HeaderAllow, corsMethods+", "+fiber.MethodOptions)
	return c.SendStatus(fiber.StatusNoContent)
}
