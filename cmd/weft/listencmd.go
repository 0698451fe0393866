package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
	"weft/config"
)

func newListenCommand() *cobra.Command {
	var f client.Follower
	var lastID string
	var count int
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Print a user's events as they arrive, and resume by itself",
		Long: `Follows the events of a user at the public listener of a node and prints each one
as a line of JSON: {"id":…,"subject":…,"type":…,"data":…}. When the connection
breaks it comes back by itself and resumes after the last event it printed. What
happens to the connection is told on standard error.

The token may also be in the environment: WEFT_TOKEN.`,
		Example: `  weft listen --token "$(weft token --config weft.yaml --user ann)"
  weft listen --user ann --transport ws      (auth.mode none)`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.Token == "" {
				f.Token = os.Getenv(config.TokenVariable)
			}
			told := cmd.ErrOrStderr()
			f.Waiting = func(cause error, wait time.Duration) {
				fmt.Fprintf(told, "weft: %v; next try in %v\n", cause, wait.Round(100*time.Millisecond))
			}
			out, left := json.NewEncoder(cmd.OutOrStdout()), count
			out.SetEscapeHTML(false)
			err := f.Run(cmd.Context(), lastID, func(frame client.Frame) error {
				switch frame.Type {
				case client.TypeKeepalive:
					return nil
				case client.TypeOpen, client.TypeReset:
					fmt.Fprintf(told, "weft: %s %s\n", strings.TrimPrefix(frame.Type, "weft."), frame.Data)
					return nil
				}
				if err := out.Encode(frame); err != nil {
					return fmt.Errorf("print event: %w", err)
				}
				if left--; left == 0 {
					return client.ErrStop
				}
				return nil
			})
			return listenHint(err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.URL, "url", "http://localhost:4000", "URL of the public listener")
	flags.StringVar(&f.Token, "token", "", "token of the user (or WEFT_TOKEN)")
	flags.StringVar(&f.User, "user", "", "user, where auth.mode is none")
	flags.StringArrayVar(&f.Subjects, "subject", nil, "follow this subject, too (repeatable)")
	flags.StringArrayVar(&f.Types, "type", nil, "only events of this type, or order.* (repeatable)")
	flags.StringVar(&f.Transport, "transport", "sse", strings.Join(client.Transports(), ", "))
	flags.StringVar(&lastID, "last-event-id", "", "resume after this event")
	flags.IntVar(&count, "count", 0, "end after so many events (0: never)")
	return cmd
}

// listenHint adds advice for what the public listener answers.
func listenHint(err error) error {
	var p *client.Problem
	var ended *client.Ended
	code := ""
	if errors.As(err, &p) {
		code = p.Code
	} else if errors.As(err, &ended) {
		code = ended.Reason
	}
	const mint = "mint a new token: weft token --config weft.yaml --user …"
	return withHint(err, map[string]string{
		"token_missing": "name a token with --token or WEFT_TOKEN; weft token mints one",
		"token_invalid": "the token must be signed with a key of auth.issuers",
		"token_expired": mint,
		"expired":       mint,
		"token_revoked": "the session is on the blacklist; " + mint,
		"revoked":       "the session is on the blacklist; " + mint,
	}[code])
}
