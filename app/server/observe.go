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
	if err := contain(c); err != nil {
		_ = s.fail(c, err)
	}
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
		route, path = label, clip(c.Path(), 128)
	}
	s.metrics.answered(c.Method(), route, status, took)
	fields := []zap.Field{zap.String("request_id", id), zap.String("method", c.Method()), zap.String("route", route),
		zap.Int("status", status), zap.Float64("took_ms", float64(took.Microseconds())/1000),
		zap.Int("bytes", len(c.Response().Body()))}
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
	fields = append(fields, zap.String("code", string(p.Code)), zap.Error(p.cause))
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

// requestID is the client's own if it has the right form, else a new one.
func requestID(given string) string {
	if requestIDForm.MatchString(given) {
		return given
	}
	return social.NewID().String()
}

// engineLog puts what fasthttp says into the one log. It speaks of connections that broke off, which is normal.
type engineLog struct{ log *zap.Logger }

func (l engineLog) Printf(format string, args ...any) {
	l.log.Debug("http engine", zap.String("text", fmt.Sprintf(format, args...)))
}
