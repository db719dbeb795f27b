package cli

import "github.com/spf13/cobra"

// bench hands everything behind its name to the load tool, which has flags of its own for each scenario.
func (c *command) bench() *cobra.Command {
	return &cobra.Command{
		Use:                "bench [scenario]",
		Short:              "Measure a server on this machine; without a scenario, list them",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.program.Bench(cmd.Context(), args)
		},
	}
}
