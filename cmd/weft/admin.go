package main

import (
	"errors"
	"maps"
	"net"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

// adminFlags adds the flags that say where the admin listener is.
func adminFlags(cmd *cobra.Command, admin *client.Admin) {
	fileFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&admin.URL, "admin", "", "URL of the admin listener (default: admin.listen of the configuration)")
	flags.StringVar(&admin.Token, "token", "", "admin token (default: admin.token of the configuration)")
}

// adminTarget fills in what the flags leave open.
func adminTarget(cmd *cobra.Command, admin *client.Admin) error {
	if admin.URL != "" && admin.Token != "" {
		return nil
	}
	l, err := load(cmd)
	if err != nil {
		return err
	}
	if admin.URL == "" {
		admin.URL = "http://" + reachable(l.Admin.Listen)
	}
	if admin.Token == "" {
		admin.Token = l.Admin.Token
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

// adminHint adds advice for what the admin listener answers.
func adminHint(err error) error { return codeHint(err, nil) }

// codeHint adds advice by the code of a node's answer; more holds what a command
// says better.
func codeHint(err error, more map[string]string) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	hints := map[string]string{
		"token_missing":     "name the admin token: --token, WEFT_ADMIN_TOKEN or --config",
		"token_invalid":     "the token must be admin.token of the node's configuration",
		"disk_full":         "free some space on the node's disk",
		"store_unavailable": "try again; weft cluster status shows what is missing",
		"not_ready":         "the node is starting or draining; look at /readyz of its admin listener",
	}
	maps.Copy(hints, more)
	return withHint(err, hints[p.Code])
}
