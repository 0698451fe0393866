package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

func newUsersCommand() *cobra.Command {
	var admin client.Admin
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "users [USER]",
		Short: "Show who is online, or one user's connections",
		Long: `Shows the users that have connections to any node of the cluster, and how many; or,
of one user, the connections: where they are, since when, over what, and the session
by which weft revoke cuts them. When not all nodes have answered, standard error says
so: there may be more.`,
		Example: `  weft users
  weft users ann
  weft users --json | jq '[.items[].connections] | add'`,
		Args: atMostOne("the user"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "" {
				return usage(cmd, "the user is empty")
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			show := showUsers
			if len(args) == 1 {
				show = func(cmd *cobra.Command, admin client.Admin, asJSON bool) error {
					return showUser(cmd, admin, args[0], asJSON)
				}
			}
			return show(cmd, admin, *asJSON)
		},
	}
	adminFlags(cmd, &admin)
	asJSON = jsonFlag(cmd)
	return cmd
}

func showUsers(cmd *cobra.Command, admin client.Admin, asJSON bool) error {
	users, err := admin.Users(cmd.Context())
	if err != nil {
		return adminHint(fmt.Errorf("ask for the users: %w", err))
	}
	warnLacking(cmd, users.Coverage)
	if asJSON {
		return printJSON(cmd.OutOrStdout(), users)
	}
	return printUsers(cmd.OutOrStdout(), users)
}

func printUsers(w io.Writer, users client.Users) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "USER\tCONNECTIONS")
	for _, u := range users.Items {
		fmt.Fprintf(t, "%s\t%d\n", visible(u.User), u.Connections)
	}
	return t.Flush()
}

func showUser(cmd *cobra.Command, admin client.Admin, name string, asJSON bool) error {
	user, err := admin.User(cmd.Context(), name)
	if err != nil {
		return adminHint(fmt.Errorf("ask for %s: %w", name, err))
	}
	warnLacking(cmd, user.Coverage)
	if asJSON {
		return printJSON(cmd.OutOrStdout(), user)
	}
	return printUser(cmd.OutOrStdout(), user)
}

func printUser(w io.Writer, user client.User) error {
	if len(user.Connections) == 0 {
		state := "is offline"
		if user.Online {
			state = "has no connection, but had one a moment ago"
		}
		_, err := fmt.Fprintf(w, "%s %s\n", visible(user.User), state)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tTRANSPORT\tSINCE\tADDRESS\tSESSION\tAGENT")
	for _, c := range user.Connections {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", visible(c.Node), c.Transport, c.Since.Local().Format(time.DateTime),
			visible(c.Address), visible(c.Session), visible(c.Agent))
	}
	return t.Flush()
}

// warnLacking says that there may be more than what is shown.
func warnLacking(cmd *cobra.Command, coverage client.Coverage) {
	if lacking := coverage.Lacking(); lacking != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "weft: %s; weft cluster status shows what is missing\n", lacking)
	}
}
