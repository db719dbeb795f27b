package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// AdminConfig is the section "admin": the operator's listener. It has no authentication and belongs on loopback or a
// private network.
type AdminConfig struct {
	Enabled      bool     `yaml:"enabled"`
	Listen       string   `yaml:"listen"`        // host and port
	AllowedHosts []string `yaml:"allowed_hosts"` // further host names, without ports; others get 400
}

func DefaultAdminConfig() AdminConfig {
	return AdminConfig{Enabled: true, Listen: "127.0.0.1:8081", AllowedHosts: []string{}}
}

func (c AdminConfig) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); c.Enabled && err != nil {
		return errors.New("listen: must be host:port")
	}
	return validateHosts(c.AllowedHosts)
}

const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// serveHealth adds /healthz and /readyz, the latter without details, which are for the operator.
func (s *Server) serveHealth() {
	s.get(healthPath, func(c *fiber.Ctx) error {
		return c.JSON(fiber.Map{"status": "ok"})
	})
	s.get(readyPath, func(c *fiber.Ctx) error {
		state, ok, _ := s.ready.Report()
		return c.Status(readyStatus(ok)).JSON(fiber.Map{"status": state})
	})
}

func readyStatus(ok bool) int {
	if ok {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// Admin serves the operator: /healthz, /readyz with every check, /metrics and /debug/pprof/. It is not behind the
// public server's limits, so it answers while that one is overloaded.
type Admin struct {
	listen string
	http   *http.Server
}

// NewAdmin makes the listener's server; it opens nothing.
func NewAdmin(cfg AdminConfig, ready *Readiness, metrics prometheus.Gatherer) *Admin {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET "+readyPath, func(w http.ResponseWriter, _ *http.Request) {
		state, ok, results := ready.Report()
		writeStatus(w, readyStatus(ok), map[string]any{"status": state, "checks": results})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Admin{listen: cfg.Listen, http: &http.Server{
		Handler:           byHost(newHosts(cfg.Listen, cfg.AllowedHosts), mux),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
	}}
}

// byHost refuses hosts other than addresses, loopback and those named (DNS rebinding). A request without a host, which
// only HTTP/1.0 may be, is no browser's.
func byHost(known hosts, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := netip.ParseAddr(hostName(r.Host)); err != nil && r.Host != "" && !known.allows(r.Host) {
			http.Error(w, "this host is not served here: see admin.allowed_hosts", http.StatusBadRequest)
			return
		}
		if !ownPage(r) {
			http.Error(w, "pages of other sites may not ask here", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", cacheNever)
		next.ServeHTTP(w, r)
	})
}

// ownPage reports that no page of another site has a browser ask: a profile takes half a minute of the processor.
// Pages of the public listener are another site's here.
func ownPage(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host
}

func writeStatus(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// Handler is what the listener serves, for tests.
func (a *Admin) Handler() http.Handler { return a.http.Handler }

// Listen opens the listener that the config names.
func (a *Admin) Listen(ctx context.Context) (net.Listener, error) {
	return listen(ctx, "admin.listen", "--admin", a.listen)
}

// Serve answers on ln until Shutdown; nil then.
func (a *Admin) Serve(ln net.Listener) error {
	if err := a.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin: serve: %w", err)
	}
	return nil
}

// Shutdown waits for what is being answered until ctx ends, and closes what is left then.
func (a *Admin) Shutdown(ctx context.Context) error {
	if err := a.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("admin: shut down: %w", err), a.http.Close())
	}
	return nil
}
