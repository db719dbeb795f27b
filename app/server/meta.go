package server

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// tag gives a 200 answer to GET or HEAD its ETag and turns it into 304 if the client has it already. The answer to a
// PATCH is what GET would give now, and has the ETag of that.
func tag(c *fiber.Ctx, weak bool) {
	if c.Response().StatusCode() != fiber.StatusOK {
		return
	}
	switch c.Method() {
	case fiber.MethodPatch:
		c.Set(fiber.HeaderETag, social.ETagOf(c.Response().Body(), weak))
		return
	case fiber.MethodGet, fiber.MethodHead:
	default:
		return
	}
	if string(c.Response().Header.Peek(fiber.HeaderCacheControl)) == cacheNever {
		c.Set(fiber.HeaderCacheControl, "private, no-cache")
	}
	etag := social.ETagOf(c.Response().Body(), weak)
	c.Set(fiber.HeaderETag, etag)
	if social.HasETag(c.Get(fiber.HeaderIfNoneMatch), etag, true) {
		c.Response().ResetBody()
		c.Response().Header.Del(fiber.HeaderContentType)
		c.Status(fiber.StatusNotModified)
	}
}

// linkPages adds the Link header to a page of a list. Huma hands it every body before it is encoded.
func linkPages(ctx huma.Context, _ string, body any) (any, error) {
	page, ok := body.(interface{ Pages() (next, prev *string) })
	if !ok {
		return body, nil
	}
	c := humafiber.Unwrap(ctx)
	var links []string
	next, prev := page.Pages()
	for _, l := range []struct {
		cursor *string
		rel    string
	}{{next, "next"}, {prev, "prev"}} {
		if l.cursor != nil {
			links = append(links, "<"+pageTarget(c, *l.cursor)+`>; rel="`+l.rel+`"`)
		}
	}
	if len(links) > 0 {
		c.Set(fiber.HeaderLink, strings.Join(links, ", "))
	}
	return body, nil
}

// pageTarget is the request's own path and query with another cursor.
func pageTarget(c *fiber.Ctx, cursor string) string {
	query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil { // checked before the handler ran
		query = url.Values{}
	}
	query.Set("cursor", cursor)
	return askedPath(c.Context()) + "?" + query.Encode()
}

// spend takes one of a budget and says in the headers what is left. Anonymous requests spend their address's.
func (s *Server) spend(c *fiber.Ctx, b social.Budget, a social.Actor) error {
	if b == social.BudgetNone || c.Locals(localSpent) != nil {
		return nil
	}
	if !a.ServiceID.IsZero() {
		b = social.BudgetService
	}
	c.Locals(localSpent, true)
	got := s.limits.take(b, a.LimitKey(social.AddressFrom(c.UserContext())), 1)
	if got.rate.Count > 0 {
		got.headers(b, c.Set)
	}
	if !got.ok {
		return &social.Fault{Code: social.CodeRateLimited, Detail: "Wait before the next request.", RetryAfter: got.retry}
	}
	return nil
}

// mayStore refuses a write of who has used up a quota, and one that the last room of the disk is not for: that is left
// to moderators, too.
func (s *Server) mayStore(c *fiber.Ctx, a social.Actor) error {
	if s.quota == nil {
		return nil
	}
	if !s.quota.Room() && !hasRole(a, social.ScopeModerate) {
		return s.quota.Refuse()
	}
	over := s.quota.Ask(a)
	if over == nil {
		return nil
	}
	name := `"` + over.Policy + `"`
	c.Set("RateLimit-Policy", fmt.Sprintf("%s;q=%d;w=%d", name, over.Count, retrySeconds(over.Per)))
	c.Set("RateLimit", fmt.Sprintf("%s;r=0;t=%d", name, ceilSeconds(over.Retry+over.Per)))
	return &social.Fault{Code: social.CodeRateLimited, RetryAfter: over.Retry,
		Detail: "The quota " + over.Policy + " is used up. Reading and deleting go on."}
}

// spendRest spends one of the address's budget for what has no other: pages, documents, paths that are not there, and
// what was refused before its own budget. Probes count apart, so that a flood from behind the same address is not
// taken for the end of the server. What is over the budget is refused in place of its answer, which cost next to
// nothing; a stream is told to come back.
func (s *Server) spendRest(c *fiber.Ctx) {
	if c.Locals(localSpent) != nil || c.Locals(localAway) != nil || c.Context().Hijacked() {
		return
	}
	key := "address:" + social.AddressKey(social.AddressFrom(c.UserContext()))
	if path := c.Path(); path == healthPath || path == readyPath {
		key = "probe:" + key
	}
	got := s.limits.take(social.BudgetPages, key, 1)
	if got.ok {
		return
	}
	limited := &social.Fault{Code: social.CodeRateLimited, Detail: "Wait before the next request.", RetryAfter: got.retry}
	if c.Method() == fiber.MethodGet && plugins.ChooseWay(c.Get(fiber.HeaderAccept)) == plugins.WayStream {
		_ = s.bye(c, limited) // it answers and never fails
		return
	}
	_ = s.fail(c, limited)
}

func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
