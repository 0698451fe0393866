package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
	"weft/edge/session"
)

func newUsersCommand() *cobra.Command {
	var admin client.Admin
	var which client.Which
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "users [USER]",
		Short: "Show who is online, or one user's connections",
		Long: `Shows the users that have connections to any node of the cluster, and how many: all,
those whose names begin with a prefix, or those that follow a topic, by its name or by
a wildcard. With a user it is weft user. When not all nodes have answered, standard
error says so: there may be more.`,
		Example: `  weft users
  weft users --prefix ann
  weft users --topic hotel.42
  weft users --json | jq '[.items[].connections] | add'`,
		Args: atMostOne("the user"),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := cmd.Flags().Changed
			switch {
			case len(args) == 1 && args[0] == "":
				return usage(cmd, "the user is empty")
			case len(args) == 1 && (changed("prefix") || changed("topic")):
				return usage(cmd, "it is either one user, or those of --prefix and --topic")
			case changed("topic") && which.Topic == "":
				return usage(cmd, "--topic is empty")
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			if len(args) == 1 {
				return showUser(cmd, admin, args[0], *asJSON)
			}
			return showUsers(cmd, admin, which, *asJSON)
		},
	}
	adminFlags(cmd, &admin)
	cmd.Flags().StringVar(&which.Prefix, "prefix", "", "only users whose names begin so")
	cmd.Flags().StringVar(&which.Topic, "topic", "", "only users that follow this topic, such as hotel.42")
	asJSON = jsonFlag(cmd)
	cmd.ValidArgsFunction = completeUsers(&admin)
	return cmd
}

func newUserCommand() *cobra.Command {
	var admin client.Admin
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "user USER",
		Short: "Show whether a user is online, and on which connections",
		Long: `Shows the connections that a user has to any node of the cluster: where they are,
since when, over what, on which device, the connection by which weft disconnect ends
it and the session by which weft revoke cuts it. When not all nodes have answered,
standard error says so: there may be more.`,
		Example: `  weft user ann
  weft user ann --json | jq -r .connections[].id`,
		Args: oneArgument("the user"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" {
				return usage(cmd, "the user is empty")
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			return showUser(cmd, admin, args[0], *asJSON)
		},
	}
	adminFlags(cmd, &admin)
	asJSON = jsonFlag(cmd)
	cmd.ValidArgsFunction = completeUsers(&admin)
	return cmd
}

// completeUsers completes the name of a user with those that are online.
func completeUsers(admin *client.Admin) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) (names []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 || adminTarget(cmd, admin) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeTime)
		defer cancel()
		users, _ := admin.Users(ctx, client.Which{Prefix: begun})
		for _, u := range users.Items {
			if u.User == visible(u.User) { // what a shell would obey is not written to it
				names = append(names, u.User)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func showUsers(cmd *cobra.Command, admin client.Admin, which client.Which, asJSON bool) error {
	users, err := admin.Users(cmd.Context(), which)
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
		if !user.Complete {
			state = "is not on the nodes that answered"
		}
		if user.Online {
			state = "has no connection, but had one a moment ago"
		}
		_, err := fmt.Fprintf(w, "%s %s\n", visible(user.User), state)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tTRANSPORT\tSINCE\tADDRESS\tCONNECTION\tSESSION\tDEVICE\tAGENT")
	for _, c := range user.Connections {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", visible(c.Node), c.Transport, c.Since.Local().Format(time.DateTime),
			visible(c.Address), visible(c.ID), visible(c.Session), visible(c.Device), visible(c.Agent))
	}
	return t.Flush()
}

// warnLacking says that there may be more than what is shown.
func warnLacking(cmd *cobra.Command, coverage client.Coverage) {
	if lacking := coverage.Lacking(); lacking != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "weft: %s; weft cluster status shows what is missing\n", lacking)
	}
}

func newDisconnectCommand() *cobra.Command {
	var admin client.Admin
	var d client.Disconnect
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "disconnect (USER | --connection ID)",
		Short: "End the connections of a user, or one of them",
		Long: `Ends all connections that a user has to any node of the cluster, or one of them,
which weft user shows. Their clients are told the reason and do not come back, but
with --reconnect: then they do at once, and with their last id.

With --revoke all tokens of the user that were issued until now, or the token of that
one connection, are put on the blacklist before, so that nobody comes back with them;
what else is open with them ends, too. weft revoke --undo takes that back. If the
blacklist cannot be written, nothing ends.

When not all nodes have answered, standard error says so: connections may be left.`,
		Example: `  weft disconnect ann --reason 'we move house'
  weft disconnect ann --reconnect
  weft disconnect ann --revoke --reason 'your account was closed'
  weft disconnect --connection RYxHp5YbQmNl4uT0oW3v1g`,
		Args: atMostOne("the user"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkDisconnect(cmd, &d, args); err != nil {
				return err
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			done, err := admin.Disconnect(cmd.Context(), d)
			if err != nil {
				return codeHint(fmt.Errorf("disconnect: %w", err), map[string]string{"not_found": "weft user USER shows the connections of a user"})
			}
			if done.Coverage != nil {
				warnLacking(cmd, *done.Coverage)
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), done)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), sayDisconnected(d, done))
			return err
		},
	}
	adminFlags(cmd, &admin)
	flags := cmd.Flags()
	flags.StringVar(&d.Connection, "connection", "", "one connection, by its id")
	flags.StringVar(&d.Reason, "reason", "", fmt.Sprintf("what the clients are told, at most %d bytes", session.MaxDetail))
	flags.BoolVar(&d.Reconnect, "reconnect", false, "the clients are to come back at once")
	flags.BoolVar(&d.Revoke, "revoke", false, "nobody comes back with the same tokens")
	asJSON = jsonFlag(cmd)
	cmd.ValidArgsFunction = completeUsers(&admin)
	return cmd
}

// checkDisconnect finds what cannot be meant.
func checkDisconnect(cmd *cobra.Command, d *client.Disconnect, args []string) error {
	one := cmd.Flags().Changed("connection")
	if len(args) == 1 {
		d.User = args[0]
	}
	switch {
	case len(args) == 0 && !one:
		return usage(cmd, "say whom to disconnect: a user, or --connection")
	case len(args) == 1 && one:
		return usage(cmd, "it is either a user or a connection, not both")
	case d.User == "" && d.Connection == "":
		return usage(cmd, "the name to disconnect is empty")
	case d.Reconnect && d.Revoke:
		return usage(cmd, "--revoke and --reconnect contradict each other: with a revoked token nobody comes back")
	case !session.Sayable(d.Reason):
		return usage(cmd, "--reason is not a text of at most %d bytes (UTF-8) without control characters", session.MaxDetail)
	}
	return nil
}

// sayDisconnected tells a person what was done.
func sayDisconnected(d client.Disconnect, done client.Disconnected) string {
	ended := "1 connection has ended"
	if done.Disconnected != 1 {
		ended = fmt.Sprintf("%d connections have ended", done.Disconnected)
	}
	switch {
	case d.User == "" && done.Revoked:
		return fmt.Sprintf("session %s of %s is revoked; %s", visible(done.Session), visible(cmp.Or(done.User, "nobody")), ended)
	case d.User == "":
		return fmt.Sprintf("%s: of %s on %s", ended, visible(cmp.Or(done.User, "nobody")), visible(done.Node))
	case done.Revoked:
		return fmt.Sprintf("all tokens of %s that were issued until now are revoked; %s", visible(d.User), ended)
	case done.Disconnected == 0:
		return visible(d.User) + " had no connection"
	}
	return fmt.Sprintf("%s: of %s", ended, visible(d.User))
}
