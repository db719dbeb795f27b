package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/plugins"
)

// cacheNever is the Cache-Control of every answer that does not say otherwise.
const cacheNever = "no-store"

// Deps is what a Server needs. Only Log, Clock and Metrics must be set.
type Deps struct {
	Site    social.Site
	Auth    Authenticator // nil = nobody can sign in
	Limits  *Limiter      // nil = nothing is limited
	Quota   *quota.Quota  // nil = nothing is counted
	Ready   *Readiness    // nil = always ready
	Log     *zap.Logger
	Clock   social.Clock
	Metrics prometheus.Registerer
	Spool   string // directory in which uploads are kept while they arrive; "" = that of the system

	Certificates string // directory of those that an authority gives; with server.tls.auto
}

// Server serves HTTP. Its life: New; Mount, then Register, each once, with everything that has routes; Serve;
// Drain; Shutdown. A request passes through, in this order: the framing guard, the request id, recover, CORS, and
// then what operate does for the routes of modules and front for those of channels.
type Server struct {
	cfg     Config
	origin  string
	cookie  string
	secure  bool // people come by https
	origins []string
	trusted []netip.Prefix
	auth    Authenticator
	limits  *Limiter
	quota   *quota.Quota
	ready   *Readiness
	clock   social.Clock
	log     *zap.Logger
	metrics *serverMetrics
	guard   guard
	detour  *detour
	slots   slots
	spool   string
	certs   certificates // nil = plain HTTP
	certify sync.WaitGroup

	fiber    *fiber.App
	doc      *huma.OpenAPI
	document func() ([]byte, error) // as clients see it
	api      huma.API
	late     *lateRoutes

	base     context.Context // ends when requests have to stop
	stop     context.CancelFunc
	draining atomic.Bool
	running  atomic.Int64 // requests in a handler
	conns    connections
	closing  lingering
	mu       sync.Mutex
	listener net.Listener
}

// New builds a server with the routes every site has: /healthz, /readyz, /problems/, /openapi.json and /docs. It opens
// nothing. It panics if Fiber would hand out strings that change after their request (I14): a mistake of ours.
func New(cfg Config, deps Deps) *Server {
	_, host, _ := strings.Cut(cfg.Origin(), "://")
	s := &Server{
		cfg: cfg, origin: cfg.Origin(), secure: cfg.Secure(), origins: cfg.CORSOrigins,
		cookie: social.Site{PublicURL: cfg.Origin()}.CookieName(),
		auth:   deps.Auth, limits: deps.Limits, quota: deps.Quota, ready: deps.Ready, clock: deps.Clock, log: deps.Log,
		spool: deps.Spool, certs: newCertificates(cfg, deps),
		guard: guard{hosts: newHosts(host, append(cfg.AllowedHosts, cfg.TLS.Hosts...)), limit: int(cfg.HeaderLimit)},
	}
	s.trusted, _ = trustedNetworks(cfg.TrustedProxies) // Validate has refused bad ones
	if s.auth == nil {
		s.auth = nobody{}
	}
	if s.limits == nil {
		s.limits = NewLimiter(LimitsConfig{}, s.clock)
	}
	if s.ready == nil {
		s.ready = NewReadiness()
		s.ready.Ready()
	}
	s.base, s.stop = context.WithCancel(context.Background())
	s.fiber = s.newFiber()
	if err := checkImmutable(s.fiber); err != nil {
		panic(err)
	}
	s.metrics = newServerMetrics(deps.Metrics, func() float64 {
		return float64(s.conns.count())
	}, s.certificateEnds)
	s.conns.limit, s.conns.share, s.conns.trusted = cfg.MaxConnections, cfg.MaxConnectionsPerAddress, s.trusted
	s.conns.displaced = s.metrics.displaced.Inc
	s.doc = newDocument(deps.Site)
	s.late = &lateRoutes{Router: s.fiber}
	s.api = s.newAPI(s.late)
	s.fiber.Use(s.observe, s.cors, asterisk)
	s.serveHealth()
	s.serveProblems()
	s.serveDocs(deps.Site)
	return s
}

// engineConcurrency is beyond what connections admits: the engine's own refusal is in no form of ours.
const engineConcurrency = 1 << 30

// newFiber makes the Fiber app and sets what Fiber leaves to fasthttp.
func (s *Server) newFiber() *fiber.App {
	a := fiber.New(fiber.Config{
		Immutable: true, CaseSensitive: true, StrictRouting: true, DisableStartupMessage: true, Network: "tcp",
		BodyLimit: int(s.cfg.BodyLimit), ReadBufferSize: int(s.cfg.HeaderLimit) + headerSlack,
		Concurrency: engineConcurrency,
		ReadTimeout: s.cfg.ReadTimeout, WriteTimeout: s.cfg.WriteTimeout, IdleTimeout: s.cfg.IdleTimeout,
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 s.fail,
	})
	f := a.Server()
	f.KeepHijackedConns = true // an event stream's socket belongs to its channel
	f.MaxConnsPerIP = 0        // its wrapper would hide the socket from the hijack
	f.CloseOnShutdown = true
	f.ReduceMemoryUsage = true // an idle connection keeps no buffers: 10 KB instead of 34 KB, at no cost that shows
	f.SecureErrorLogMessage = true
	f.Logger = engineLog{s.log}
	f.ConnState = s.conns.note
	f.ErrorHandler = func(c *fasthttp.RequestCtx, err error) {
		// The engine leaves the deadline of the read, which may be over.
		_ = c.Conn().SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) //nolint:forbidigo // sockets have the system's time
		if !errors.Is(err, net.ErrClosed) {                               // that was us
			s.refuse(c, parseFault(err))
		}
	}
	f.HeaderReceived = s.received
	f.ExpectHandler = s.expect
	route := f.Handler
	serve := func(c *fasthttp.RequestCtx) {
		joinLists(&c.Request.Header)
		decodePath(c.URI())
		route(c)
	}
	s.detour = s.newDetour(f, serve)
	f.Handler = func(c *fasthttp.RequestCtx) {
		away, gone := s.conns.begin(c.Conn())
		if gone {
			c.SetConnectionClose()
			return
		}
		if away {
			c.SetUserValue(localAway, true)
		}
		if fault := s.guard.check(c); fault != nil {
			s.refuse(c, fault)
			return
		}
		if !s.detour.take(c) {
			serve(c)
		}
	}
	return a
}

// Fiber is the app underneath, for tests and for the embedded web client. Routes added to it stand behind the
// guard, the request id and recover, and have to say themselves who may ask.
func (s *Server) Fiber() *fiber.App { return s.fiber }

// Mount adds the routes of channels. They come before those of modules, and behind front.
func (s *Server) Mount(routers ...plugins.Router) {
	for _, r := range routers {
		r.Routes(behind{Router: s.fiber, first: s.front}, s.doc)
	}
}

// Register adds the operations of modules. It panics, naming the operation, if one does not say who may call it.
// Paths without parameters come before paths with them, whatever the order of registration.
func (s *Server) Register(routes ...func(huma.API)) {
	for _, add := range routes {
		add(s.api)
	}
	for path, item := range s.doc.Paths {
		if item.Post != nil {
			if form, ok := item.Post.Metadata[social.MetaUpload].(social.UploadForm); ok {
				s.detour.add(path, form)
			}
		}
	}
	s.late.add()
}

// Listen opens the listener that the config names, and says how many connections the open-file limit allows.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	s.sayRoom()
	if s.certs != nil {
		if err := s.certs.open(); err != nil {
			return nil, err
		}
	}
	return listen(ctx, "server.listen", "--listen", s.cfg.Listen)
}

// Serve answers on ln until Drain or Shutdown closes it; nil then. It is called once.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.listener = ln
	ending := s.draining.Load()
	if s.certs != nil && !ending {
		s.certify.Go(func() { s.certs.run(s.base) })
	}
	s.mu.Unlock()
	if ending {
		_ = ln.Close() // Drain may have done it
		return nil
	}
	if _, err := s.document(); err != nil {
		return errors.Join(err, ln.Close())
	}
	limit := openFiles()
	s.conns.limit = places(limit, s.cfg)
	accepting := &frugal{Listener: ln, room: room(limit), limit: limit, makeRoom: s.conns.makeRoom,
		dropped: s.metrics.dropped.Inc, log: s.log, clock: s.clock}
	return s.fiber.Listener(listener{Listener: accepting, lingering: &s.closing, places: &s.conns,
		dropped: s.metrics.dropped.Inc, tls: s.tlsConfig()})
}

// Drain begins the shutdown without waiting: /readyz turns 503, the listener closes, and open connections close after
// their next answer.
func (s *Server) Drain() {
	s.ready.Drain()
	s.draining.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
}

// Shutdown waits until every request is answered. When ctx ends earlier, running requests are cancelled, requests still
// arriving are dropped, and ctx's error is returned. Silent connections close at once. Channels end their own streams.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	defer s.certify.Wait()
	defer s.stop()
	defer s.closing.stop()
	s.conns.close(true)
	err := s.fiber.Server().ShutdownWithContext(ctx)
	s.detour.stop(ctx)
	if err != nil && s.running.Load() == 0 {
		s.conns.close(false)
		return nil
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("server: shut down: %w", err)
	}
	return nil
}

// checkImmutable proves that a string taken from a request does not change with it.
func checkImmutable(a *fiber.App) error {
	var raw fasthttp.RequestCtx
	raw.Request.Header.Set("X-Probe", "before")
	c := a.AcquireCtx(&raw)
	defer a.ReleaseCtx(c)
	kept := c.Get("X-Probe")
	copy(raw.Request.Header.Peek("X-Probe"), "after!")
	if kept != "before" || !bytes.Equal(raw.Request.Header.Peek("X-Probe"), []byte("after!")) {
		return errors.New("fiber is not immutable: strings of a request would change after it")
	}
	return nil
}
