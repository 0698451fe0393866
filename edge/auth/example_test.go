package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/auth"
)

// exampleConfig is that of a node whose tokens one secret signs.
func exampleConfig() auth.Config {
	cfg := auth.Default()
	cfg.Issuers = []auth.Issuer{{Keys: []auth.Key{{Alg: "HS256", Secret: "0123456789abcdef0123456789abcdef"}}}}
	cfg.Subscribe = []string{"user.{/sub}", "topic.team.{/teams}"}
	cfg.Allow = []string{"topic.hotel.*"}
	return cfg
}

func exampleVerifier(cfg auth.Config) *auth.Verifier {
	for _, err := range cfg.Check() {
		fmt.Println(err)
	}
	v, err := auth.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		fmt.Println(err)
	}
	return v
}

// A token says by its claims what its connections receive, the configuration says which
// claims count.
func ExampleVerifier_Verify() {
	cfg := exampleConfig()
	v := exampleVerifier(cfg)

	token, err := auth.Mint(cfg, "ann@x.org", map[string]any{"teams": []string{"red", "blue"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := v.Verify(context.Background(), token)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id.User)
	fmt.Println(id.Subscribe)
	fmt.Println(id.MayFollow("topic.hotel.42"), id.MayFollow("user.bob"))
	// Output:
	// ann@x.org
	// [user.ann=40x=2Eorg topic.team.red topic.team.blue]
	// true false
}

// Why a token is refused may be shown to whoever sent it. Of what kind that is decides
// what the client should do.
func ExampleError() {
	cfg := exampleConfig()
	v := exampleVerifier(cfg)
	other := exampleConfig()
	other.Issuers[0].Keys[0].Secret = "another secret of thirty-two bytes"
	forged, err := auth.Mint(other, "ann", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(context.Background(), forged)
	fmt.Println(err, errors.Is(err, auth.ErrInvalid))

	_, err = v.Verify(context.Background(), "no token")
	fmt.Println(err, errors.Is(err, auth.ErrExpired))
	// Output:
	// the signature of the token does not match (alg HS256, kid "") true
	// token is not a JSON Web Token false
}
