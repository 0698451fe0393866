package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
	"weft/edge/session"
	"weft/jetstream/blacklist"
)

// revocation is what weft revoke was asked to do.
type revocation struct {
	Session string `json:"session,omitempty"`
	User    string `json:"user,omitempty"`
	Revoked bool   `json:"revoked"`
	TTL     string `json:"ttl,omitempty"`
	Reason  string `json:"reason,omitempty"`

	ttl        time.Duration
	undo, list bool
}

func newRevokeCommand() *cobra.Command {
	var admin client.Admin
	var r revocation
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "revoke (SESSION | --user USER | --list)",
		Short: "Cut a session or a user off, take that back, or list what is revoked",
		Long: `Puts a session on the blacklist: its connections end within a second on every node,
and its token lets nobody in any more. weft user USER shows the sessions of a user.

With --user it is all tokens of the user that were issued until now; those that are
issued later are good.

It lasts for auth.max_token_life, when no token of the session can be valid any more,
or for --ttl. The clients that it cuts are told the --reason. --undo takes it back.
A session that begins with - is written after --.`,
		Example: `  weft revoke s1
  weft revoke --user ann --ttl 2h --reason 'your account was closed'
  weft revoke --undo s1
  weft revoke --list
  weft revoke -- -2Q3vHkk9cGyg`,
		Args: atMostOne("the session"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(cmd, args); err != nil {
				return err
			}
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			if r.list {
				return listRevoked(cmd, admin, *asJSON)
			}
			if err := r.do(cmd, admin); err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), r)
			return err
		},
	}
	adminFlags(cmd, &admin)
	flags := cmd.Flags()
	flags.StringVar(&r.User, "user", "", "all tokens of this user that were issued until now")
	flags.DurationVar(&r.ttl, "ttl", 0, "how long it lasts (default, and at most: auth.max_token_life)")
	flags.StringVar(&r.Reason, "reason", "", fmt.Sprintf("what the clients are told, at most %d bytes", session.MaxDetail))
	flags.BoolVar(&r.undo, "undo", false, "take it back")
	flags.BoolVar(&r.list, "list", false, "list what is revoked")
	asJSON = jsonFlag(cmd)
	return cmd
}

// check finds what cannot be meant.
func (r *revocation) check(cmd *cobra.Command, args []string) error {
	changed := cmd.Flags().Changed
	if len(args) == 1 {
		r.Session = args[0]
	}
	switch {
	case r.list && (len(args) > 0 || changed("user") || changed("ttl") || changed("reason") || r.undo):
		return usage(cmd, "--list stands alone: it lists all that is revoked")
	case r.list:
		return nil
	case len(args) == 0 && !changed("user"):
		return usage(cmd, "say what to revoke: a session, or --user")
	case len(args) == 1 && changed("user"):
		return usage(cmd, "it is either a session or a user, not both")
	case r.Session == "" && r.User == "":
		return usage(cmd, "the name to revoke is empty")
	case r.undo && changed("ttl"):
		return usage(cmd, "--undo takes back at once; --ttl is for revoking")
	case r.undo && changed("reason"):
		return usage(cmd, "--reason is for revoking: nobody is told that it is taken back")
	case !session.Sayable(r.Reason):
		return usage(cmd, "--reason is not a text of at most %d bytes (UTF-8) without control characters", session.MaxDetail)
	case changed("ttl") && r.ttl <= 0:
		return usage(cmd, "--ttl must be above zero")
	}
	if r.ttl > 0 {
		r.TTL = r.ttl.String()
	}
	r.Revoked = !r.undo
	return nil
}

// name is the one that the blacklist has for it.
func (r revocation) name() string {
	if r.User != "" {
		return "user." + r.User
	}
	return r.Session
}

func (r revocation) do(cmd *cobra.Command, admin client.Admin) error {
	ctx := cmd.Context()
	if !r.undo {
		if err := admin.Revoke(ctx, r.name(), blacklist.Because(r.Reason), r.ttl); err != nil {
			return adminHint(fmt.Errorf("revoke: %w", err))
		}
		return nil
	}
	// Taking back what is not there would be fine, but a name that was misspelt
	// would stay revoked without a word.
	_, err := admin.Revocation(ctx, r.name())
	var p *client.Problem
	missing := errors.As(err, &p) && p.Status == http.StatusNotFound
	if err == nil || missing {
		// The node that was asked may not have heard of it yet.
		if undone := admin.Unrevoke(ctx, r.name()); undone != nil {
			err = undone
		}
	}
	if err == nil {
		return nil
	}
	return codeHint(fmt.Errorf("take back: %w", err), map[string]string{"not_found": "weft revoke --list shows what is revoked"})
}

func (r revocation) String() string {
	what := "session " + r.Session + " is"
	if r.User != "" {
		what = "all tokens of " + r.User + " that were issued until now are"
	}
	switch {
	case r.undo && r.User != "":
		return "tokens of " + r.User + " are good again"
	case r.undo:
		return what + " good again"
	case r.ttl > 0:
		return what + " revoked for " + r.TTL
	}
	return what + " revoked"
}

func listRevoked(cmd *cobra.Command, admin client.Admin, asJSON bool) error {
	list, err := admin.Blacklist(cmd.Context())
	if err != nil {
		return adminHint(fmt.Errorf("ask for the blacklist: %w", err))
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			Items []client.Revocation `json:"items"`
		}{list})
	}
	return printRevoked(cmd.OutOrStdout(), list)
}

func printRevoked(w io.Writer, list []client.Revocation) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SESSION\tUSER\tREVOKED\tUNTIL\tNOTE")
	for _, r := range list {
		until, note := "", ""
		if r.Expires != nil {
			until = r.Expires.Local().Format(time.DateTime)
		}
		switch {
		case r.Problem != "":
			note = r.Key + " never matches a token: " + r.Problem
		case r.Before != nil:
			note = "tokens issued until " + r.Before.Local().Format(time.DateTime)
		}
		if reason := blacklist.Reason(r.Value); reason != "" {
			note = strings.TrimPrefix(note+"; the reason: "+reason, "; ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", visible(r.Session), visible(r.User), r.Made.Local().Format(time.DateTime), until, visible(note))
	}
	return t.Flush()
}
