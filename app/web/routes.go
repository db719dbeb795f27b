package web

import (
	"cmp"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Routes adds the web client: one page for all its addresses, its assets, and what browsers and crawlers ask every site
// for. Its routes stand behind the server's guard and headers and ask nobody who they are: what the page shows it
// fetches from the API.
func Routes(r fiber.Router) {
	page := Page()
	tag := social.ETagOf(page, false)
	for _, path := range []string{"/", "/notifications", "/p/:id", "/@:name", "/@:name/followers",
		"/@:name/following", "/tags/:tag", "/people", "/local", "/login", "/register", "/settings", "/settings/:part"} {
		r.Get(path, func(c *fiber.Ctx) error {
			return sendFile(c, page, "text/html; charset=utf-8", tag)
		})
	}
	asset := func(name string) fiber.Handler {
		return func(c *fiber.Ctx) error {
			content, mediaType, ok := Asset(cmp.Or(name, c.Params("name")))
			if !ok {
				return social.NotFound()
			}
			return sendFile(c, content, mediaType, social.ETagOf(content, false))
		}
	}
	r.Get("/assets/:name", asset(""))
	r.Get("/sw.js", asset("sw.js")) // at the root: what it keeps is the page
	r.Get("/belfry.js", func(c *fiber.Ctx) error {
		// Pages of every origin load it, as a module, for which browsers use CORS. Without credentials: it is the same
		// for everybody.
		c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
		c.Set("Cross-Origin-Resource-Policy", "cross-origin")
		return asset("belfry.js")(c)
	})
	r.Get("/favicon.ico", asset("bell.svg"))
	r.Get("/robots.txt", asset("robots.txt"))
}

// sendFile answers with an embedded file. Browsers ask each time whether it has changed, since its name stays the
// same over versions.
func sendFile(c *fiber.Ctx, content []byte, mediaType, tag string) error {
	c.Set(fiber.HeaderContentSecurityPolicy, ContentSecurityPolicy)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderETag, tag)
	if social.HasETag(c.Get(fiber.HeaderIfNoneMatch), tag, true) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, mediaType)
	return c.Send(content)
}
