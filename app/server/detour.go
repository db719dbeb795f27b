package server

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
)

// detour takes requests with uploads to an engine of their own. The engine of all others reads a body into memory before
// a handler runs, before anybody has asked who sends it, and gives a connection's buffers back between two requests; one
// that streams bodies does neither. So the first reads only the head of such a request: it is told that there is no body
// (divert), and hands the connection over (take) with the head before what follows. The second serves that one request
// through the same handlers and closes. Safe for concurrent use.
type detour struct {
	engine *fasthttp.Server
	limits map[string]int64 // most bytes of a body, by path of a POST; not changed once the server serves

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	ended bool
	done  sync.WaitGroup
}

// formRoom is what a form may take beside its file and its fields.
const formRoom = 8 << 10

// newDetour makes the second engine like the first one.
func (s *Server) newDetour(like *fasthttp.Server, handler fasthttp.RequestHandler) *detour {
	d := &detour{limits: map[string]int64{}, open: map[net.Conn]struct{}{}}
	d.engine = &fasthttp.Server{Handler: handler, ErrorHandler: like.ErrorHandler, HeaderReceived: readTokens,
		Concurrency: engineConcurrency, ReadBufferSize: like.ReadBufferSize, ReadTimeout: like.ReadTimeout,
		WriteTimeout: like.WriteTimeout, StreamRequestBody: true, MaxRequestBodySize: formRoom, DisableKeepalive: true,
		DisablePreParseMultipartForm: true, SecureErrorLogMessage: true, Logger: like.Logger, NoDefaultServerHeader: true}
	d.engine.ExpectHandler = func(c *fasthttp.RequestCtx) int { return s.expectWithin(c, d.limitOf(&c.Request.Header)) }
	return d
}

// limitOf is the most bytes of a request's body, 0 if it is none with an upload.
func (d *detour) limitOf(h *fasthttp.RequestHeader) int64 {
	if len(d.limits) == 0 || !h.IsPost() {
		return 0
	}
	path, _, _ := strings.Cut(string(h.RequestURI()), "?")
	return d.limits[path]
}

// divert is called when a head is read: the body of an upload stays where it is.
func (d *detour) divert(h *fasthttp.RequestHeader) {
	if d.limitOf(h) > 0 {
		h.Del(fiber.HeaderExpect)
		h.SetContentLength(0)
	}
}

// take hands a request over, and reports whether it has an upload.
func (d *detour) take(c *fasthttp.RequestCtx) bool {
	h := &c.Request.Header
	if d.limitOf(h) == 0 {
		return false
	}
	head := make([]byte, 0, len(h.RawHeaders())+256)
	head = append(append(head, h.Method()...), ' ')
	head = append(append(append(append(head, h.RequestURI()...), ' '), h.Protocol()...), "\r\n"...)
	head = append(bytes.TrimRight(append(head, h.RawHeaders()...), "\r\n"), "\r\n\r\n"...)
	if k, ok := c.Conn().(*conn); ok {
		k.unread.Store(true) // until the whole form is read
	}
	c.HijackSetNoResponse(true)
	c.Hijack(func(taken net.Conn) {
		if !d.enter(taken) {
			_ = taken.Close()
			return
		}
		defer d.leave(taken)
		_ = d.engine.ServeConn(&replayed{Conn: taken, head: head}) // what went wrong has been answered or nobody hears it
	})
	return true
}

func (d *detour) enter(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return false
	}
	d.open[c] = struct{}{}
	d.done.Add(1)
	return true
}

func (d *detour) leave(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
	d.done.Done()
}

// stop lets nobody begin any more, waits for those who have until ctx ends, and then closes their connections.
func (d *detour) stop(ctx context.Context) {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	done := make(chan struct{})
	go func() { d.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		for c := range d.open {
			_ = c.Close()
		}
	}
}

// replayed is a connection whose first bytes have been read before.
type replayed struct {
	net.Conn
	head []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}

// allRead tells the connection below that nothing of the request is left in it.
func (r *replayed) allRead() {
	taken, ok := r.Conn.(interface{ UnsafeConn() net.Conn })
	if !ok {
		return
	}
	if k, ok := taken.UnsafeConn().(*conn); ok {
		k.unread.Store(false)
	}
}

// expectWithin answers Expect: 100-continue: the body may come only if the request could be served with it. Every
// other answer ends the connection, because the body may be on its way already.
func (s *Server) expectWithin(c *fasthttp.RequestCtx, limit int64) int {
	fault := s.guard.check(c)
	if fault == nil && int64(c.Request.Header.ContentLength()) > limit {
		fault = routerFault(fiber.StatusRequestEntityTooLarge)
	}
	if fault == nil {
		return fasthttp.StatusContinue
	}
	s.refuse(c, fault)
	return c.Response.StatusCode()
}

// add notes an operation that receives a form.
func (d *detour) add(path string, form social.UploadForm) {
	room := form.MaxBytes + formRoom
	for _, f := range form.Fields {
		room += int64(f.Max)
	}
	d.limits[path] = room
}
