package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
	"weft/jetstream"
)

func newPublishCommand() *cobra.Command {
	var p client.Publication
	var admin, token string
	cmd := &cobra.Command{
		Use:   "publish (--user USER | --subject SUBJECT) PAYLOAD",
		Short: "Publish an event through the admin listener",
		Long: `Publishes one event through the admin listener of a node and prints its id once
it is stored. The payload - is read from standard input.

Address and token of the admin listener come from the flags, else from the
configuration (file or environment).`,
		Example: `  weft publish --user ann --type greeting '{"hello":1}'
  weft publish --subject topic.hotel.42 - < offer.json`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (p.User == "") == (p.Subject == "") {
				return &usageError{msg: "say who it is for with either --user or --subject", command: cmd.CommandPath()}
			}
			if err := adminTarget(cmd, &admin, &token); err != nil {
				return err
			}
			p.Data = []byte(args[0])
			if args[0] == "-" {
				var err error
				if p.Data, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), jetstream.MaxEventBytes+1)); err != nil {
					return fmt.Errorf("read standard input: %w", err)
				}
			}
			if p.Key == "" {
				p.Key = rand.Text()
			}
			ids, err := client.Publish(cmd.Context(), admin, token, p)
			if err != nil {
				return publishHint(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(ids, "\n"))
			return err
		},
	}
	fileFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&p.User, "user", "", "user it is for")
	flags.StringVar(&p.Subject, "subject", "", "subject it is for: topic.hotel.42")
	flags.StringVar(&p.Type, "type", "", "type of the event")
	flags.StringVar(&p.Key, "key", "", "idempotency key; the same one again within two minutes stores nothing (default: a new one)")
	flags.StringVar(&admin, "admin", "", "URL of the admin listener (default: admin.listen of the configuration)")
	flags.StringVar(&token, "token", "", "admin token (default: admin.token of the configuration)")
	return cmd
}

// adminTarget fills in what the flags leave open.
func adminTarget(cmd *cobra.Command, admin, token *string) error {
	if *admin != "" && *token != "" {
		return nil
	}
	l, err := load(cmd)
	if err != nil {
		return err
	}
	if *admin == "" {
		*admin = "http://" + reachable(l.Admin.Listen)
	}
	if *token == "" {
		*token = l.Admin.Token
	}
	return nil
}

// reachable is the address for a client on the same machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// publishHint adds advice for what the admin listener answers.
func publishHint(err error) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	return withHint(err, map[string]string{
		"token_missing":     "name the admin token: --token, WEFT_ADMIN_TOKEN or --config",
		"token_invalid":     "the token must be admin.token of the node's configuration",
		"disk_full":         "free some space on the node's disk",
		"store_unavailable": "it is unknown whether it was stored; try again with the same --key",
		"not_ready":         "the node is starting or draining; look at /readyz of its admin listener",
		"too_large":         "an event holds at most 1 MiB",
	}[p.Code])
}
