package web

import (
	"cmp"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// Routes adds the web client: one page for all its addresses, its assets, and what browsers and crawlers ask every site
// for. Its routes stand behind the server's guard and headers and ask nobody who they are: a page has what everybody
// may see, and what else is shown to who is signed in, the client fetches from the API. A nil public shows nothing.
func Routes(r fiber.Router, site social.Site, public Public) {
	newPages(Page(), site, public).routes(r)
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
	r.Get("/favicon.ico", asset("bell.svg"))
	r.Get("/robots.txt", asset("robots.txt"))
}

// sendFile answers with an embedded file. Browsers ask each time whether it has changed, since its name stays the
// same over versions.
func sendFile(c *fiber.Ctx, content []byte, mediaType, tag string) error {
	c.Set(fiber.HeaderETag, tag)
	if social.HasETag(c.Get(fiber.HeaderIfNoneMatch), tag, true) {
		c.Status(fiber.StatusNotModified)
		content = nil
	}
	return send(c, content, mediaType)
}

// send answers with what comes from here alone.
func send(c *fiber.Ctx, content []byte, mediaType string) error {
	c.Set(fiber.HeaderContentSecurityPolicy, ContentSecurityPolicy)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderContentType, mediaType)
	return c.Send(content)
}
