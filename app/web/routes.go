package web

import (
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Routes adds the web client: one page for all its addresses, its assets, and what browsers and crawlers ask every site
// for. Its routes stand behind the server's guard and headers and ask nobody who they are: a page has what everybody
// may see, and what else is shown to who is signed in, the client fetches from the API. A nil public shows nothing.
func Routes(r fiber.Router, site social.Site, public Public) {
	newPages(assets()["index.html"].content, site, public).routes(r)
	r.Get("/assets/:name", func(c *fiber.Ctx) error {
		if c.Params("name") == "index.html" {
			return social.NotFound()
		}
		return file(c.Params("name"))(c)
	})
	r.Get("/sw.js", file("sw.js")) // at the root: what it keeps is the page
	r.Get("/belfry.js", func(c *fiber.Ctx) error {
		// Pages of every origin load it, as a module, for which browsers use CORS. Without credentials: it is the same
		// for everybody.
		c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
		c.Set("Cross-Origin-Resource-Policy", "cross-origin")
		return file("belfry.js")(c)
	})
	r.Get("/favicon.ico", file("bell.svg"))
	r.Get("/robots.txt", file("robots.txt"))
}

// file answers with an embedded file, packed where the browser takes that. A browser that asks for the version that is
// there keeps it for a year; otherwise it asks each time whether it has changed.
func file(name string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		a, ok := assets()[name]
		if !ok {
			return social.NotFound()
		}
		content, tag := a.content, a.tag
		c.Set(fiber.HeaderContentSecurityPolicy, ContentSecurityPolicy)
		c.Vary(fiber.HeaderAcceptEncoding)
		if a.packed != nil && c.Get(fiber.HeaderAcceptEncoding) != "" && c.AcceptsEncodings("gzip") == "gzip" {
			content, tag = a.packed, a.packedTag
			c.Set(fiber.HeaderContentEncoding, "gzip")
		}
		c.Set(fiber.HeaderCacheControl, "no-cache")
		if a.version != "" && c.Query("v") == a.version {
			c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
		}
		c.Set(fiber.HeaderETag, tag)
		if social.HasETag(c.Get(fiber.HeaderIfNoneMatch), tag, true) {
			return c.SendStatus(fiber.StatusNotModified)
		}
		c.Set(fiber.HeaderContentType, a.mediaType)
		return c.Send(content)
	}
}
