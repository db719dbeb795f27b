package app

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/app/demo"
	"github.com/belfry-social/belfry/app/quota"
	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/delivery/dispatch"
	"github.com/belfry-social/belfry/modules/delivery/reading"
	"github.com/belfry-social/belfry/modules/event"
	"github.com/belfry-social/belfry/modules/follows"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/notifications"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/plugins/logging"
	"github.com/belfry-social/belfry/plugins/sse"
	"github.com/belfry-social/belfry/plugins/webhook"
	"github.com/belfry-social/belfry/storage"
)

// Standard is what the shipped program is made of, in no particular order. Everything but users and posts may be
// left out; the rest still starts.
func Standard() []fx.Option {
	return []fx.Option{
		users.Module,
		posts.Module,
		follows.Module,
		people.Module,
		media.Module,
		notifications.Module,
		delivery.Module,
		sse.Module,
		logging.Module,
		webhook.Module,
	}
}

// Main is the whole program: the standard parts and extra ones, driven by the command line. It does not return.
func Main(extra ...fx.Option) { MainWith(append(Standard(), extra...)...) }

// MainWith is Main with the parts given instead of the standard ones.
func MainWith(parts ...fx.Option) {
	ctx, stop := signals()
	defer stop()
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: isTerminal(os.Stderr),
		Password: askPassword}
	os.Exit(Run(ctx, os.Args[1:], os.Environ(), streams, parts...))
}

// Run is one command line: it returns the exit code. Tests call it; Main does with the process's own arguments. A
// server does not wait for standard error, which may be a pipe without a reader.
func Run(ctx context.Context, args, environ []string, streams cli.Streams, parts ...fx.Option) int {
	out := newLines(streams.Err)
	defer out.close()
	streams.Err = out
	p := &shell{parts: parts, environ: environ, streams: streams}
	return cli.Execute(ctx, p.program(), args, streams)
}

// signals gives a context that the first SIGINT or SIGTERM ends. A second one ends the process at once: every
// store survives that.
func signals() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ch
		cancel()
		<-ch
		os.Exit(cli.ExitFailed)
	}()
	return ctx, func() { signal.Stop(ch); cancel() }
}

// Options are what New needs beside the parts.
type Options struct {
	Source config.Source
	Clock  social.Clock
	Log    *zap.Logger // nil = made as the configuration says, on Err
	Err    io.Writer   // where the log goes
	Demo   bool
	Memory memory // as found by the command line; zero = no limit
	Hashes int    // passwords hashed at once; 0 = one for two cores
	// Interrupt, when it ends, gives up a start that is under way: what was begun is stopped, and Start gives
	// context.Canceled. nil = nothing does.
	Interrupt context.Context //nolint:containedctx // of the process; Fx would leave a start whose own context ends
	// Welcome is called once the server listens, with a line for people and the address. nil = nobody is told.
	Welcome func(line, address string)

	Hooks Hooks // failpoints of the stores; zero in production
}

// startTimeout bounds the start: a rebuild of a large log is inside.
const startTimeout = 30 * time.Minute

// stopTimeout bounds the stop (I17); the steps' own deadlines add up to less.
const stopTimeout = 15 * time.Second

// New wires a server of parts. Nothing is opened before its Start.
func New(o Options, parts ...fx.Option) *fx.App { return fx.New(wiring(o, parts...), fx.Invoke(run)) }

// Validate reports whether the parts fit together, without making anything.
func Validate(o Options, parts ...fx.Option) error {
	return dig.RootCause(fx.ValidateApp(wiring(o, parts...), fx.Invoke(run))) // not the chain of constructors
}

func wiring(o Options, parts ...fx.Option) fx.Option {
	log := &fxLog{}
	return fx.Options(
		fx.WithLogger(func() fxevent.Logger { return log }),
		fx.Invoke(log.use),
		fx.StartTimeout(startTimeout),
		fx.StopTimeout(stopTimeout),
		fx.Supply(o, o.Clock, &event.Bus{}),
		fx.Provide(newConfig, newLogger, server.NewRegistry, newStores, newReadiness, newServer, newCommands, newDemo),
		fx.Provide(fx.Annotate((*stores).wipeJobs, fx.ResultTags(`group:"jobs,flatten"`))),
		fx.Provide(
			func(c *config.Config) social.Site {
				return social.Site{Name: "Belfry", PublicURL: c.Server.Origin(), Version: Version()}
			},
			func(c *config.Config) *plugins.Guard { return plugins.NewGuard(c.Delivery.AttemptsPerTarget) },
			func(c *config.Config, now social.Clock) *server.Limiter { return server.NewLimiter(c.Limits, now) },
			newQuota,
			// A module takes the LogReader. The whole log is for tests, which look behind it.
			func(s *stores) (storage.DB, *eventLog, storage.Log, storage.LogReader, *social.PageCursors) {
				return s.db, s.log, s.log, s.log, s.pages
			},
			func(o Options, c *config.Config) (users.Config, posts.Config, follows.Config, notifications.Config,
				media.Config, delivery.Config) {
				accounts := c.Users
				accounts.Hashes = o.Hashes
				accounts.Registration = users.Mode(c.Registration.Mode)
				caps := reading.Caps{MaxStreams: c.Server.MaxStreams, MaxStreamsPerPerson: c.Server.MaxStreamsPerPerson}
				pictures := c.Media
				pictures.Dir = cmp.Or(pictures.Dir, filepath.Join(c.Storage.Data, mediaDir))
				return accounts, c.Posts, c.Follows, c.Notifications, pictures, delivery.Config{Config: c.Delivery, Caps: caps}
			},
		),
		fx.Options(parts...),
		bindings(),
	)
}

// settings is every key of the configuration, as loaded.
type settings []config.Setting

func newConfig(o Options, in struct {
	fx.In
	Factories []plugins.Factory `group:"channels"`
}) (*config.Config, settings, error) {
	return config.Load(o.Source, in.Factories)
}

func newReadiness(s *stores, in struct {
	fx.In
	Delivery *delivery.Service `optional:"true"`
}) *server.Readiness {
	checks := s.checks()
	if in.Delivery != nil {
		checks = append(checks, server.Check{Name: "channels", Probe: func() (string, error) {
			return probeChannels(in.Delivery.Health())
		}})
	}
	return server.NewReadiness(checks...)
}

// probeChannels names the channels that are not well. One bad channel degrades the server and does not stop it.
func probeChannels(list []dispatch.Health) (string, error) {
	var names, bad []string
	for _, h := range list {
		names = append(names, h.Name)
		if !h.OK() {
			bad = append(bad, h.Name+" is "+h.State+": "+h.Detail)
		}
	}
	if len(bad) > 0 {
		return "", errors.New(strings.Join(bad, "; "))
	}
	return strings.Join(names, ", "), nil
}

func newServer(c *config.Config, log *zap.Logger, in struct {
	fx.In
	Site    social.Site
	Limits  *server.Limiter
	Quota   *quota.Quota
	Ready   *server.Readiness
	Clock   social.Clock
	Metrics *prometheus.Registry
	Users   *users.Service `optional:"true"`
}) *server.Server {
	deps := server.Deps{Site: in.Site, Limits: in.Limits, Quota: in.Quota, Ready: in.Ready, Log: log.Named("http"),
		Clock: in.Clock, Metrics: in.Metrics, Spool: filepath.Join(c.Storage.Data, spoolDir),
		Certificates: filepath.Join(c.Storage.Data, certificatesDir)}
	if in.Users != nil {
		deps.Auth = in.Users
	}
	return server.New(c.Server, deps)
}

// newQuota counts what the database is told to write. Switched off limits leave the reserve of the disk.
func newQuota(c *config.Config, s *stores, now social.Clock, metrics *prometheus.Registry) *quota.Quota {
	cfg, keep := c.Quota, c.Storage.Log.Retention
	if !c.Limits.Enabled {
		cfg = quota.Config{DiskReserve: cfg.DiskReserve}
	}
	s.db.quota = quota.New(cfg, quota.Log{Bytes: keep.Bytes, Age: keep.Age}, now,
		func() (uint64, bool) { free, _, known := diskSpace(c.Storage.Data); return free, known }, metrics)
	return s.db.quota
}

// newDemo gives nil when no demo was asked for.
func newDemo(o Options, c *config.Config, site social.Site, log *zap.Logger, in struct {
	fx.In
	Users   *users.Service   `optional:"true"`
	Posts   *posts.Service   `optional:"true"`
	Follows *follows.Service `optional:"true"`
	Media   *media.Service   `optional:"true"`
}) (*demo.Demo, error) {
	if !o.Demo {
		return nil, nil
	}
	if in.Users == nil || in.Posts == nil || in.Follows == nil {
		return nil, errors.New("demo: needs the modules users, posts and follows")
	}
	bar := isTerminal(o.Err) && !log.Core().Enabled(zap.InfoLevel) // else the lines of events would run through it
	return demo.New(demo.Deps{Config: c.Demo, Users: in.Users, Posts: in.Posts, Follows: in.Follows,
		Media: in.Media,
		Log:   log.Named("demo"), Address: site.PublicURL, Out: o.Err, Bar: bar}), nil
}

var _ server.Authenticator = (*users.Service)(nil)
