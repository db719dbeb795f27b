package server

import (
	"embed"
	"html"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// RapiDoc 9.3.8 (npm rapidoc, dist/rapidoc-min.js, MIT), so that the page needs no other server.
//
//go:embed assets/rapidoc-min.js assets/rapidoc.LICENSE.txt
var assets embed.FS

const (
	docsPath   = "/docs"
	docsScript = "/docs/rapidoc-9.3.8.js"
	// RapiDoc sets styles from script; everything it loads is ours.
	docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// docsPage is the page for a site of that name.
func docsPage(name string) []byte {
	return []byte(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + html.EscapeString(name) + ` API</title>
<script type="module" src="` + docsScript + `"></script>
</head>
<body>
<rapi-doc spec-url="/openapi.json" render-style="read" load-fonts="false" show-header="false"
 allow-spec-file-load="false" allow-spec-url-load="false" allow-server-selection="false" schema-style="table"
 info-description-headings-in-navbar="true" primary-color="#8f4416" nav-bg-color="#241e18" nav-accent-color="#e6a063"
 fetch-credentials="same-origin" persist-auth="false"></rapi-doc>
</body>
</html>
`)
}

// serveDocs adds the document and the page that shows it. The document is made once: by Serve, before anybody is
// served, since it adds schemas to those by which requests are checked.
func (s *Server) serveDocs(site social.Site) {
	s.document = sync.OnceValues(func() ([]byte, error) { return render(s.doc) })
	page := docsPage(site.Name)
	script, err := assets.ReadFile("assets/rapidoc-min.js")
	if err != nil {
		panic(err) // it is embedded
	}
	s.get("/openapi.json", func(c *fiber.Ctx) error {
		body, err := s.document()
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderCacheControl, "public, max-age=60")
		return s.static(c, "application/vnd.oai.openapi+json;version=3.1", body)
	})
	s.get(docsPath, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, docsPolicy)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return s.static(c, fiber.MIMETextHTMLCharsetUTF8, page)
	})
	s.get(docsScript, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
		return s.static(c, "text/javascript; charset=utf-8", script)
	})
}

// get adds a route for GET and HEAD.
func (s *Server) get(path string, h fiber.Handler) {
	s.fiber.Add(fiber.MethodGet, path, h)
	s.fiber.Add(fiber.MethodHead, path, h)
}

// static answers bytes that do not change while the program runs.
func (s *Server) static(c *fiber.Ctx, mime string, body []byte) error {
	c.Set(fiber.HeaderContentType, mime)
	if err := c.Send(body); err != nil {
		return err
	}
	tag(c, false)
	return nil
}
