package app

import (
	"io"
	"os"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/belfry-social/belfry/app/config"
)

// newLogger makes the one logger of the program: console lines on a terminal, JSON elsewhere, on standard error.
func newLogger(o Options, c *config.Config, metrics *prometheus.Registry) (*zap.Logger, error) {
	queue, _ := o.Err.(*lines) // nil = whoever made the options takes every line
	metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "belfry_log_dropped_lines_total",
		Help: "Lines of the log dropped because standard error did not take them."},
		func() float64 { return float64(queue.lost()) }))
	if o.Log != nil {
		return o.Log, nil
	}
	level, err := zapcore.ParseLevel(c.Log.Level)
	if err != nil {
		return nil, err // Validate has refused it before
	}
	if o.Demo && isTerminal(o.Err) && c.Log.Level == config.Default().Log.Level {
		level = zap.WarnLevel // a newcomer is to see the address and the account
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if c.Log.Format == "console" || (c.Log.Format == "auto" && isTerminal(o.Err)) {
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	log := zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(o.Err)), level))
	if queue != nil {
		queue.onDrop(func(n uint64) { log.Warn("log lines dropped: nobody took them in time", zap.Uint64("lines", n)) })
	}
	if len(c.Ignored) > 0 {
		log.Debug("environment variables ignored: they name no section of the configuration",
			zap.Strings("variables", c.Ignored))
	}
	return log, nil
}

// fxLog is where Fx writes: into the program's log at debug, and nowhere before that exists. Were it built from the
// log itself, a configuration that cannot be used would make Fx write its whole chain to standard error; the cause
// is printed once, at the end.
type fxLog struct{ to *fxevent.ZapLogger }

// use is the first thing Fx invokes.
func (l *fxLog) use(log *zap.Logger) {
	l.to = &fxevent.ZapLogger{Logger: log.Named("fx")}
	l.to.UseLogLevel(zap.DebugLevel)
	l.to.UseErrorLevel(zap.DebugLevel)
}

func (l *fxLog) LogEvent(e fxevent.Event) {
	if l.to != nil {
		l.to.LogEvent(e)
	}
}

func isTerminal(w io.Writer) bool {
	if queue, ok := w.(*lines); ok {
		w = queue.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Version is the module's version as the Go toolchain recorded it; "0.1.0-dev" for a build from a work tree.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "0.1.0-dev"
}

// versionInfo is what `belfry version` tells.
func versionInfo() map[string]string {
	out := map[string]string{"version": Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		out["go"] = info.GoVersion
		for _, s := range info.Settings {
			switch s.Key {
			case "GOOS", "GOARCH":
				out[s.Key] = s.Value
			case "vcs.revision":
				out["revision"] = s.Value
			}
		}
	}
	return out
}
