package main

import (
	"github.com/spf13/cobra"
)

// newRoot makes the command with all its sub-commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "weft",
		Short: "An event gateway: from Kafka, NATS and HTTP to every browser a user has open, and back",
		Long: `Weft is an event gateway: events from Kafka, NATS and HTTP go to every browser and
device that a user has open, and requests go the way back.

Commands that speak to a node find its admin listener in the configuration
(--config, WEFT_CONFIG, WEFT_ADMIN_LISTEN, WEFT_ADMIN_TOKEN), or by --admin and
--token. Exit codes: 0 done, 1 failed, 2 used wrongly.`,
		Example: `  weft serve --config weft.yaml
  weft publish --user ann '{"hello":1}'
  weft users`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          subcommands,
	}
	root.SetFlagErrorFunc(flagError)
	built := thisBuild()
	root.Version = built.Version
	root.SetVersionTemplate(built.String())
	root.AddCommand(
		newServeCommand(),
		newConfigCommand(),
		newTokenCommand(),
		newPublishCommand(),
		newListenCommand(),
		newUsersCommand(),
		newUserCommand(),
		newDisconnectCommand(),
		newRevokeCommand(),
		newRouteCommand(),
		newHealthCommand(),
		newClusterCommand(),
		newExportCommand(),
		newImportCommand(),
		newDrainCommand(),
		newVersionCommand(),
	)
	root.SetHelpCommand(newHelpCommand())
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			ownUsage(c)
		}
	}
	return root
}

// newHelpCommand is cobra's but for a topic that there is not.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Long:    "Shows what a command does, its flags, and examples; weft COMMAND --help does the same.",
		Example: "  weft help cluster status",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return subcommands(about, rest)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if about, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range about.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name())
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// ownUsage makes a command of cobra's, and those below it, refuse arguments as
// ours do.
func ownUsage(cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, subcommands
	} else {
		cmd.Args = noArguments
	}
	for _, c := range cmd.Commands() {
		ownUsage(c)
	}
}
