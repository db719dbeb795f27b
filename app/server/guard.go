package server

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

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

// refuse answers a request that meets no route, because it cannot be read or must not be, and ends the
// connection: what follows on it cannot be told apart from this request.
func (s *Server) refuse(c *fasthttp.RequestCtx, fault *social.Fault) {
	id := requestID(string(c.Request.Header.Peek(fiber.HeaderXRequestID)))
	s.standardHeaders(c, id)
	p := newProblem(fault)
	p.RequestID, p.Instance = id, "/"
	p.write(c)
	c.SetConnectionClose()
	s.metrics.refused.WithLabelValues(string(p.Code)).Inc()
	level := zap.InfoLevel
	if p.Code == social.CodeRequestTimeout {
		level = zap.DebugLevel // browsers open connections that they never use
	}
	s.log.Log(level, "request refused",
		zap.String("request_id", id), zap.String("code", string(p.Code)), zap.Int("status", p.Status))
}

// expect answers Expect: 100-continue: the body may come only if the request could be served with it. Every
// other answer ends the connection, because the body may be on its way already.
func (s *Server) expect(c *fasthttp.RequestCtx) int {
	fault := s.guard.check(c)
	if fault == nil && c.Request.Header.ContentLength() > int(s.cfg.BodyLimit) {
		fault = routerFault(fiber.StatusRequestEntityTooLarge)
	}
	if fault == nil {
		return fasthttp.StatusContinue
	}
	s.refuse(c, fault)
	return c.Response.StatusCode()
}

// parseFault names what fasthttp could not read. Its errors may quote the request and are dropped.
func parseFault(err error) *social.Fault {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		return routerFault(fiber.StatusRequestHeaderFieldsTooLarge)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return routerFault(fiber.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, fasthttp.ErrTimeout),
		errors.As(err, &network) && network.Timeout():
		return routerFault(fiber.StatusRequestTimeout)
	}
	return malformed("The request cannot be understood.")
}
