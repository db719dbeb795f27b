package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func (c *command) serve() *cobra.Command {
	var demo bool
	cmd := leaf("serve", "Run the server", noArgs, func(ctx context.Context, _ []string) error {
		return c.program.Serve(ctx, c.flags, demo)
	})
	cmd.Flags().Var(c.key("server.listen"), "listen", "address to serve on (server.listen)")
	cmd.Flags().Var(c.key("admin.listen"), "admin", "address of the admin listener (admin.listen)")
	cmd.Flags().BoolVar(&demo, "demo", false, "fill an empty site with a small community and keep it alive")
	return cmd
}

func (c *command) config() *cobra.Command {
	check := leaf("check", "Check the configuration", noArgs, func(context.Context, []string) error {
		if _, err := c.program.Settings(c.flags); err != nil {
			return err
		}
		c.printf("configuration is good\n")
		return nil
	})
	show := leaf("print", "Print every key, its value and where it came from; secrets are masked", noArgs,
		func(context.Context, []string) error {
			settings, err := c.program.Settings(c.flags)
			if err != nil {
				return err
			}
			t := newTable(c.streams.Out)
			for _, s := range settings {
				t.row(s.Key+":", s.Value, "# "+s.Origin)
			}
			return t.flush()
		})
	return group("config", "Look at the configuration", check, show)
}

func (c *command) healthcheck() *cobra.Command {
	return leaf("healthcheck", "Exit 0 if the server here is ready, for container health checks", noArgs,
		func(ctx context.Context, _ []string) error {
			base, client, err := c.program.Address(c.flags)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
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
		})
}

func (c *command) version() *cobra.Command {
	var asJSON bool
	cmd := leaf("version", "Print the version", noArgs, func(context.Context, []string) error {
		if asJSON {
			return json.NewEncoder(c.streams.Out).Encode(c.program.Version)
		}
		c.printf("belfry %s\n", c.program.Version["version"])
		for _, name := range slices.Sorted(maps.Keys(c.program.Version)) {
			if name != "version" {
				c.printf("  %s %s\n", name, c.program.Version[name])
			}
		}
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON object")
	return cmd
}
