package main

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

// adminFlags adds the flags that say where the admin listener is.
func adminFlags(cmd *cobra.Command, admin *client.Admin) {
	fileFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&admin.URL, "admin", "", "admin listener, as host:port or URL (default: admin.listen of the configuration)")
	flags.StringVar(&admin.Token, "token", "", "admin token (default: admin.token of the configuration)")
}

// adminTarget fills in what the flags leave open.
func adminTarget(cmd *cobra.Command, admin *client.Admin) error {
	if admin.URL == "" || admin.Token == "" {
		l, err := load(cmd)
		if err != nil {
			return err
		}
		if admin.URL == "" {
			admin.URL = l.Admin.Listen
		}
		if admin.Token == "" {
			admin.Token = l.Admin.Token
		}
	}
	return listenerURL(cmd, "admin", 4010, &admin.URL)
}

// listenerURL makes a URL of what a flag says, which may be a listener's host:port.
func listenerURL(cmd *cobra.Command, flag string, port int, text *string) error {
	if !strings.Contains(*text, "://") {
		if host, p, err := net.SplitHostPort(*text); err != nil || p == "" || strings.ContainsAny(host, "/@") {
			return usage(cmd, "--%s %s is neither host:port nor a URL; write one like 127.0.0.1:%d", flag, *text, port)
		}
		*text = "http://" + reachable(*text)
	}
	u, err := url.Parse(*text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage(cmd, "--%s %s is no URL of HTTP; write one like http://127.0.0.1:%d", flag, *text, port)
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
	if p.Status == http.StatusMisdirectedRequest {
		return withHint(err, "name the node by its address, or add the name to admin.hosts of its configuration")
	}
	hints := map[string]string{
		"token_missing":     "name the admin token: --token, WEFT_ADMIN_TOKEN or --config",
		"token_invalid":     "the token must be admin.token of the node's configuration",
		"disk_full":         "free some space on the node's disk",
		"store_unavailable": "try again; weft cluster status shows what is missing",
		"not_found":         "is that the admin listener? its address is admin.listen of the node's configuration",
		"not_ready":         "the node is starting or draining; look at /readyz of its admin listener",
	}
	maps.Copy(hints, more)
	if p.Code == "" && p.Status == http.StatusNotFound {
		return withHint(err, hints["not_found"])
	}
	return withHint(err, hints[p.Code])
}
