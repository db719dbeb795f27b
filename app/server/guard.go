package server

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
)

// guard refuses ambiguous framing before anything else reads the request (request smuggling): fasthttp tolerates
// Content-Length beside Transfer-Encoding, folded headers and names with spaces, and may read them differently than
// the proxy in front. Every refusal is 400 and closes the connection, so trailing bytes never run as a request.
type guard struct{ hosts hosts }

// once are the headers that stand at most once in a request.
var once = map[string]struct{}{
	"host": {}, "content-length": {}, "transfer-encoding": {}, "content-type": {}, "authorization": {}, "origin": {},
	"idempotency-key": {}, "if-match": {}, "last-event-id": {}, "sec-fetch-site": {},
}

// methods are those the server knows; another one in the request line is malformed.
var methods = map[string]struct{}{
	fiber.MethodGet: {}, fiber.MethodHead: {}, fiber.MethodPost: {}, fiber.MethodPut: {}, fiber.MethodPatch: {},
	fiber.MethodDelete: {}, fiber.MethodOptions: {}, fiber.MethodConnect: {}, fiber.MethodTrace: {},
}

// check looks at the header block as it came. nil = go on.
func (g guard) check(c *fasthttp.RequestCtx) *social.Fault {
	if _, ok := methods[string(c.Method())]; !ok {
		return malformed("The method is not known.")
	}
	seen := map[string]string{}
	for line := range bytes.Lines(c.Request.Header.RawHeaders()) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") { // a folded line too: it begins with a space
			return malformed("A header name is malformed.")
		}
		key := strings.ToLower(string(name))
		if _, single := once[key]; !single {
			continue
		}
		if _, twice := seen[key]; twice {
			return malformed("A header stands twice that may stand once.")
		}
		seen[key] = string(bytes.Trim(value, " \t"))
	}
	if f := checkFraming(seen, c.Request.Header.IsHTTP11()); f != nil {
		return f
	}
	return g.checkTarget(c, seen)
}

func checkFraming(seen map[string]string, http11 bool) *social.Fault {
	te, chunked := seen["transfer-encoding"]
	_, sized := seen["content-length"]
	switch {
	case chunked && sized:
		return malformed("The length of the body is said twice.")
	case chunked && (!strings.EqualFold(te, "chunked") || !http11):
		return malformed("The transfer encoding is not known.")
	}
	return nil
}

// checkTarget looks at the request target and the hosts it and the Host header name.
func (g guard) checkTarget(c *fasthttp.RequestCtx, seen map[string]string) *social.Fault {
	host, ok := seen["host"]
	if !ok || !g.hosts.allows(host) {
		return malformed("The host is not served here.")
	}
	target := string(c.Request.Header.RequestURI())
	u, err := url.ParseRequestURI(target)
	switch {
	case target == "*" && string(c.Method()) == fiber.MethodOptions:
		return nil
	case err != nil:
		return malformed("The request target is malformed.")
	case strings.HasPrefix(target, "/"):
		return nil
	case u.User != nil || (u.Scheme != "http" && u.Scheme != "https") || !g.hosts.allows(u.Host):
		return malformed("The host is not served here.")
	}
	return nil
}

func malformed(why string) *social.Fault { return social.NewFault(social.CodeBadRequest, why) }
