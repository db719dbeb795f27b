package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manual writes a page for each command into DIR/man and completions of three shells into DIR/completions. The time in
// a page is that of SOURCE_DATE_EPOCH, if it is set, so that a build can be repeated.
func (c *command) manual(root *cobra.Command) *cobra.Command {
	cmd := leaf("manual DIR", "Write manual pages and shell completions into a directory, for packages", exactArgs(1),
		func(_ context.Context, args []string) error {
			man, completions := filepath.Join(args[0], "man"), filepath.Join(args[0], "completions")
			for _, dir := range []string{man, completions} {
				if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // documents, for everybody
					return fmt.Errorf("manual: %w", err)
				}
			}
			head := doc.GenManHeader{Section: "1", Source: "Belfry", Manual: "Belfry"}
			if err := doc.GenManTree(root, &head, man); err != nil {
				return fmt.Errorf("manual: pages: %w", err)
			}
			for name, write := range map[string]func(file string) error{
				"belfry.bash": func(file string) error { return root.GenBashCompletionFileV2(file, true) },
				"_belfry":     root.GenZshCompletionFile,
				"belfry.fish": func(file string) error { return root.GenFishCompletionFile(file, true) },
			} {
				if err := write(filepath.Join(completions, name)); err != nil {
					return fmt.Errorf("manual: completion %s: %w", name, err)
				}
			}
			return nil
		})
	cmd.Hidden = true
	return cmd
}
