package server

import (
	"slices"

	"github.com/gofiber/fiber/v2"
)

// What pages of the allowed origins may send and read. Credentials are never allowed: they use tokens.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, " +
		"X-Request-Id, traceparent"
	corsExposed = "Belfry-Cursor, ETag, Idempotency-Replayed, Link, Location, RateLimit, " +
		"RateLimit-Policy, Retry-After, X-Request-Id"
	corsMaxAge = "600"
)

// cors names the caller's origin in the answer if it is one of those in config, letter for letter, and nothing at
// all otherwise: the browser then keeps the answer from the page.
func (s *Server) cors(c *fiber.Ctx) error {
	if len(s.origins) == 0 {
		return c.Next()
	}
	c.Append(fiber.HeaderVary, fiber.HeaderOrigin)
	origin := c.Get(fiber.HeaderOrigin)
	if !slices.Contains(s.origins, origin) {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	if c.Method() == fiber.MethodOptions && c.Get(fiber.HeaderAccessControlRequestMethod) != "" {
		c.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
		c.Set(fiber.HeaderAccessControlAllowHeaders, corsHeaders)
		c.Set(fiber.HeaderAccessControlMaxAge, corsMaxAge)
	} else {
		c.Set(fiber.HeaderAccessControlExposeHeaders, corsExposed)
	}
	return c.Next()
}
