package web

import (
	"bytes"
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
)

// slogan describes the site where nothing else does.
const slogan = "A small social site that tells you at once."

// pageTimeout bounds what one page asks of the stores.
const pageTimeout = 10 * time.Second

// The marks in index.html at which the head and the body of a view stand.
const (
	headMark = "<!--head-->"
	bodyMark = "<!--body-->"
)

// pages are the addresses of the client: one page, with what a visitor may see of what its address names.
type pages struct {
	site              social.Site
	public            Public // nil = nothing is shown to visitors
	before, mid, rest []byte // of the page, around its marks
}

// newPages takes the page apart at its marks.
func newPages(page []byte, site social.Site, public Public) *pages {
	p := &pages{site: site, public: public}
	var ok bool
	if p.before, p.rest, ok = bytes.Cut(page, []byte(headMark)); ok {
		p.mid, p.rest, ok = bytes.Cut(p.rest, []byte(bodyMark))
	}
	if !ok {
		panic("web: index.html has no marks") // embedded: our own mistake
	}
	return p
}

// show makes the view of what a parameter of the path names.
type show func(ctx context.Context, param string) (view, error)

func (p *pages) routes(r fiber.Router) {
	for path, of := range map[string]show{
		"/": p.local, "/local": p.local, "/people": p.people, "/p/:id": p.post, "/tags/:tag": p.tag, "/@:name": p.person,
		"/@:name/followers": p.person, "/@:name/following": p.person,
		"/login": p.plain, "/register": p.plain, "/notifications": p.plain, "/settings": p.plain, "/settings/:part": p.plain,
	} {
		if p.public == nil {
			of = p.plain
		}
		r.Get(path, func(c *fiber.Ctx) error { return p.serve(c, of) })
	}
}

// serve answers with the page. What is absent, and what is not for everybody, is the page all the same, with status
// 404: the client may show more to who is signed in.
func (p *pages) serve(c *fiber.Ctx, of show) error {
	param := ""
	for _, value := range c.AllParams() {
		param = value // no path has more than one
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), pageTimeout)
	defer cancel()
	v, err := of(ctx, param)
	if social.IsFault(err, social.CodeNotFound) {
		v, err = view{}, nil
		c.Status(fiber.StatusNotFound)
	}
	if err != nil {
		return err
	}
	page := p.render(v)
	if c.Response().StatusCode() == fiber.StatusNotFound {
		return sendPage(c, page)
	}
	tag := social.ETagOf(page, false)
	c.Set(fiber.HeaderETag, tag)
	if social.HasETag(c.Get(fiber.HeaderIfNoneMatch), tag, true) {
		c.Status(fiber.StatusNotModified)
		page = nil
	}
	return sendPage(c, page)
}

func sendPage(c *fiber.Ctx, page []byte) error {
	c.Set(fiber.HeaderContentSecurityPolicy, ContentSecurityPolicy)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
	return c.Send(page)
}

func (p *pages) render(v view) []byte {
	v.Site = p.site.Name
	if v.Description == "" {
		v.Description = slogan
	}
	m := markup{page: append([]byte(nil), p.before...)}
	m.head(v)
	m.page = append(m.page, p.mid...)
	m.body(v)
	return append(m.page, p.rest...)
}
