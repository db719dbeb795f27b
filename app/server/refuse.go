package server

import (
	"errors"
	"net"
	"os"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/modules/social"
)

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
