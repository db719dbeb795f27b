package server

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/belfry-social/belfry/modules/social"
)

// detour takes requests with uploads to an engine of their own. The engine of all others reads a body into memory
// before a handler runs, before anybody has asked who sends it. So it reads only the head of such a request: it is told
// that there is no body (divert), and hands the connection over (take). The second engine is given the head once more,
// without what says that a body follows, serves that one request through the same handlers, and closes; the
// handler that wants the body reads it from the connection (replayed.body). Safe for concurrent use.
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
		WriteTimeout: like.WriteTimeout, DisableKeepalive: true, DisablePreParseMultipartForm: true,
		SecureErrorLogMessage: true, Logger: like.Logger, NoDefaultServerHeader: true}
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
	again := &replayed{size: -2}
	again.head = append(append(again.head, h.Method()...), ' ')
	again.head = append(append(append(append(again.head, h.RequestURI()...), ' '), h.Protocol()...), "\r\n"...)
	for line := range bytes.Lines(h.RawHeaders()) {
		if !again.frames(line, h.IsHTTP11()) {
			again.head = append(again.head, line...)
		}
	}
	again.head = append(bytes.TrimRight(again.head, "\r\n"), "\r\n\r\n"...)
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
		again.Conn = taken
		_ = d.engine.ServeConn(again) // what went wrong has been answered or nobody hears it
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

// replayed is a connection whose first bytes have been read before. After the head it gives nothing to the engine: what
// follows is for body.
type replayed struct {
	net.Conn
	head []byte
	size int64 // of the body; -1 = it comes in chunks, -2 = there is none
	asks bool  // the client waits until it is told to go on
}

// frames takes note of a header line that says how a body follows.
func (r *replayed) frames(line []byte, http11 bool) bool {
	name, value, _ := strings.Cut(string(line), ":")
	value = strings.TrimSpace(value)
	switch strings.ToLower(name) {
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 64) // the first engine has read it before
		if r.size = n; err != nil {
			r.size = math.MaxInt64
		}
	case "transfer-encoding":
		r.size = -1 // the guard lets nothing through but chunked
	case "expect":
		r.asks = http11 && strings.EqualFold(value, "100-continue")
	default:
		return false
	}
	return true
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}

// body is the body, after the client was told to send it if it asks. It is called once.
func (r *replayed) body() (io.Reader, error) {
	if r.asks {
		if _, err := io.WriteString(r.Conn, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, err
		}
	}
	switch r.size {
	case -2:
		return bytes.NewReader(nil), nil
	case -1:
		return httputil.NewChunkedReader(r.Conn), nil
	}
	return io.LimitReader(r.Conn, r.size), nil
}

// allRead tells the connection below that nothing of the request is left in it. Behind chunks there may be something.
func (r *replayed) allRead() {
	taken, ok := r.Conn.(interface{ UnsafeConn() net.Conn })
	if !ok || r.size == -1 {
		return
	}
	if k, ok := taken.UnsafeConn().(*conn); ok {
		k.unread.Store(false)
	}
}

// add notes an operation that receives a form.
func (d *detour) add(path string, form social.UploadForm) {
	room := form.MaxBytes + formRoom
	for _, f := range form.Fields {
		room += int64(f.Max)
	}
	d.limits[path] = room
}
