package app

import (
	"context"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/belfry-social/belfry/app/bench"
)

// bench runs the load tool, which measures this very program in a process of its own.
func (s *shell) bench(ctx context.Context, args []string) error {
	info := versionInfo()
	return bench.Run(ctx, bench.Options{
		Out: s.streams.Out, Err: s.streams.Err, Terminal: s.streams.Err == os.Stderr && term.IsTerminal(int(os.Stderr.Fd())),
		Version: strings.TrimSpace(info["version"] + " " + info["revision"]), Environ: s.environ,
	}, args)
}
