// Package cli is the command line: it reads arguments, calls the Program it is given, and prints. It knows
// nothing of stores or modules; app does the work.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

// Exit codes of the program.
const (
	ExitOK     = 0
	ExitFailed = 1 // the command could not be done
	ExitUsage  = 2 // bad arguments or configuration
)

// Flags are the flags every command shares.
type Flags struct {
	Config string            // path of config.yaml; "" = the default place
	Set    map[string]string // configuration keys set on the command line
}

// Setting is one line of `belfry config print`.
type Setting struct{ Key, Value, Origin string }

// Program is what the command line asks of the rest. All functions are called at most once in a process, but
// for Call.
type Program struct {
	Version  map[string]string // name to value, "version" first of all
	Defaults map[string]string // of the configuration keys that have a flag
	// Serve runs the server until ctx ends.
	Serve func(ctx context.Context, f Flags, demo bool) error
	// Settings loads the configuration.
	Settings func(f Flags) ([]Setting, error)
	// Call runs a command on the data: through the socket of a running server, else in process under the lock.
	// args and reply are JSON values; reply may be nil.
	Call func(ctx context.Context, f Flags, command string, args, reply any) error
	// Backup makes a backup at a place, "-" = standard output, and says in a line what it holds.
	Backup func(ctx context.Context, f Flags, to string, told Told) (string, error)
	// Restore makes a data directory of a backup, "-" = standard input, and says in a line what it found.
	Restore func(ctx context.Context, f Flags, from string, told Told) (string, error)
	// Address tells where the server can be reached from here, and by which client.
	Address func(f Flags) (url string, client *http.Client, err error)
	// Bench runs the load tool with the arguments behind its name.
	Bench func(ctx context.Context, args []string) error
	// IsConfigError reports errors that end with ExitUsage.
	IsConfigError func(error) bool
}

// Streams are the three standard streams.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Terminal bool // Err is one
	// Password asks for a password without echo; it fails where In is no terminal.
	Password func(prompt string) (string, error)
}

// Execute runs one command line and returns the exit code. Errors are printed to s.Err, once.
func Execute(ctx context.Context, p Program, args []string, s Streams) int {
	root := newRoot(p, s)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintln(s.Err, "belfry:", err)
	var usage *usageError
	if errors.As(err, &usage) || p.IsConfigError(err) {
		return ExitUsage
	}
	return ExitFailed
}

// usageError marks bad arguments.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// command is what the sub-commands share.
type command struct {
	program Program
	streams Streams
	flags   Flags
}

func newRoot(p Program, s Streams) *cobra.Command {
	c := &command{program: p, streams: s, flags: Flags{Set: map[string]string{}}}
	root := &cobra.Command{
		Use:           "belfry",
		Version:       p.Version["version"],
		Short:         "A social backend in one binary",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          help,

		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	pf := root.PersistentFlags()
	pf.StringVar(&c.flags.Config, "config", "", "configuration file (default: config.yaml here, if it is there)")
	pf.Var(c.key("storage.data"), "data", "data directory (storage.data)")
	root.AddCommand(c.serve(), c.migrate(), c.user(), c.token(), c.invite(), c.post(), c.audit(), c.tail(), c.config(),
		c.log(), c.backup(), c.restore(), c.healthcheck(), c.bench(), c.version(), c.manual(root))
	root.DisableAutoGenTag = true
	return root
}

// noArgs refuses arguments and unknown sub-commands, with a suggestion where there is a near one.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	msg := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		msg += fmt.Sprintf(", did you mean %q?", near[0])
	}
	return &usageError{errors.New(msg)}
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return &usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}

func mostArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.MaximumNArgs(n)(cmd, args); err != nil {
			return &usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func leaf(use, short string, args cobra.PositionalArgs, run func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, argv []string) error {
		return run(cmd.Context(), argv)
	}}
}

// group makes a command that only has sub-commands.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: help, SuggestionsMinimumDistance: 2}
	g.AddCommand(sub...)
	return g
}

// setFlag is a flag that sets a configuration key.
type setFlag struct {
	set      map[string]string
	key      string
	standard string
}

// key makes the flag of a key.
func (c *command) key(key string) setFlag { return setFlag{c.flags.Set, key, c.program.Defaults[key]} }

func (f setFlag) String() string     { return f.standard } // what --help shows
func (f setFlag) Type() string       { return "string" }
func (f setFlag) Set(v string) error { f.set[f.key] = v; return nil }

func (c *command) printf(format string, args ...any) { fmt.Fprintf(c.streams.Out, format, args...) }
