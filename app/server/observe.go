package server

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// observe is the outermost handler: request id, client address, standard headers, recovery from panics, answers to
// errors, the log line and the metrics.
func (s *Server) observe(c *fiber.Ctx) error {
	began := s.clock()
	id := requestID(c.Get(fiber.HeaderXRequestID))
	s.standardHeaders(c.Context(), id)
	ctx := social.WithAddress(social.WithRequestID(s.base, id), s.addressOf(c.Context()))
	c.SetUserContext(ctx)
	s.metrics.running.Inc()
	defer s.metrics.running.Dec()
	s.running.Add(1)
	defer s.running.Add(-1)
	if away, _ := c.Locals(localAway).(bool); away {
		s.turnAway(c)
	} else if err := contain(c); err != nil {
		_ = s.fail(c, err)
	}
	s.spendRest(c)
	if s.draining.Load() {
		c.Context().SetConnectionClose()
	}
	s.note(c, id, s.clock().Sub(began))
	return nil
}

func (s *Server) standardHeaders(c *fasthttp.RequestCtx, id string) {
	h := &c.Response.Header
	h.Set(fiber.HeaderXRequestID, id)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderCacheControl, cacheNever)
	h.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set(fiber.HeaderReferrerPolicy, "same-origin")
	if s.secure {
		h.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000") // a year; other names of the domain are not ours
	}
}

func (s *Server) addressOf(c *fasthttp.RequestCtx) string {
	peer, ok := netip.AddrFromSlice(c.RemoteIP())
	if !ok {
		return ""
	}
	var forwarded []string
	if len(s.trusted) > 0 {
		for _, v := range c.Request.Header.PeekAll(fiber.HeaderXForwardedFor) {
			forwarded = append(forwarded, string(v))
		}
	}
	return clientAddress(peer, s.trusted, forwarded)
}

// turnAway answers a request for whose connection there is no place, and ends the connection.
func (s *Server) turnAway(c *fiber.Ctx) {
	s.metrics.turnedAway.Inc()
	s.allowOrigin(c.Context())
	c.Locals(localLabel, unmatched)
	c.Context().SetConnectionClose()
	full := &social.Fault{Code: social.CodeOverloaded, Detail: "Too many connections are open. Try again shortly.",
		RetryAfter: 5 * time.Second}
	if c.Method() == fiber.MethodGet && plugins.ChooseWay(c.Get(fiber.HeaderAccept)) == plugins.WayStream {
		_ = s.bye(c, full) // it answers and never fails
		return
	}
	_ = s.fail(c, full)
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// contain runs the handlers behind it and turns a panic into an error.
func contain(c *fiber.Ctx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return c.Next()
}

// note writes the line of one request: never a query, a body, an address or a name.
func (s *Server) note(c *fiber.Ctx, id string, took time.Duration) {
	status := c.Response().StatusCode()
	route, path := c.Route().Path, ""
	if label, ok := c.Locals(localLabel).(string); ok {
		route, path = label, clip(masked(c.Path()), 128)
	}
	s.metrics.answered(c.Method(), route, status, took)
	fields := []zap.Field{zap.String("request_id", id), zap.String("method", c.Method()), zap.String("route", route),
		zap.Int("status", status), zap.Float64("took_ms", float64(took.Microseconds())/1000),
		zap.Int("bytes", bodySize(c.Response()))}
	if path != "" {
		fields = append(fields, zap.String("path", path))
	}
	p, _ := c.Locals(localProblem).(*Problem)
	if p == nil || p.Status < 500 {
		level := zap.InfoLevel
		if route == healthPath || route == readyPath {
			level = zap.DebugLevel // asked every few seconds by whoever watches
		}
		s.log.Log(level, "request", fields...)
		return
	}
	var panicked *panicError
	if errors.As(p.cause, &panicked) {
		fields = append(fields, zap.ByteString("stack", panicked.stack))
	}
	fields = append(fields, zap.String("code", string(p.Code)), zap.String("error", masked(p.cause.Error())))
	if p.Code == social.CodeInternal {
		s.log.Error("request", fields...)
		return
	}
	s.log.Warn("request", fields...)
}

// fail answers an error. It is also Fiber's error handler; it never returns an error.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	var routed *fiber.Error
	if errors.As(err, &routed) {
		c.Locals(localLabel, unmatched)
		if routed.Code == fiber.StatusMethodNotAllowed {
			c.Append(fiber.HeaderAllow, fiber.MethodOptions)
			if c.Method() == fiber.MethodOptions {
				c.Response().ResetBody()
				return c.SendStatus(fiber.StatusNoContent)
			}
		}
	}
	p := newProblem(err)
	p.RequestID, p.Instance = social.RequestIDFrom(c.UserContext()), clip(askedPath(c.Context()), 256)
	c.Locals(localProblem, p)
	p.write(c.Context())
	return nil
}

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// requestID is the client's own if it has the right form and may be logged, else a new one.
func requestID(given string) string {
	if requestIDForm.MatchString(given) && masked(given) == given {
		return given
	}
	return social.NewID().String()
}

// secretForm is what our secrets look like: those with a prefix, 43 characters of a session's or of any other, and the
// addresses of files.
var secretForm = regexp.MustCompile(`/media/[^?#\s]+|` +
	`bf[a-z]?_[A-Za-z0-9_-]*|whsec_[A-Za-z0-9+/=_-]*|[A-Za-z0-9_-]{40,}`)

// masked is text of a request without what may be a secret, for the log (I21).
func masked(text string) string { return secretForm.ReplaceAllString(text, "***") }

// engineLog puts what fasthttp says into the one log. It speaks of connections that broke off, which is normal.
type engineLog struct{ log *zap.Logger }

func (l engineLog) Printf(format string, args ...any) {
	l.log.Debug("http engine", zap.String("text", masked(fmt.Sprintf(format, args...))))
}
