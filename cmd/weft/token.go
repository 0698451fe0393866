package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weft/cmd/weft/settings"
	"weft/edge/auth"
)

func newTokenCommand() *cobra.Command {
	var user, session string
	var life time.Duration
	var claims []string
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "token --user USER",
		Short: "Mint a token for development",
		Long: `Mints a token that the node of this configuration accepts, signed with the first
key of auth.issuers that can sign: a secret, or a private key.

A claim is NAME=VALUE; a value that is JSON is taken as JSON.`,
		Example: `  weft token --config weft.yaml --user ann --ttl 10m --session s1
  weft token --config weft.yaml --user eve --claim 'roles=["support"]'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if user == "" {
				return usage(cmd, "name the user: --user")
			}
			if life <= 0 {
				return usage(cmd, "--ttl must be above zero")
			}
			l, err := load(cmd)
			if err != nil {
				return err
			}
			if life > l.Auth.MaxTokenLife {
				if cmd.Flags().Changed("ttl") {
					return usage(cmd, "--ttl %v is above auth.max_token_life, %v", life, l.Auth.MaxTokenLife)
				}
				life = l.Auth.MaxTokenLife
			}
			set, err := parseClaims(claims)
			if err != nil {
				return usage(cmd, "%v", err)
			}
			token, err := mint(&l.Config, user, session, life, set)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"token": token, "claims": claimsOf(token)})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	fileFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&user, "user", "", "user the token is for")
	flags.StringVar(&session, "session", "", "session id, by which the token can be revoked (default: a random one)")
	flags.DurationVar(&life, "ttl", time.Hour, "how long it is valid, at most auth.max_token_life")
	flags.StringArrayVar(&claims, "claim", nil, "NAME=VALUE (repeatable)")
	asJSON = jsonFlag(cmd)
	return cmd
}

// claimsOf is the payload of a token (RFC 7519, section 3), which says what was
// added: the session, and when it ends.
func claimsOf(token string) json.RawMessage {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !json.Valid(claims) {
		return nil
	}
	return claims
}

func parseClaims(list []string) (map[string]any, error) {
	claims := map[string]any{}
	for _, c := range list {
		name, text, ok := strings.Cut(c, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("claim %q is not NAME=VALUE", c)
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		claims[name] = value
	}
	return claims, nil
}

func mint(c *settings.Config, user, session string, life time.Duration, claims map[string]any) (string, error) {
	if _, ok := claims["exp"]; !ok {
		claims["exp"] = time.Now().Add(life).Unix()
	}
	if session != "" {
		if err := setPointer(claims, c.Auth.Session, session); err != nil {
			return "", err
		}
	}
	token, err := auth.Mint(c.Auth, user, claims)
	if errors.Is(err, auth.ErrNoSigningKey) && c.Auth.Mode == auth.ModeNone {
		return "", withHint(err, "auth.mode is none: no token is needed; name the user, as in weft listen --user "+user)
	}
	if errors.Is(err, auth.ErrNoSigningKey) {
		return "", withHint(err, "add a key to the configuration: auth: {issuers: [{keys: [{alg: HS256, secret: <32 characters or more>}]}]}")
	}
	return token, err
}

// setPointer sets a claim where a JSON Pointer (RFC 6901) points.
func setPointer(claims map[string]any, pointer string, value any) error {
	tokens := strings.Split(pointer, "/")[1:]
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, token := range tokens {
		token = unescape.Replace(token)
		if i == len(tokens)-1 {
			claims[token] = value
			return nil
		}
		next, ok := claims[token].(map[string]any)
		if !ok {
			if claims[token] != nil {
				return fmt.Errorf("set claim %s: another claim is in its way", pointer)
			}
			next = map[string]any{}
			claims[token] = next
		}
		claims = next
	}
	return nil
}
