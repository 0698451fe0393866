package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

func newClusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Look at a cluster, and remove a dead node from it",
		Long: `Speaks to the admin listener of any node of the cluster.

A dead machine is replaced in two steps. Remove the node, so that the others do
not count it any more when they form a majority:

  weft cluster remove n2

and start a new one, with a name of its own and an empty data folder, which the
seeds lead into the cluster. It gets the copies that the dead one had; weft cluster
status shows when it has. A machine that lost only its disk needs no removal: start
it again under its old name.`,
		Example: `  weft cluster status --admin n2:4010
  weft cluster remove n2`,
		Args: cobra.ArbitraryArgs,
		RunE: subcommands,
	}
	cmd.AddCommand(newStatusCommand(), newRemoveCommand())
	return cmd
}

func newStatusCommand() *cobra.Command {
	var admin client.Admin
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show nodes, leaders and copies; exit code 1 when something is not well",
		Long: `Shows the nodes, who leads what, and how far the copies are. meta is the group of
all members, EVENTS the stream; the others are buckets. Exit code 0 means that all
members are there and ready, and all copies current; else it is 1, and standard
error says what is wrong.`,
		Example: `  weft cluster status
  weft cluster status --admin n2:4010 --token … --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			nodes, err := admin.Nodes(cmd.Context())
			if err != nil {
				return adminHint(fmt.Errorf("ask for the nodes: %w", err))
			}
			problems := nodes.Problems()
			if *asJSON {
				err = printJSON(cmd.OutOrStdout(), statusOf(nodes, problems))
			} else {
				err = printStatus(cmd.OutOrStdout(), &nodes)
			}
			if err != nil {
				return err
			}
			return statusError(&nodes, problems)
		},
	}
	adminFlags(cmd, &admin)
	asJSON = jsonFlag(cmd)
	return cmd
}

// statusError is nil when all is well.
func statusError(n *client.Nodes, problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	err := errors.New(strings.Join(problems, "\n"))
	if len(n.Missing) > 0 {
		return withHint(err, "start it again; if it is gone for good: weft cluster remove "+n.Missing[0])
	}
	return err
}

// status is what a cluster says of itself, and what is wrong with it.
type status struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems,omitempty"`
	client.Nodes
}

func statusOf(n client.Nodes, problems []string) status {
	return status{len(problems) == 0, problems, n}
}

// printStatus writes two tables.
func printStatus(w io.Writer, n *client.Nodes) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tVERSION\tCONNECTIONS\tUP")
	for _, i := range n.Items {
		state := "ready"
		if !i.Ready {
			state = "not ready"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", i.Name, state, i.Version, i.Connections, since(i.Started))
	}
	for _, m := range n.Missing {
		fmt.Fprintf(t, "%s\tmissing\t\t\t\n", m)
	}
	if len(n.Groups) > 0 {
		fmt.Fprintln(t, "\nGROUP\tLEADER\tCOPIES")
	}
	for _, g := range n.Groups {
		list := make([]string, len(g.Replicas))
		for i, r := range g.Replicas {
			list[i] = r.Node
			switch {
			case slices.Contains(n.Missing, r.Node):
				list[i] += " (missing)"
			case !r.Current:
				list[i] += fmt.Sprintf(" (%d behind)", r.Lag)
			}
		}
		leader := g.Leader
		if leader == "" {
			leader = "nobody"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", g.Name, leader, strings.Join(list, ", "))
	}
	return t.Flush()
}

// since is for how long a node has been up, as coarse as a person wants it.
func since(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero() || d < 0:
		return ""
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func newRemoveCommand() *cobra.Command {
	var admin client.Admin
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "remove NODE",
		Short: "Remove a dead node for good",
		Long: `Takes a dead node out of the cluster. The others do not count it any more when
they form a majority, and its copies go to other nodes, as soon as there are some.
Its data folder is of no more use: the node refuses to start on it. With an empty
one it joins as a new member, under the same name not before five minutes have
passed.

A node that is alive is not removed: stop it first.`,
		Example: "  weft cluster remove n2",
		Args:    oneArgument("the node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			if err := admin.Remove(cmd.Context(), args[0]); err != nil {
				return removeHint(fmt.Errorf("remove %s: %w", args[0], err), args[0])
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]string{"removed": args[0]})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is removed; start a node with another name in its place\n", args[0])
			return err
		},
	}
	adminFlags(cmd, &admin)
	asJSON = jsonFlag(cmd)
	return cmd
}

func removeHint(err error, node string) error {
	var p *client.Problem
	if errors.As(err, &p) && p.Code == "conflict" {
		return withHint(err, "stop "+node+" first; a machine that lost its power counts as alive for some seconds")
	}
	if errors.As(err, &p) && p.Code == "not_found" {
		return withHint(err, "weft cluster status shows the members")
	}
	return adminHint(err)
}
