package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func (c *command) serve() *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.program.Serve(cmd.Context(), c.flags, demo)
		},
	}
	cmd.Flags().Var(setFlag{c.flags.Set, "server.listen"}, "listen", "address to serve on (server.listen)")
	cmd.Flags().Var(setFlag{c.flags.Set, "admin.listen"}, "admin", "address of the admin listener (admin.listen)")
	cmd.Flags().BoolVar(&demo, "demo", false, "fill an empty site with a small community and keep it alive")
	return cmd
}

func (c *command) config() *cobra.Command {
	check := &cobra.Command{
		Use: "check", Short: "Check the configuration", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := c.program.Settings(c.flags); err != nil {
				return err
			}
			c.printf("configuration is good\n")
			return nil
		},
	}
	show := &cobra.Command{
		Use: "print", Short: "Print every key, its value and where it came from; secrets are masked", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			settings, err := c.program.Settings(c.flags)
			if err != nil {
				return err
			}
			t := newTable(c.streams.Out)
			for _, s := range settings {
				t.row(s.Key+":", s.Value, "# "+s.Origin)
			}
			return t.flush()
		},
	}
	return group("config", "Look at the configuration", check, show)
}

func (c *command) healthcheck() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck", Short: "Exit 0 if the server here is ready, for container health checks", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			base, err := c.program.Address(c.flags, false)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			var body struct {
				Status string `json:"status"`
			}
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				return fmt.Errorf("answer of %s/readyz: %w", base, err)
			}
			c.printf("%s\n", body.Status)
			if resp.StatusCode != http.StatusOK {
				return errors.New("not ready")
			}
			return nil
		},
	}
}

func (c *command) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(c.streams.Out).Encode(c.program.Version)
			}
			c.printf("belfry %s\n", c.program.Version["version"])
			names := make([]string, 0, len(c.program.Version))
			for name := range c.program.Version {
				if name != "version" {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			for _, name := range names {
				c.printf("  %s %s\n", name, c.program.Version[name])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	return cmd
}
