package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

func newRouteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Show, change and try the routes from the front end to the back ends",
		Long: `Speaks to the admin listener of any node of the cluster.

A route is a JSON document under a name. What is put serves on the node that was asked
when the command returns, and on all others within a second. A document that is bad is
refused with all that is wrong, and changes nothing.`,
		Example: `  weft route put orders -f orders.json
  weft route ls
  weft route match GET /orders/7
  weft route rollback orders`,
		Args: cobra.ArbitraryArgs,
		RunE: subcommands,
	}
	cmd.AddCommand(newRouteList(), newRouteGet(), newRoutePut(), newRouteRemove(), newRouteHistory(), newRouteRollback(), newRouteMatch())
	return cmd
}

// A routeRun is what a command about routes does once it knows where the node is.
type routeRun func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error

// routeCommand completes a command; those with a name complete it with what there is.
func routeCommand(cmd *cobra.Command, run routeRun) *cobra.Command {
	var admin client.Admin
	adminFlags(cmd, &admin)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := adminTarget(cmd, &admin); err != nil {
			return err
		}
		return run(cmd, admin, args, *asJSON)
	}
	if strings.Contains(cmd.Use, " NAME") {
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 || adminTarget(cmd, &admin) != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			ctx, cancel := context.WithTimeout(context.Background(), completeTime)
			defer cancel()
			var names []string
			list, _ := admin.Routes(ctx)
			for _, r := range list {
				names = append(names, r.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		}
	}
	return cmd
}

// completeTime is how long a shell waits for names.
const completeTime = 2 * time.Second

// routeHint adds advice for what the node says of a route.
func routeHint(err error) error {
	return codeHint(err, map[string]string{"not_found": "weft route ls shows the routes",
		"conflict": "weft route ls shows which route has the pattern; weft route get shows what is there now"})
}

func newRouteList() *cobra.Command {
	return routeCommand(&cobra.Command{
		Use:   "ls",
		Short: "List the routes, and what is wrong with them",
		Long: `Lists the routes by name. One that is bad says why, and which earlier revision serves
in its place, if any. A note of one that serves says what the node lacks for it.`,
		Example: "  weft route ls",
		Args:    noArguments,
	}, func(cmd *cobra.Command, admin client.Admin, _ []string, asJSON bool) error {
		list, err := admin.Routes(cmd.Context())
		if err != nil {
			return adminHint(fmt.Errorf("ask for the routes: %w", err))
		}
		if asJSON {
			return printRoutes(cmd.OutOrStdout(), list)
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tSTATE\tREVISION\tPATTERN\tTARGET\tNOTE")
		for _, r := range list {
			note := ""
			if r.Problem != nil {
				note = r.Problem.String()
			}
			if r.State == "bad" && r.Serving > 0 {
				note += fmt.Sprintf("; revision %d serves", r.Serving)
			}
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\n", visible(r.Name), r.State, r.Revision, visible(r.Pattern()), visible(r.Target()), visible(note))
		}
		return t.Flush()
	})
}

func printRoutes(w io.Writer, list []client.Route) error {
	return printJSON(w, struct {
		Items []client.Route `json:"items"`
	}{list})
}

func newRouteGet() *cobra.Command {
	return routeCommand(&cobra.Command{
		Use:     "get NAME",
		Short:   "Print the document of a route",
		Long:    "Prints the newest document of a route, which weft route put takes. --json prints also\nits revision and state.",
		Example: "  weft route get orders > orders.json",
		Args:    oneArgument("the name of the route"),
	}, func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error {
		r, err := admin.Route(cmd.Context(), args[0])
		if err != nil {
			return routeHint(fmt.Errorf("get %s: %w", args[0], err))
		}
		if r.Problem != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "weft: %s: %s\n", visible(r.Name), visible(r.Problem.String()))
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		var text bytes.Buffer
		if len(r.Document) == 0 || json.Indent(&text, r.Document, "", "  ") != nil {
			text.Reset()
			text.WriteString(visible(r.Raw))
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text.String())
		return err
	})
}

func newRoutePut() *cobra.Command {
	var file string
	var dry bool
	cmd := routeCommand(&cobra.Command{
		Use:   "put ([NAME] -f (FILE | -) | FOLDER)",
		Short: "Put a route, or all <name>.json of a folder",
		Long: `Puts the document in a file, or in standard input, under a name, which is that of the
file if it is left out: orders.json is the route orders. Of a folder all files
<name>.json are put; all are checked first, and when one is bad, none is put.

--dry-run checks only.`,
		Example: `  weft route put orders -f orders.json
  weft route put orders -f - < orders.json
  weft route put routes/ --dry-run`,
		Args: atMostOne("the name of the route"),
	}, func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error {
		name := strings.Join(args, "")
		if _, err := os.Stat(name); err == nil && file == "" {
			name, file = "", name
		}
		switch {
		case file == "":
			return usage(cmd, "say where the document is: -f FILE, or -f - for standard input")
		case file == "-" && name == "":
			return usage(cmd, "the name of the route is missing; standard input has none")
		}
		documents, err := client.ReadDocuments(name, file, cmd.InOrStdin())
		if err != nil {
			return err
		}
		if name != "" && documents[0].Name != name {
			return usage(cmd, "the routes of a folder have the names of their files; leave %s out", name)
		}
		return putRoutes(cmd, admin, documents, dry, asJSON)
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "file of the document, - for standard input, or a folder")
	dryFlag(cmd, &dry)
	return cmd
}

func dryFlag(cmd *cobra.Command, dry *bool) {
	cmd.Flags().BoolVar(dry, "dry-run", false, "check, and change nothing")
}

// putRoutes checks all documents before it puts the first one.
func putRoutes(cmd *cobra.Command, admin client.Admin, documents []client.Document, dry, asJSON bool) error {
	var wrong []error
	list := make([]client.Route, len(documents))
	twins := client.Twins(documents)
	for i, d := range documents {
		if other, ok := twins[i]; ok {
			wrong = append(wrong, fmt.Errorf("%s: pattern: is that of %s", d.File, other.File))
		} else if len(documents) > 1 || dry {
			var err error
			if list[i], _, err = admin.PutRoute(cmd.Context(), d.Name, d.Text, true); err != nil {
				wrong = append(wrong, client.FieldErrors(d.File, err))
			}
		}
	}
	if len(wrong) > 0 {
		return routeHint(errors.Join(wrong...))
	}
	for i, d := range documents {
		said := "is good"
		if !dry {
			r, created, err := admin.PutRoute(cmd.Context(), d.Name, d.Text, false)
			if err != nil {
				return routeHint(client.FieldErrors(d.File, err))
			}
			said = fmt.Sprintf("is changed; its revision is %d", r.Revision)
			if list[i] = r; created {
				said = fmt.Sprintf("serves; its revision is %d", r.Revision)
			}
		}
		if p := list[i].Problem; p != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "weft: %s: %s\n", visible(d.Name), visible(p.String()))
		}
		if !asJSON {
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", visible(d.Name), said)
		}
	}
	if asJSON {
		return printRoutes(cmd.OutOrStdout(), list)
	}
	return nil
}

func newRouteRemove() *cobra.Command {
	var dry bool
	cmd := routeCommand(&cobra.Command{
		Use:     "rm NAME",
		Short:   "Delete a route",
		Long:    "Deletes a route. Requests that run go on. weft route rollback brings it back.",
		Example: "  weft route rm orders",
		Args:    oneArgument("the name of the route"),
	}, func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error {
		said, err := "is deleted", error(nil)
		if dry {
			said = "would be deleted"
			_, err = admin.Route(cmd.Context(), args[0])
		} else {
			err = admin.DeleteRoute(cmd.Context(), args[0])
		}
		if err != nil {
			return routeHint(fmt.Errorf("delete %s: %w", args[0], err))
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"name": args[0], "deleted": !dry})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], said)
		return err
	})
	dryFlag(cmd, &dry)
	return cmd
}

func newRouteHistory() *cobra.Command {
	return routeCommand(&cobra.Command{
		Use:     "history NAME",
		Short:   "Show the versions of a route, newest first",
		Long:    "Shows what is retained of a route, at most 20 versions, newest first.",
		Example: "  weft route history orders",
		Args:    oneArgument("the name of the route"),
	}, func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error {
		list, err := admin.RouteHistory(cmd.Context(), args[0])
		if err != nil {
			return routeHint(fmt.Errorf("ask for the history of %s: %w", args[0], err))
		}
		if asJSON {
			return printRoutes(cmd.OutOrStdout(), list)
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "REVISION\tMODIFIED\tOPERATION\tPATTERN\tTARGET\tNOTE")
		for _, v := range list {
			note := ""
			if v.Problem != nil {
				note = v.Problem.String()
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", v.Revision, v.Modified.Local().Format(time.DateTime), v.Operation, visible(v.Pattern()), visible(v.Target()), visible(note))
		}
		return t.Flush()
	})
}

func newRouteRollback() *cobra.Command {
	var dry bool
	cmd := routeCommand(&cobra.Command{
		Use:   "rollback NAME [REVISION]",
		Short: "Put an earlier version of a route again",
		Long: `Puts the document of an earlier revision again, as a new one: of the one that is named,
or else of the last good one before the newest. weft route history shows them.`,
		Example: "  weft route rollback orders\n  weft route rollback orders 7",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				if n, err := strconv.ParseUint(args[1], 10, 64); err != nil || n == 0 {
					return usage(cmd, "%q is no revision; weft route history %s shows them", args[1], args[0])
				}
				return nil
			}
			return oneArgument("the name of the route")(cmd, args)
		},
	}, func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error {
		revision := uint64(0)
		if len(args) == 2 {
			revision, _ = strconv.ParseUint(args[1], 10, 64)
		} else {
			list, err := admin.RouteHistory(cmd.Context(), args[0])
			if err != nil {
				return routeHint(fmt.Errorf("ask for the history of %s: %w", args[0], err))
			}
			before := func(v client.Route) bool { return v.Operation == "put" && v.Problem == nil }
			i := slices.IndexFunc(list[min(1, len(list)):], before)
			if i < 0 {
				return withHint(fmt.Errorf("roll %s back: there is no good version before the newest", args[0]), "weft route history shows what there is")
			}
			revision = list[i+1].Revision
		}
		r, err := admin.RollbackRoute(cmd.Context(), args[0], revision, dry)
		if err != nil {
			return routeHint(client.FieldErrors(fmt.Sprintf("roll %s back to %d", args[0], revision), err))
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		said := fmt.Sprintf("is as it was in revision %d; its revision is %d", revision, r.Revision)
		if dry {
			said = fmt.Sprintf("would be as it was in revision %d", revision)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], said)
		return err
	})
	dryFlag(cmd, &dry)
	return cmd
}

func newRouteMatch() *cobra.Command {
	return routeCommand(&cobra.Command{
		Use:   "match [METHOD] URL",
		Short: "Show which route would serve a request, and where it would go",
		Long: `Shows which route would serve a request for a URL or a path, its values, and where it
would go. The method is GET if it is left out. Nothing is sent.`,
		Example: "  weft route match /orders/7\n  weft route match POST https://shop.example.com/orders",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return oneArgument("the URL, after a method,")(cmd, args)
		},
	}, func(cmd *cobra.Command, admin client.Admin, args []string, asJSON bool) error {
		method, url := "GET", args[len(args)-1]
		if len(args) == 2 {
			method = args[0]
		}
		m, err := admin.MatchRoute(cmd.Context(), method, url)
		if err != nil {
			return routeHint(fmt.Errorf("match %s %s: %w", method, url, err))
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), m)
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "route\t%s\nrevision\t%d\npattern\t%s\n", m.Name, m.Revision, visible(m.Pattern))
		for _, name := range slices.Sorted(maps.Keys(m.Values)) {
			fmt.Fprintf(t, "{%s}\t%s\n", name, visible(m.Values[name]))
		}
		for _, target := range append(m.Targets, m.Target)[:max(1, len(m.Targets))] {
			fmt.Fprintf(t, "target\t%s\n", visible(target))
		}
		return t.Flush()
	})
}
