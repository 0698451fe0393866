package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newRoot makes the command with all its sub-commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "weft",
		Short:         "An event gateway: from Kafka, NATS and HTTP to every browser a user has open",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			msg := fmt.Sprintf("there is no command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				msg += "; did you mean " + near[0] + "?"
			}
			return &usageError{msg: msg, command: cmd.CommandPath()}
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{msg: err.Error(), command: cmd.CommandPath()}
	})
	root.AddCommand(
		newServeCommand(),
		newConfigCommand(),
		newTokenCommand(),
		newPublishCommand(),
		newListenCommand(),
		newClusterCommand(),
		newExportCommand(),
		newImportCommand(),
		newDrainCommand(),
		newVersionCommand(),
	)
	return root
}

// arguments is cobra's check of positional arguments with our kind of error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{msg: err.Error(), command: cmd.CommandPath()}
		}
		return nil
	}
}
