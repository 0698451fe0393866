package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
	"weft/jetstream/event"
)

func newPublishCommand() *cobra.Command {
	var p client.Publication
	var admin client.Admin
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "publish (--user USER | --subject SUBJECT | --rule RULE) PAYLOAD",
		Short: "Publish an event through the admin listener",
		Long: `Publishes one event through the admin listener of a node and prints its id once
it is stored. The payload - is read from standard input.

Address and token of the admin listener come from the flags, else from the
configuration (file or environment).`,
		Example: `  weft publish --user ann --type greeting '{"hello":1}'
  weft publish --subject topic.hotel.42 - < offer.json
  weft publish --rule orders '{"customer":{"id":"ann"}}'`,
		Args: oneArgument("the payload"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if said := slices.DeleteFunc([]string{p.User, p.Subject, p.Rule}, func(s string) bool { return s == "" }); len(said) != 1 {
				return usage(cmd, "say who it is for with one of --user, --subject and --rule")
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			p.Data = []byte(args[0])
			if args[0] == "-" {
				var err error
				if p.Data, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), event.MaxBytes+1)); err != nil {
					return fmt.Errorf("read standard input: %w", err)
				}
			}
			if p.Key == "" {
				p.Key = rand.Text()
			}
			ids, err := client.Publish(cmd.Context(), admin.URL, admin.Token, p)
			if err != nil {
				return publishHint(err)
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), map[string][]string{"ids": ids})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(ids, "\n"))
			return err
		},
	}
	adminFlags(cmd, &admin)
	flags := cmd.Flags()
	flags.StringVar(&p.User, "user", "", "user it is for")
	flags.StringVar(&p.Subject, "subject", "", "subject it is for: topic.hotel.42")
	flags.StringVar(&p.Rule, "rule", "", "rule of ingest.rules that says who it is for")
	flags.StringVar(&p.Type, "type", "", "type of the event")
	flags.StringVar(&p.Key, "key", "", "idempotency key; the same one again within two minutes stores nothing (default: a new one)")
	asJSON = jsonFlag(cmd)
	return cmd
}

// publishHint adds advice for what the admin listener answers.
func publishHint(err error) error {
	return codeHint(err, map[string]string{
		"store_unavailable": "it is unknown whether it was stored; try again with the same --key",
		"too_large":         "an event holds at most 1 MiB",
	})
}
