package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/app/config"
	"github.com/belfry-social/belfry/app/demo"
	"github.com/belfry-social/belfry/app/server"
	"github.com/belfry-social/belfry/app/web"
	"github.com/belfry-social/belfry/modules/delivery"
	"github.com/belfry-social/belfry/modules/media"
	"github.com/belfry-social/belfry/modules/people"
	"github.com/belfry-social/belfry/modules/posts"
	"github.com/belfry-social/belfry/modules/social"
	"github.com/belfry-social/belfry/modules/users"
	"github.com/belfry-social/belfry/plugins"
	"github.com/belfry-social/belfry/storage"
	"github.com/belfry-social/belfry/storage/outbox"
)

// program is everything that runs, with the order in which it starts and stops (I17).
type program struct {
	fx.In
	Options    Options
	Config     *config.Config
	Log        *zap.Logger
	Site       social.Site
	Stores     *stores
	Server     *server.Server
	Ready      *server.Readiness
	Registry   *prometheus.Registry
	Shutdowner fx.Shutdowner
	Guard      *plugins.Guard
	Delivery   *delivery.Service `optional:"true"`
	Users      *users.Service    `optional:"true"`
	Posts      *posts.Service    `optional:"true"`
	People     *people.Service   `optional:"true"`
	Media      *media.Service    `optional:"true"`
	Commands   *commands
	Demo       *demo.Demo           // nil = none was asked for
	Routes     []func(huma.API)     `group:"routes"`
	Migrations []storage.Migrations `group:"migrations"`
	Jobs       []social.Job         `group:"jobs"`
}

// step is one part of start and stop. The steps start in order and stop in the opposite one; stop is called for
// each step whose start was called, also when it failed.
type step struct {
	name    string
	start   func(context.Context) error
	stop    func(context.Context) error
	timeout time.Duration // of stop; the sum stays below stopTimeout
}

// run is what Fx invokes: it mounts all routes and hands the steps to the life cycle.
func run(lc fx.Lifecycle, p program) error {
	if err := socketFits(filepath.Join(p.Config.Storage.Data, socketFile)); err != nil {
		return err // before anything is made
	}
	if err := server.EnoughFiles(); err != nil {
		return err
	}
	channels, err := p.channels()
	if err != nil {
		return err
	}
	p.mount(channels)
	p.figures()
	if m := p.Options.Memory; m.Go > 0 {
		p.Log.Info("memory limit", zap.Int64("go_bytes", m.Go), zap.Int64("container_bytes", m.Container))
	}
	r := &runner{steps: p.steps(), log: p.Log, interrupt: p.Options.Interrupt}
	lc.Append(fx.Hook{OnStart: r.start, OnStop: r.stop})
	return nil
}

// channels builds the enabled ones and attaches them to delivery.
func (p *program) channels() ([]plugins.Channel, error) {
	if p.Delivery == nil {
		return nil, nil
	}
	var out []plugins.Channel
	for _, c := range p.Config.Channels {
		if !c.Enabled {
			continue
		}
		ch, err := c.Factory.BuildFrom(c.Settings, p.env(c.Key))
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.Key, err)
		}
		p.Delivery.Attach(c.Key, ch)
		out = append(out, ch)
	}
	return out, nil
}

// figures puts what the program and its channels tell of themselves into /metrics.
func (p *program) figures() {
	p.Registry.MustRegister(newFigures(p.Stores, p.Ready))
	ours := prometheus.WrapRegistererWithPrefix("belfry_", p.Registry)
	if p.Delivery != nil {
		ours.MustRegister(p.Delivery.Figures()...)
	}
	if p.Users != nil {
		ours.MustRegister(p.Users.Figures()...)
	}
	if p.Media != nil {
		ours.MustRegister(p.Media.Figures()...)
	}
}

func (p *program) env(name string) plugins.Env {
	return plugins.Env{
		Name: name, Version: p.Site.Version, PublicURL: p.Site.PublicURL, Log: p.Log.Named(name), Clock: p.Options.Clock,
		Metrics: prometheus.WrapRegistererWithPrefix("belfry_", p.Registry), Dial: p.Guard.Dial,
		History: p.Stores.log, Audiences: p.Delivery.Audiences, Connections: p.Delivery.Connections,
	}
}

// mount adds all routes: those of channels first, so that a stream is taken by its channel before the JSON ways.
func (p *program) mount(channels []plugins.Channel) {
	var routers []plugins.Router
	for _, c := range channels {
		if r, ok := c.(plugins.Router); ok {
			routers = append(routers, r)
		}
	}
	if p.Delivery != nil {
		routers = append(routers, server.RouterFunc(p.Delivery.EventRoutes))
	}
	p.Server.Mount(routers...)
	p.Server.Register(append(p.Routes, server.InstanceRoutes(p.instance(channels)))...)
	if p.Media != nil {
		p.Server.ServePictures(p.Media)
	}
	web.Routes(p.Server.Fiber(), p.Site, p.visitors())
}

// steps is the order of start; stop runs it backwards. Read from the bottom for the end of the program: not ready
// and no new connections, streams told to come back, requests finished, relay flushed, channels stopped, log
// closed, database closed.
func (p *program) steps() []step {
	s := p.Stores
	jobs := newJobs(p.allJobs(), p.Options.Clock, p.Log.Named("jobs"))
	p.Registry.MustRegister(jobs.failed)
	steps := []step{
		{name: "database", start: s.openDB, stop: s.close, timeout: 2 * time.Second},
	}
	if p.Config.Admin.Enabled {
		admin := server.NewAdmin(p.Config.Admin, p.Ready, p.Registry)
		var ended <-chan struct{}
		steps = append(steps, step{name: "admin listener", timeout: time.Second,
			start: func(ctx context.Context) (err error) { _, ended, err = p.serve(ctx, "admin", admin); return err },
			stop: func(ctx context.Context) error {
				err := admin.Shutdown(ctx)
				if ended != nil {
					<-ended
				}
				return err
			}})
	}
	steps = append(steps,
		step{name: "tables", start: func(ctx context.Context) error { return s.migrate(ctx, p.Migrations) }},
		step{name: "event log", start: s.openEvents},
		step{name: "half-done work", start: p.finish},
		step{name: "relay", start: func(ctx context.Context) error {
			if err := s.relay.CatchUp(ctx); err != nil {
				return err
			}
			s.relay.Start()
			return nil
		}},
	)
	if p.Delivery != nil {
		steps = append(steps,
			step{name: "channels", start: p.Delivery.Start, stop: p.Delivery.Stop, timeout: 2 * time.Second})
	}
	steps = append(steps,
		step{name: "relay flush", stop: s.relay.Stop, timeout: 2 * time.Second},
		step{name: "jobs", start: jobs.start, stop: jobs.stop, timeout: time.Second},
		step{name: "command socket", start: p.Commands.listen, stop: p.Commands.close, timeout: time.Second / 2},
		step{name: "requests", stop: p.Server.Shutdown, timeout: 2 * time.Second},
		step{name: "pictures", stop: p.endPictures, timeout: time.Second / 2}, // requests wait for them
		step{name: "streams", stop: p.drain, timeout: 2 * time.Second},
		step{name: "listener", timeout: time.Second,
			start: func(ctx context.Context) error {
				address, _, err := p.serve(ctx, "server", p.Server)
				if err != nil {
					return err
				}
				p.Ready.Ready()
				p.welcome(address)
				return nil
			},
			stop: func(ctx context.Context) error { p.Server.Drain(); return nil }},
		step{name: "watch", start: func(context.Context) error { p.watch(); return nil }},
	)
	if p.Demo != nil {
		steps = append(steps, step{name: "demo", start: p.Demo.Start, stop: p.Demo.Stop, timeout: time.Second / 2})
	}
	return steps
}

// finish ends what an earlier process has left half done; what it announces, the relay's CatchUp brings to the log.
func (p *program) finish(ctx context.Context) error {
	for _, job := range p.Jobs {
		for more := job.AtStart; more; {
			var err error
			if more, err = job.Run(ctx); err != nil {
				return fmt.Errorf("%s: %w", job.Name, err)
			}
		}
	}
	return nil
}

func (p *program) drain(ctx context.Context) error {
	if p.Delivery != nil {
		p.Delivery.Drain(ctx)
	}
	return nil
}

func (p *program) endPictures(ctx context.Context) error {
	if p.Media != nil {
		return p.Media.Stop(ctx)
	}
	return nil
}

// allJobs are those of the modules and of the stores.
func (p *program) allJobs() []social.Job {
	s, keep := p.Stores, p.Config.Storage.Log.Retention
	return append(p.Jobs, outbox.TrimJob(s.db, s.log, s.clock, keep.Age, int64(keep.Bytes)), outbox.EraseJob(s.db, s.log),
		s.trimOnce(), newFootprint().Job())
}

// welcome says in one line where to look and how to begin.
func (p *program) welcome(address string) {
	if p.Options.Welcome != nil {
		p.Options.Welcome(fmt.Sprintf("Belfry is at %[1]s: make an account there, or see %[1]s/docs for the API.",
			p.Site.PublicURL), address)
	}
}

// serve listens and answers on a goroutine, until l is shut down.
func (p *program) serve(ctx context.Context, name string, l interface {
	Listen(ctx context.Context) (net.Listener, error)
	Serve(ln net.Listener) error
}) (address string, ended <-chan struct{}, err error) {
	ln, err := l.Listen(ctx)
	if err != nil {
		return "", nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Serve(ln); err != nil {
			p.fail(err)
		}
	}()
	address = ln.Addr().String()
	p.Log.Info("listening", zap.String("listener", name), zap.String("address", address))
	return address, done, nil
}

// watch ends the program when a store has failed: an answer after that could not be kept (I9).
func (p *program) watch() {
	go func() {
		select {
		case <-p.Stores.failed():
			p.fail(storage.ErrFailed)
		case <-p.Stores.relay.Done():
			if err := p.Stores.relay.Err(); err != nil {
				p.fail(err)
			}
		}
	}()
}

// fail ends the program with exit code 1. From this moment it takes no new connections and is not ready.
func (p *program) fail(err error) {
	p.Server.Drain()
	p.Log.Error("ending", zap.Error(err))
	_ = p.Shutdowner.Shutdown(fx.ExitCode(cli.ExitFailed)) // fails only when the end has begun already
}

// runner starts and stops steps.
type runner struct {
	steps     []step
	begun     int
	log       *zap.Logger
	interrupt context.Context    //nolint:containedctx // see Options
	cancel    context.CancelFunc // ends what the steps were started with; nil = start was not called
}

func (r *runner) start(ctx context.Context) error {
	ctx, r.cancel = context.WithCancel(ctx)
	if r.interrupt != nil {
		defer context.AfterFunc(r.interrupt, r.cancel)()
	}
	for i, s := range r.steps {
		r.begun = i + 1
		if s.start == nil {
			continue
		}
		if err := s.start(ctx); err != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			return errors.Join(fmt.Errorf("start: %s: %w", s.name, err), r.stop(stopping))
		}
	}
	return nil
}

// stop gives each step its own deadline; one that does not make it is named and left behind.
func (r *runner) stop(ctx context.Context) error {
	var errs []error
	if r.cancel != nil {
		defer r.cancel()
	}
	for i := r.begun - 1; i >= 0; i-- {
		s := r.steps[i]
		if s.stop == nil {
			continue
		}
		stepCtx, cancel := context.WithTimeout(ctx, s.timeout)
		began := time.Now()
		if err := s.stop(stepCtx); err != nil {
			errs = append(errs, fmt.Errorf("stop: %s: %w", s.name, err))
		}
		cancel()
		r.log.Debug("stopped", zap.String("step", s.name), zap.Int64("took_ms", time.Since(began).Milliseconds()))
	}
	r.begun = 0
	return errors.Join(errs...)
}
