package web

import (
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Routes adds the web client: one page for all its addresses, and its assets. Its routes stand behind the
// server's guard and headers and ask nobody who they are: what the page shows it fetches from the API.
func Routes(r fiber.Router) {
	page := Page()
	tag := social.ETagOf(page, false)
	for _, path := range []string{"/", "/notifications", "/p/:id", "/@:name"} {
		r.Get(path, func(c *fiber.Ctx) error {
			return sendFile(c, page, "text/html; charset=utf-8", tag)
		})
	}
	r.Get("/assets/:name", func(c *fiber.Ctx) error {
		content, mediaType, ok := Asset(c.Params("name"))
		if !ok {
			return social.NotFound()
		}
		return sendFile(c, content, mediaType, social.ETagOf(content, false))
	})
}

// sendFile answers with an embedded file. Browsers ask each time whether it has changed, since its name stays the
// same over versions.
func sendFile(c *fiber.Ctx, content []byte, mediaType, tag string) error {
	c.Set(fiber.HeaderContentSecurityPolicy, ContentSecurityPolicy)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderETag, tag)
	if c.Get(fiber.HeaderIfNoneMatch) == tag {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, mediaType)
	return c.Send(content)
}
