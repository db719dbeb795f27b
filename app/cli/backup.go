package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Backup is the command by which a running server is asked for a backup. Its answer is a tar.
const Backup = "backup"

// Told hears how much of a step is done; a step of unknown length has the total 0. It is called often.
type Told func(step string, done, total int64)

func (c *command) backup() *cobra.Command {
	cmd := leaf("backup FILE|DIR|-", "Make a backup, of a running server too", exactArgs(1),
		func(ctx context.Context, argv []string) error {
			return c.watched(func(told Told) (string, error) { return c.program.Backup(ctx, c.flags, argv[0], told) },
				argv[0] == "-")
		})
	cmd.Long = "Make a backup of the whole site: a tar, or its files in a directory that is empty or, with / at the end " +
		"of its name, made. What is there is not written over. With - the tar goes to standard output. The server need " +
		"not be stopped; the data directory needs room for a copy of the database meanwhile."
	return cmd
}

func (c *command) restore() *cobra.Command {
	cmd := leaf("restore FILE|DIR|-", "Make a data directory of a backup", exactArgs(1),
		func(ctx context.Context, argv []string) error {
			return c.watched(func(told Told) (string, error) { return c.program.Restore(ctx, c.flags, argv[0], told) }, false)
		})
	cmd.Long = "Make a data directory of a backup. The directory has to be empty or absent. Everything is checked " +
		"before the site can be served: sums, counts, both stores. When that is cut off, run it again. With - the tar " +
		"comes from standard input."
	return cmd
}

// watched shows on a terminal how far something is, and prints what came of it; quiet leaves standard output alone.
func (c *command) watched(do func(Told) (string, error), quiet bool) error {
	bar := &bar{out: c.streams.Err, now: time.Now}
	told := bar.show
	if !c.streams.Terminal {
		told = func(string, int64, int64) {}
	}
	text, err := do(told)
	bar.clear()
	if err != nil {
		return err
	}
	out := c.streams.Out
	if quiet {
		out = c.streams.Err
	}
	fmt.Fprintln(out, text)
	return nil
}

// bar is one line of a terminal that is written over.
type bar struct {
	out   io.Writer
	now   func() time.Time
	step  string
	last  time.Time
	width int
}

// barPause is the least time between two changes within a step.
const barPause = 100 * time.Millisecond

func (b *bar) show(step string, done, total int64) {
	now := b.now()
	if step == b.step && now.Sub(b.last) < barPause && done < total {
		return
	}
	b.step, b.last = step, now
	line := step + " …"
	if total > 0 {
		const full = 30
		made := int(full * done / total)
		line = fmt.Sprintf("%s [%s%s] %.1f/%.1f MB", step, strings.Repeat("#", made), strings.Repeat(" ", full-made),
			float64(done)/1e6, float64(total)/1e6)
	}
	b.write(line)
}

func (b *bar) write(line string) {
	fmt.Fprintf(b.out, "\r%-*s", b.width, line)
	b.width = len([]rune(line))
}

// clear leaves an empty line, if there was one.
func (b *bar) clear() {
	if b.width > 0 {
		b.write("")
		fmt.Fprintf(b.out, "\r")
	}
}
