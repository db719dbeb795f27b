package server

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
)

// guard refuses ambiguous framing before anything else reads the request (request smuggling): fasthttp tolerates
// Content-Length beside Transfer-Encoding, folded headers and names with spaces, and may read them differently than
// the proxy in front. Every refusal is 400 and closes the connection, so trailing bytes never run as a request.
type guard struct {
	hosts hosts
	limit int // of the request line and all headers
}

// headerSlack is how much longer than its limit a header block may be and is still read, so that a refusal for its
// length knows the origin of the page that has to read it.
const headerSlack = 16 << 10

// once are the headers that stand at most once in a request.
var once = map[string]struct{}{
	"host": {}, "content-length": {}, "transfer-encoding": {}, "content-type": {}, "authorization": {}, "origin": {},
	"idempotency-key": {}, "sec-fetch-site": {},
}

// lists are the headers that routes read as one list, however many lines they stand in (RFC 9110 5.3). Two event ids
// become one that cannot be read: the stream goes on with a gap, where a refusal would end an EventSource for good.
var lists = [...]string{fiber.HeaderAccept, fiber.HeaderIfMatch, fiber.HeaderIfNoneMatch, "Prefer", "Last-Event-ID"}

func joinLists(h *fasthttp.RequestHeader) {
	for _, name := range lists {
		if lines := h.PeekAll(name); len(lines) > 1 {
			list := bytes.Join(lines, []byte(", "))
			h.Del(name)
			h.SetBytesV(name, list)
		}
	}
}

// decodePath decodes what is percent-encoded in a path (RFC 3986 6.2.2.2), so that routes and parameters are found in
// each way to write them. A segment that would hold a slash, a percent sign or a control character stays as it is:
// it is the name of nothing here.
func decodePath(u *fasthttp.URI) {
	path := string(u.PathOriginal())
	if !strings.Contains(path, "%") {
		return
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err == nil && utf8.ValidString(plain) && !strings.ContainsFunc(plain, func(r rune) bool {
			return r == '/' || r == '%' || unicode.IsControl(r)
		}) {
			segments[i] = plain
		}
	}
	u.SetPath(strings.Join(segments, "/"))
}

// askedPath is the path of a request as the client wrote it.
func askedPath(c *fasthttp.RequestCtx) string {
	u, err := url.ParseRequestURI(string(c.Request.Header.RequestURI()))
	if err != nil {
		return "/"
	}
	return u.EscapedPath()
}

// readTokens puts Expect and Connection into the one form that fasthttp knows: their tokens are of any case, and the
// second is a list (RFC 9110 7.6.1, 10.1.1). An expectation from HTTP/1.0 counts for nothing, like an unknown one.
func readTokens(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	for _, line := range h.PeekAll(fiber.HeaderConnection) {
		for token := range social.HeaderList(string(line)) {
			if strings.EqualFold(token, "close") {
				h.SetConnectionClose()
			}
		}
	}
	if expect := h.Peek(fiber.HeaderExpect); len(expect) > 0 {
		known := h.IsHTTP11() && bytes.EqualFold(expect, []byte("100-continue"))
		h.Del(fiber.HeaderExpect)
		if known {
			h.Set(fiber.HeaderExpect, "100-continue")
		}
	}
	return fasthttp.RequestConfig{} // the limits stay
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
	h := &c.Request.Header
	if !bytes.HasPrefix(h.Protocol(), []byte("HTTP/1.")) {
		return malformed("The version of HTTP is not known here: it is 1.1 or 1.0.")
	}
	if len(h.Method())+len(h.RequestURI())+len(" HTTP/1.1\r\n ")+len(h.RawHeaders()) > g.limit {
		return routerFault(fiber.StatusRequestHeaderFieldsTooLarge)
	}
	seen := map[string]string{}
	for line := range bytes.Lines(h.RawHeaders()) {
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
	if f := checkFraming(seen, h.IsHTTP11()); f != nil {
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

// checkTarget looks at the request target and the hosts it and the Host header name. Probes ask for an address or a
// name that nobody told the server, or for none; what they are told is no secret.
func (g guard) checkTarget(c *fasthttp.RequestCtx, seen map[string]string) *social.Fault {
	host := seen["host"]
	target := string(c.Request.Header.RequestURI())
	u, err := url.ParseRequestURI(target)
	probe := err == nil && (u.Path == healthPath || u.Path == readyPath)
	switch {
	case !g.hosts.allows(host) && (!probe || (host != "" && hostName(host) == "")):
		return malformed("The host is not served here.")
	case target == "*" && string(c.Method()) == fiber.MethodOptions:
		return nil
	case err != nil:
		return malformed("The request target is malformed.")
	case strings.HasPrefix(target, "/"):
		return nil
	case u.User != nil || (u.Scheme != "http" && u.Scheme != "https") || (!probe && !g.hosts.allows(u.Host)):
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
	s.allowOrigin(c)
	p := newProblem(fault)
	p.RequestID, p.Instance = id, "/"
	p.write(c)
	c.SetConnectionClose()
	if k, ok := c.Conn().(*conn); ok {
		k.unread.Store(true)
	}
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
