package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/belfry-social/belfry/app/bench/machine"
)

// ErrUsage marks arguments that cannot be used; nothing was started then.
var ErrUsage = errors.New("bench")

// ErrFaults says that events were lost, doubled, out of order or sent to the wrong reader, or that requests failed.
var ErrFaults = errors.New("events were not delivered once and in order; see the report")

// Options are what the program gives a run.
type Options struct {
	Out, Err io.Writer
	Terminal bool   // Err is one: progress is shown
	Program  string // this program's file, for servers and floors of its own; "" = os.Executable
	Version  string
	Environ  []string
}

// Settings are the flags that every scenario has.
type Settings struct {
	URL  string // of a running server; "" = one of our own
	PID  int    // of that server, for its CPU and memory; 0 = not known
	Dir  string // where data directories are made
	Keep bool   // the data stays
	JSON bool
	Seed uint64
	Set  settings // configuration keys of our own server

	Service string // service token at URL
}

// Bench is one run of one scenario.
type Bench struct {
	Options
	Settings
	Rand   *rand.Rand // for the goroutine of the scenario; everything random comes from it
	Report *Report

	progress *progress
	servers  []*Server
}

// Run executes one command line; args are the words after `belfry bench`. Without a name Run lists the scenarios. An
// error wraps ErrUsage when the arguments are at fault, and ErrFaults when the server is.
func Run(ctx context.Context, o Options, args []string) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		return list(o.Out)
	}
	name, args := args[0], args[1:]
	switch name {
	case floorCommand:
		return serveFloor(ctx, o, args)
	case "all":
		return runAll(ctx, o, args)
	}
	for _, s := range scenarios() {
		if s.Name == name {
			return run(ctx, o, s, args)
		}
	}
	return fmt.Errorf("%w: unknown scenario %q; `belfry bench` lists the scenarios", ErrUsage, name)
}

func list(w io.Writer) error {
	for _, s := range scenarios() {
		if _, err := fmt.Fprintf(w, "  %-10s %s\n", s.Name, s.Short); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "  %-10s %s\n\nbelfry bench <name> --help lists the flags of one.\n", "all",
		"every one of them in a small size")
	return err
}

// runAll runs all scenarios in their small size, with flags that every scenario has. A scenario that fails does not
// end the run.
func runAll(ctx context.Context, o Options, args []string) error {
	var errs []error
	for _, s := range scenarios() {
		err := run(ctx, o, s, append(append([]string(nil), s.Small...), args...))
		switch {
		case errors.Is(err, ErrUsage) || ctx.Err() != nil:
			return err
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// run runs one scenario and prints its report, also when faults of the server ended the scenario early.
func run(ctx context.Context, o Options, s Scenario, args []string) (err error) {
	if _, plain := o.Err.(*os.File); !plain { // several servers write there
		o.Err = &lockedWriter{w: o.Err}
	}
	b := &Bench{Options: o, progress: newProgress(o)}
	fs := flag.NewFlagSet("belfry bench "+s.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the error says what is wrong
	fs.Usage = func() {}
	b.declare(fs)
	scenario := s.New(fs)
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fs.SetOutput(o.Out)
		_, err = fmt.Fprintf(o.Out, "%s\n\n", strings.TrimSpace(s.Short+"\n\n"+s.Help))
		fs.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w %s: %w; --help lists the flags", ErrUsage, s.Name, err)
	case fs.NArg() > 0:
		return fmt.Errorf("%w %s: unexpected argument %q", ErrUsage, s.Name, fs.Arg(0))
	}
	if err := s.checkNumbers(fs); err != nil {
		return fmt.Errorf("%w %s: %w", ErrUsage, s.Name, err)
	}
	b.Report = newReport(s.Name, fs)
	if b.Program == "" {
		b.Program, err = os.Executable()
	}
	if err == nil {
		b.Program, err = filepath.Abs(b.Program) // servers have their data as their working directory
	}
	if err != nil {
		return err
	}
	b.Rand = rand.New(rand.NewPCG(b.Seed, 0))
	defer func() { err = errors.Join(err, b.close()) }()
	if b.Report.Machine, err = machine.Describe(b.Dir, b.Version); err != nil {
		return err
	}
	err = scenario(ctx, b)
	if err != nil && !b.Report.Checked.Faulty() {
		return err
	}
	b.progress.clear()
	return errors.Join(err, b.Report.print(o.Out, b.JSON), b.Report.verdict())
}

// lockedWriter is a writer for several goroutines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (b *Bench) declare(fs *flag.FlagSet) {
	fs.StringVar(&b.URL, "url", "",
		"measure the running server at this http address instead of starting one; its limits must be off")
	fs.IntVar(&b.PID, "pid", 0, "with --url: process id of that server, for its CPU, memory and bytes written")
	fs.StringVar(&b.Service, "service-token", "", "with --url: a service token, for what pushes notifications")
	fs.StringVar(&b.Dir, "dir", ".", "directory for the data of the server, on the disk to be measured")
	fs.StringVar(&b.Program, "program", b.Program,
		"the program that is the server, instead of this one; its tables must be those of this one")
	fs.BoolVar(&b.Keep, "keep", false, "do not remove the data at the end")
	fs.BoolVar(&b.JSON, "json", false, "print one JSON object")
	fs.Uint64Var(&b.Seed, "seed", 1, "seed of all random choices")
	fs.Var(&b.Set, "set", "configuration of the server, key=value; may be repeated")
}

// close ends what the scenario started.
func (b *Bench) close() error {
	b.progress.clear()
	var errs []error
	for _, s := range b.servers {
		errs = append(errs, s.end())
	}
	b.servers = nil
	return errors.Join(errs...)
}

// Progress shows on the terminal how far a step is; of = 0 when the end is not known. Scenarios call it often and
// from several goroutines.
func (b *Bench) Progress(step string, done, of int) { b.progress.show(step, done, of) }

// step is Progress of one step.
func (b *Bench) step(name string) func(done, of int) {
	return func(done, of int) { b.Progress(name, done, of) }
}

// settings are key=value flags.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

func (s *settings) Set(v string) error {
	if key, _, ok := strings.Cut(v, "="); !ok || key == "" {
		return errors.New("must be key=value")
	}
	*s = append(*s, v)
	return nil
}

// environ are the settings as a server takes them from its environment.
func (s settings) environ() []string {
	out := make([]string, 0, len(s))
	for _, kv := range s {
		key, value, _ := strings.Cut(kv, "=")
		out = append(out, "BELFRY_"+strings.ToUpper(strings.NewReplacer(".", "_", "/", "_").Replace(key))+"="+value)
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
