package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"weft/cmd/weft/settings"
	"weft/config"
)

func newConfigCommand() *cobra.Command {
	var reference bool
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration and print what is in effect",
		Long: `Checks the configuration and prints what is in effect as YAML: defaults, file,
environment and flags together. Secrets are masked; a comment says where each
value that is no default came from.

It fails on what weft serve would fail on as it starts: also on files that cannot
be read, keys and certificates that are none, and a data folder of another node.`,
		Example: `  weft config --config weft.yaml
  weft config --reference`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reference && *asJSON {
				return usage(cmd, "--reference is Markdown; leave --json out")
			}
			if reference {
				return settings.WriteReference(cmd.OutOrStdout())
			}
			l, err := load(cmd)
			if err != nil {
				return err
			}
			if *asJSON {
				err = l.WriteJSON(cmd.OutOrStdout())
			} else {
				err = l.WriteYAML(cmd.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return examine(l, func(w config.Diagnostic) { fmt.Fprintln(cmd.ErrOrStderr(), "weft: warning:", w.Error()) })
		},
	}
	fileFlag(cmd)
	overrideFlags(cmd)
	cmd.Flags().BoolVar(&reference, "reference", false, "print the table of all keys in Markdown instead")
	asJSON = jsonFlag(cmd)
	return cmd
}
