package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"golang.org/x/term"

	"github.com/belfry-social/belfry/app/bench"
	"github.com/belfry-social/belfry/app/cli"
	"github.com/belfry-social/belfry/app/config"
)

// shell answers the command line.
type shell struct {
	parts   []fx.Option
	environ []string
	streams cli.Streams
}

func (s *shell) program() cli.Program {
	d := config.Default()
	return cli.Program{
		Version: versionInfo(),
		Defaults: map[string]string{"storage.data": d.Storage.Data, "server.listen": d.Server.Listen,
			"admin.listen": d.Admin.Listen},
		Serve:         s.serve,
		Settings:      s.settings,
		Call:          s.call,
		Backup:        s.backup,
		Restore:       s.restore,
		Address:       s.address,
		Bench:         s.bench,
		IsConfigError: func(err error) bool { return errors.Is(err, config.ErrInvalid) || errors.Is(err, bench.ErrUsage) },
	}
}

func (s *shell) options(f cli.Flags) Options {
	file := f.Config
	for _, kv := range s.environ {
		if name, ok := strings.CutPrefix(kv, "BELFRY_CONFIG="); ok && file == "" {
			file = name
		}
	}
	room := findMemory(s.environ)
	return Options{
		Source: config.Source{File: file, Environ: s.environ, Flags: f.Set, ReadFile: os.ReadFile, Memory: room.Go},
		Memory: room,
		Clock:  time.Now,
		Err:    s.streams.Err,
	}
}

// serve runs the server until ctx ends or a part of it fails.
func (s *shell) serve(ctx context.Context, f cli.Flags, withDemo bool) error {
	// A reader of the log that goes away, or the end of the terminal, is no reason to end.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	out := newLines(s.streams.Out)
	out.begin()
	defer out.close()
	if errs, ok := s.streams.Err.(*lines); ok {
		errs.begin()
	}
	o := s.options(f)
	if o.Memory.Go > 0 {
		debug.SetMemoryLimit(o.Memory.Go)
	}
	o.Hashes = o.Memory.shareCores(s.environ)
	o.Demo, o.Interrupt = withDemo, ctx
	o.Welcome = func(line, _ string) { fmt.Fprintln(out, line) }
	app := New(o, s.parts...)
	if err := app.Err(); err != nil {
		return dig.RootCause(err)
	}
	starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	if err := app.Start(starting); ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // it was told to end, and has
	} else if err != nil {
		return dig.RootCause(err)
	}
	var failed bool
	select {
	case <-ctx.Done():
	case sig := <-app.Wait():
		failed = sig.ExitCode != cli.ExitOK
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := app.Stop(stopping); err != nil {
		return err
	}
	if failed {
		return errors.New("the server could not go on; the reason is in its log")
	}
	return nil
}

func (s *shell) settings(f cli.Flags) ([]cli.Setting, error) {
	_, list, err := s.load(f)
	if err != nil {
		return nil, err
	}
	out := make([]cli.Setting, len(list))
	for i, l := range list {
		out[i] = cli.Setting(l)
	}
	return out, nil
}

// load constructs nothing but the configuration.
func (s *shell) load(f cli.Flags) (*config.Config, settings, error) {
	var c *config.Config
	var list settings
	app := fx.New(wiring(s.options(f), s.parts...), fx.NopLogger, fx.Populate(&c, &list))
	if err := app.Err(); err != nil {
		return nil, nil, dig.RootCause(err)
	}
	return c, list, nil
}

// address is where the server of this configuration is reached from this machine, and by which client.
func (s *shell) address(f cli.Flags) (string, *http.Client, error) {
	c, _, err := s.load(f)
	if err != nil {
		return "", nil, err
	}
	return c.Server.Near()
}

// askPassword reads a password from the terminal without showing it.
func askPassword(prompt string) (string, error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return "", errors.New("standard input is no terminal")
	}
	_, _ = os.Stderr.WriteString(prompt)
	b, err := term.ReadPassword(fd)
	_, _ = os.Stderr.WriteString("\n")
	return string(b), err
}

// bench runs the load tool, which measures this very program in a process of its own.
func (s *shell) bench(ctx context.Context, args []string) error {
	info := versionInfo()
	return bench.Run(ctx, bench.Options{
		Out: s.streams.Out, Err: s.streams.Err, Terminal: s.streams.Terminal,
		Version: strings.TrimSpace(info["version"] + " " + info["revision"]), Environ: s.environ,
	}, args)
}
