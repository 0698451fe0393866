package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
	"weft/cmd/weft/settings"
)

func newListenCommand() *cobra.Command {
	var f client.Follower
	var lastID string
	var count int
	var asJSON *bool
	var transports func() error
	cmd := &cobra.Command{
		Use:   "listen",
		Short: "Print a user's events as they arrive, and resume by itself",
		Long: `Follows the events of a user at the public listener of a node and prints each one
as a line of JSON: {"id":…,"subject":…,"type":…,"data":…}. When the connection
breaks it comes back by itself and resumes after the last event it printed. What
happens to the connection is told on standard error; with --json it is a line of JSON
between the events, too, with a type that begins with weft.

Where the public listener is comes from --url, else from the configuration (file or
environment): public.listen, and public.tls, whose certificate is trusted then. The
token may also be in the environment: WEFT_TOKEN.`,
		Example: `  weft listen --token "$(weft token --config weft.yaml --user ann)"
  weft listen --config weft.yaml --subject topic.hotel.42 --transport poll
  weft listen --user ann --transport ws      (auth.mode none)`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := transports(); err != nil {
				return err
			}
			if count < 0 {
				return usage(cmd, "--count must not be negative")
			}
			if err := publicTarget(cmd, &f); err != nil {
				return err
			}
			if f.Token == "" {
				f.Token = os.Getenv(settings.TokenVariable)
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
				case client.TypeOpen, client.TypeReset, client.TypeExpiring, client.TypeUnsubscribed:
					if *asJSON {
						return out.Encode(frame)
					}
					fmt.Fprintf(told, "weft: %s %s\n", strings.TrimPrefix(frame.Type, "weft."), frame.Data)
					return nil
				}
				if err := out.Encode(frame); err != nil {
					return fmt.Errorf("print event: %w", err)
				}
				if frame.Type == client.TypePresence { // printed, and no event
					return nil
				}
				if left--; left == 0 {
					return client.ErrStop
				}
				return nil
			})
			return listenHint(err)
		},
	}
	fileFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.URL, "url", "", "public listener, as host:port or URL (default: public.listen of the configuration)")
	flags.StringVar(&f.Token, "token", "", "token of the user (or WEFT_TOKEN)")
	flags.StringVar(&f.User, "user", "", "user, where auth.mode is none")
	flags.StringArrayVar(&f.Subjects, "subject", nil, "follow this subject, too (repeatable)")
	flags.StringArrayVar(&f.Types, "type", nil, "only events of this type, or order.* (repeatable)")
	flags.StringVar(&f.Transport, "transport", "sse", "how to follow")
	flags.StringVar(&lastID, "last-event-id", "", "resume after this event")
	flags.IntVar(&count, "count", 0, "end after so many events, states of presence not counted (0: never)")
	transports = oneOf(cmd, "transport", client.Transports())
	asJSON = jsonFlag(cmd)
	return cmd
}

// publicTarget fills in what the flags leave open.
func publicTarget(cmd *cobra.Command, f *client.Follower) error {
	if f.URL == "" {
		l, err := load(cmd)
		if err != nil {
			return err
		}
		f.URL = reachable(l.Public.Listen)
		if l.Public.TLS != nil {
			f.URL = "https://" + f.URL
			if f.TLS, err = client.Trust(l.Public.TLS.Cert, f.URL); err != nil {
				return err
			}
		}
	}
	return listenerURL(cmd, "url", 4000, &f.URL)
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
	var foreign *tls.CertificateVerificationError
	if errors.As(err, &foreign) {
		return withHint(err, "weft listen --config trusts the certificate of public.tls; elsewhere the system must know its authority")
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
