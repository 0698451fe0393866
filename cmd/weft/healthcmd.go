package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

// healthTime bounds a look at a node's health unless --timeout says otherwise.
const healthTime = 5 * time.Second

func newHealthCommand() *cobra.Command {
	var admin client.Admin
	var live bool
	var limit time.Duration
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask whether a node is healthy; exit code 1 when it is not",
		Long: `Asks /healthz and /readyz of a node's admin listener. Exit code 0 means that the node
lets clients in; else it is 1, and standard error says why. With --live it is enough
that the process runs: that is what a supervisor should ask who kills what does not
answer, since a node that waits for others is not ready, and no restart mends that.

It needs no token and no shell, so it serves as a container's health check. There,
name the file by WEFT_CONFIG, which weft serve and weft health both read.`,
		Example: `  weft health
  weft health --live --admin n2:4010`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit <= 0 {
				return usage(cmd, "--timeout must be above zero")
			}
			if admin.Token == "" {
				admin.Token = "-" // none is needed, so none is looked for
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			h, err := admin.Health(ctx, live)
			if *asJSON {
				if err := printJSON(cmd.OutOrStdout(), h); err != nil {
					return err
				}
			}
			switch {
			case err != nil && h.Live:
				return err // not ready: …
			case err != nil:
				return adminHint(fmt.Errorf("ask %s for its health: %w", admin.URL, err))
			case *asJSON:
				return nil
			}
			state := "ready"
			if live {
				state = "alive"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), state)
			return err
		},
	}
	adminFlags(cmd, &admin)
	cmd.Flags().BoolVar(&live, "live", false, "be content when the process runs (/healthz)")
	cmd.Flags().DurationVar(&limit, "timeout", healthTime, "how long to wait for an answer")
	asJSON = jsonFlag(cmd)
	return cmd
}
