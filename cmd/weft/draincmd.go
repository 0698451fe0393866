package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

// drainLook is how often weft drain looks whether the node is still there.
const drainLook = 200 * time.Millisecond

func newDrainCommand() *cobra.Command {
	var admin client.Admin
	var noWait bool
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Make a node say goodbye and stop, as SIGTERM does",
		Long: `Makes a node say goodbye and stop, exactly as SIGTERM does: it is not ready any
more, its sources stop, its clients are told to come back elsewhere, and the store
is closed. Waits until the node does not answer any more.`,
		Example: `  weft drain
  weft drain --admin n2:4010 --no-wait`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			ctx := cmd.Context()
			before, err := admin.Pulse(ctx)
			if err == nil {
				err = admin.Drain(ctx)
			}
			if err != nil {
				return adminHint(fmt.Errorf("drain: %w", err))
			}
			if !noWait {
				if err := awaitGone(ctx, admin, before, cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]bool{"draining": true, "stopped": !noWait})
			}
			return nil
		},
	}
	adminFlags(cmd, &admin)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return when the node has begun")
	asJSON = jsonFlag(cmd)
	return cmd
}

// awaitGone waits until the process that gave the pulse is gone, and says how
// many connections are left whenever that changes.
func awaitGone(ctx context.Context, admin client.Admin, before client.Pulse, w io.Writer) error {
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	fmt.Fprintf(w, "weft: draining, %d connections\n", before.Connections)
	for left := before.Connections; ; {
		now, err := admin.Pulse(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("wait for the node to stop: %w", context.Cause(ctx))
		case err != nil || now.Started != before.Started:
			fmt.Fprintln(w, "weft: the node has stopped")
			return nil
		case now.Connections != left:
			left = now.Connections
			fmt.Fprintf(w, "weft: %d connections left\n", left)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
