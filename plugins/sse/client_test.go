package sse

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/sse/frames"
	"github.com/belfry-social/belfry/plugins/sse/wire"
)

// patience bounds every wait for something that has to come.
const patience = 10 * time.Second

// site is a server with the channel, on a world.
type site struct {
	t       failer
	world   *world
	seats   *seats
	channel *Channel
	addr    string
	app     *fiber.App
	doc     *huma.OpenAPI
	metrics *prometheus.Registry
	stopped bool
	small   bool // new clients have a small receive buffer

	mu      sync.Mutex
	clients []*client
}

func (s *site) dialer() *net.Dialer {
	d := &net.Dialer{}
	if s.small {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF,
					2048)
			})
		}
	}
	return d
}

func testConfig() Config {
	cfg := defaults
	cfg.FinishTimeout = 200 * time.Millisecond
	return cfg
}

// serve starts a site and stops it when the test ends; no goroutine may be left then.
func serve(t testing.TB, w *world, cfg Config, before ...func(*site)) *site {
	t.Helper()
	s, stop := serveFor(t, t, w, cfg, before...)
	t.Cleanup(stop)
	return s
}

// failer is what a test and a property have in common.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// serveFor starts a site for a test or one run of a property.
func serveFor(t failer, logs testing.TB, w *world, cfg Config, before ...func(*site)) (*site, func()) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	s := &site{t: t, world: w, seats: newSeats(), doc: &huma.OpenAPI{}, metrics: prometheus.NewRegistry()}
	log := zap.NewNop()
	if testing.Verbose() {
		log = zaptest.NewLogger(logs, zaptest.Level(zap.WarnLevel))
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s.channel = newChannel(cfg, plugins.Env{Name: "sse", Log: log, Clock: time.Now, Metrics: s.metrics,
		History: w, Audiences: w, Connections: s.seats})
	for _, f := range before {
		f(s)
	}
	s.app = fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true, ErrorHandler: problem})
	s.app.Server().KeepHijackedConns = true
	s.app.Use(authenticate)
	s.channel.Routes(s.app, s.doc)
	s.app.Get("/v1/events", func(c *fiber.Ctx) error { return c.SendString(`{"items":[]}`) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	if err := s.channel.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.listen(s.channel)
	if overTLS {
		ln = tls.NewListener(ln, serverTLS())
	}
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(ln) }()
	return s, func() {
		for _, c := range s.clients {
			c.conn.Close()
		}
		s.stop()
		if err := s.app.ShutdownWithTimeout(patience); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
		w.close()
		if err := goleak.Find(leaks, goleak.IgnoreAnyFunction("github.com/gofiber/fiber/v2.(*App).ShutdownWithContext"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2")); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func (s *site) stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.channel.Stop(ctx); err != nil {
		s.t.Errorf("stop: %v", err)
	}
}

// inHub runs fn on the hub's goroutine and waits for it.
func (s *site) inHub(fn func(h *hub)) {
	done := make(chan struct{})
	if !s.channel.hub.do(func() { fn(s.channel.hub); close(done) }) {
		s.t.Fatal("the hub has ended")
	}
	<-done
}

// idle waits until no connection of the site waits for anything.
func (s *site) idle() {
	s.world.settle()
	for range 1_000_000 { // each turn goes round through the hub
		s.channel.gate.mu.Lock()
		quiet := s.channel.gate.inside == 0
		s.channel.gate.mu.Unlock()
		s.inHub(func(h *hub) {
			quiet = quiet && h.line.len() == 0 && h.askNext.len() == 0 && h.asked == 0 && h.readNext.len() == 0 && h.readOut == 0
		})
		if quiet {
			return
		}
	}
	s.t.Fatal("the hub does not come to rest")
}

// authenticate is the host's middleware in small: who asks stands in a header.
func authenticate(c *fiber.Ctx) error {
	a := social.Actor{}
	var n int
	switch who := c.Get("Test-User"); {
	case who == "service":
		a.ServiceID = id(9999)
	case strings.HasSuffix(who, "-suspended"):
		a.UserID, a.Suspended = id(1), true
	case strings.HasSuffix(who, "-read"):
		a.UserID, a.Scopes = id(1), []social.Scope{social.ScopeRead}
	case who != "":
		_, _ = fmt.Sscanf(who, "%d", &n)
		a.UserID = id(n)
	}
	if token := c.Get("Test-Token"); token != "" {
		_, _ = fmt.Sscanf(token, "%d", &n)
		a.TokenID = id(n)
	}
	ctx := social.WithAddress(social.WithRequestID(social.WithActor(c.UserContext(), a), "req-1"), "192.0.2.1")
	c.SetUserContext(ctx)
	c.Set("X-Request-Id", "req-1")
	c.Set("Access-Control-Allow-Origin", "https://app.example")
	return c.Next()
}

func problem(c *fiber.Ctx, err error) error {
	var f *social.Fault
	var fe *fiber.Error
	status := 500
	switch {
	case errors.As(err, &f):
		status = map[social.Code]int{social.CodeUnauthenticated: 401, social.CodeInsufficientScope: 403,
			social.CodeAccountSuspended: 403,
			social.CodeValidationFailed: 422, social.CodeNotAcceptable: 406}[f.Code]
		return c.Status(status).SendString(string(f.Code))
	case errors.As(err, &fe):
		status = fe.Code
	}
	return c.SendStatus(status)
}

// client is one connection, read by a strict parser.
type client struct {
	t      failer
	conn   net.Conn
	r      *bufio.Reader
	status string
	head   textproto.MIMEHeader
}

// ask sends a request and reads the head of the answer.
func (s *site) ask(method, path string, headers ...string) *client {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{t: s.t, conn: conn, r: bufio.NewReader(conn)}
	s.mu.Lock()
	s.clients = append(s.clients, c)
	s.mu.Unlock()
	c.send(method, path, headers...)
	return c
}

func (c *client) send(method, path string, headers ...string) {
	c.t.Helper()
	req := method + " " + path + " HTTP/1.1\r\nHost: x\r\n"
	for _, h := range headers {
		req += h + "\r\n"
	}
	if _, err := io.WriteString(c.conn, req+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	tp := textproto.NewReader(c.r)
	var err error
	if c.status, err = tp.ReadLine(); err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if c.head, err = tp.ReadMIMEHeader(); err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
}

const stream = "Accept: text/event-stream"

// open opens a stream of a person. query begins with "?" or is empty.
func (s *site) open(n int, query string, headers ...string) *client {
	s.t.Helper()
	return s.ask("GET", "/v1/events"+query, append([]string{stream, fmt.Sprintf("Test-User: %d", n)}, headers...)...)
}

// live opens a stream, reads ready and waits until the person's audience is known.
func (s *site) live(n int, query string, headers ...string) *client {
	s.t.Helper()
	c := s.open(n, query, headers...)
	c.expect("ready")
	s.idle()
	return c
}

// block is one dispatched event, by the strict parser.
type block struct {
	id, event, retry, data string
	raw                    string
}

// errSyntax is a break of the form of api.md 2.6; errCut says that the connection ended inside a block.
var (
	errSyntax = errors.New("not the form of a block")
	errCut    = errors.New("cut")
)

// next reads a block; heartbeats before it are counted in beats.
func (c *client) next() (b block, beats int, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	return parseBlock(c.r)
}

func parseBlock(r *bufio.Reader) (b block, beats int, err error) {
	last := -1
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if line != "" || b.raw != "" {
				return b, beats, fmt.Errorf("%w: %w: %q", errSyntax, errCut, b.raw+line)
			}
			return b, beats, err
		}
		if line == frames.Heartbeat && b.raw == "" {
			beats++
			continue
		}
		b.raw += line
		if line == "\n" {
			if b.event == "" || b.data == "" {
				return b, beats, fmt.Errorf("%w: without event or data: %q", errSyntax, b.raw)
			}
			return b, beats, nil
		}
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		place := map[string]int{"id": 0, "event": 1, "retry": 2, "data": 3}
		n, known := place[name]
		if !ok || !known || n <= last || strings.ContainsAny(value, "\r\x00") {
			return b, beats, fmt.Errorf("%w: line %q", errSyntax, line)
		}
		last = n
		switch name {
		case "id":
			b.id = value
		case "event":
			b.event = value
		case "retry":
			b.retry = value
		case "data":
			b.data = value
		}
	}
}

// expect reads the next block and asserts its event.
func (c *client) expect(typ string) block {
	c.t.Helper()
	b, _, err := c.next()
	if err != nil {
		c.t.Fatalf("waiting for %q: %v", typ, err)
	}
	if b.event != typ {
		c.t.Fatalf("got %q, want event %q", b.raw, typ)
	}
	return b
}

// ids reads until n events have come, or the one at a position, and gives their ids.
func (c *client) ids(n int) []string {
	c.t.Helper()
	var out []string
	for range n {
		b, _, err := c.next()
		if err != nil {
			c.t.Fatalf("after %v: %v", out, err)
		}
		out = append(out, b.id)
	}
	return out
}

// end asserts that the server closes cleanly, with nothing before but heartbeats.
func (c *client) end() {
	c.t.Helper()
	if b, _, err := c.next(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("got %q, %v; want the end", b.raw, err)
	}
}

func cursorOf(epoch uint32, p social.Position) string {
	return social.Cursor{Epoch: epoch, Seq: p}.String()
}

// holders are the names of those this system has.
func holders() []string {
	if wire.HaveEpoll {
		return []string{holderEpoll, holderGoroutine}
	}
	return []string{holderGoroutine}
}
