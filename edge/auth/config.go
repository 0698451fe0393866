package auth

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"weft/config"
)

// Modes of Config.Mode.
const (
	ModeJWT  = "jwt"
	ModeNone = "none"
)

// Config is the section auth.
type Config struct {
	// Mode is jwt, or none: then nobody is checked and the user is ?user=.
	Mode string `yaml:"mode"`
	// Issuers are who may sign tokens. Without any, no token is valid.
	Issuers []Issuer `yaml:"issuers"`
	// User is the JSON Pointer (RFC 6901) of the claim that names the user.
	User string `yaml:"user"`
	// Session is the JSON Pointer of the claim by which a token is revoked; a
	// token without it is known by its SHA-256.
	Session string `yaml:"session"`
	// MaxTokenLife is how far away exp may be.
	MaxTokenLife time.Duration `yaml:"max_token_life"`
	// WarnBefore is how long before the end of its token an open connection is told; 0:
	// never.
	WarnBefore time.Duration `yaml:"warn_before"`
	// Leeway is how far the clocks of issuers may be ahead: it applies to nbf,
	// iat and max_token_life. The end of a token, exp, is exact.
	Leeway time.Duration `yaml:"leeway"`
	// JWKSRefresh is how often JWKS URLs are fetched, apart from unknown key ids.
	JWKSRefresh time.Duration `yaml:"jwks_refresh"`
	// Subscribe are templates of the subjects that every connection receives.
	Subscribe []string `yaml:"subscribe"`
	// Allow are templates of patterns that a connection may ask for, also
	// presence.<user> and presence.topic.<topic>.
	Allow []string `yaml:"allow"`
	// Publish are templates of patterns that a client may publish to.
	Publish   []string  `yaml:"publish"`
	Anonymous Anonymous `yaml:"anonymous"`
	// Privileged grants more to some tokens; each block counts by itself.
	Privileged Privileges `yaml:"privileged"`
	// External is the back end that is asked for what none of them allows.
	External CheckConfig `yaml:"check"`
}

// Issuer is somebody who signs tokens.
type Issuer struct {
	Keys []Key `yaml:"keys"`
	// JWKS is the URL of a JSON Web Key Set.
	JWKS string `yaml:"jwks"`
	// Issuer and Audience must be in the token's iss and aud when set.
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"`
}

// Key is a key and the one algorithm that it is good for. Exactly one of
// Secret, File and Value is set.
type Key struct {
	// Alg is one of HS, RS, PS or ES with 256, 384 or 512, or EdDSA.
	Alg string `yaml:"alg"`
	// KID is the key's id. A token that names another one is not checked with it.
	KID string `yaml:"kid"`
	// Secret is the HMAC secret of HS256, HS384 or HS512.
	Secret string `yaml:"secret"`
	// File holds a public key, a certificate or a private key in PEM; for HS
	// the secret. It is read again when it changes.
	File string `yaml:"file"`
	// Value is what File would hold, in PEM.
	Value string `yaml:"value"`
}

// Anonymous is what a visitor without a token may do.
type Anonymous struct {
	// Allow are patterns, without placeholders.
	Allow []string `yaml:"allow"`
}

// Privileged grants more to tokens whose claim holds one of some values.
type Privileged struct {
	Claim string   `yaml:"claim"` // JSON Pointer
	AnyOf []string `yaml:"any_of"`
	Allow []string `yaml:"allow"` // templates as in Config.Allow
}

// Privileges are any number of blocks.
type Privileges []Privileged

// OneOrMany implements config.OneOrMany.
func (Privileges) OneOrMany() {}

// Default returns the defaults. They let nobody in.
func Default() Config {
	return Config{
		Mode: ModeJWT, User: "/sub", Session: "/jti", MaxTokenLife: 24 * time.Hour,
		WarnBefore: time.Minute, Leeway: 5 * time.Second, JWKSRefresh: 5 * time.Minute,
		Subscribe: []string{"user.{/sub}"},
		External:  CheckConfig{Timeout: 2 * time.Second, Cache: time.Minute, MaxInFlight: 64},
	}
}

func badKey(key, format string, args ...any) error {
	return config.BadKey("auth."+key, format, args...)
}

// Check returns all that is wrong with the configuration, each a
// *config.KeyError. It reads no files.
func (c *Config) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, badKey(key, format, args...)) }
	if c.Mode != ModeJWT && c.Mode != ModeNone {
		bad("mode", "%q is neither jwt nor none", c.Mode)
	}
	for _, p := range []struct{ key, pointer string }{{"user", c.User}, {"session", c.Session}} {
		if err := checkPointer(p.pointer); err != nil {
			bad(p.key, "%v", err)
		}
	}
	if c.MaxTokenLife < time.Second {
		bad("max_token_life", "%v is below 1s", c.MaxTokenLife)
	}
	if c.WarnBefore < 0 || c.WarnBefore > 24*time.Hour {
		bad("warn_before", "%v is not between 0s and 24h", c.WarnBefore)
	}
	if c.Leeway < 0 || c.Leeway > 5*time.Minute {
		bad("leeway", "%v is not between 0s and 5m", c.Leeway)
	}
	if c.JWKSRefresh < 10*time.Second {
		bad("jwks_refresh", "%v is below 10s", c.JWKSRefresh)
	}
	for i := range c.Issuers {
		errs = append(errs, c.Issuers[i].check(fmt.Sprintf("issuers[%d]", i))...)
	}
	errs = append(errs, c.checkGrants()...)
	return append(errs, c.External.check()...)
}

func (i *Issuer) check(key string) []error {
	var errs []error
	if len(i.Keys) == 0 && i.JWKS == "" {
		errs = append(errs, badKey(key, "has neither keys nor jwks; add one of them"))
	}
	for n := range i.Keys {
		errs = append(errs, i.Keys[n].check(fmt.Sprintf("%s.keys[%d]", key, n))...)
	}
	if i.JWKS != "" {
		u, err := url.Parse(i.JWKS)
		switch {
		case err != nil:
			errs = append(errs, badKey(key+".jwks", "is no URL"))
		case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
			errs = append(errs, badKey(key+".jwks", "must begin with https:// or http:// and name a host"))
		}
	}
	return errs
}

func (k *Key) check(key string) []error {
	a, ok := algorithms[k.Alg]
	if !ok {
		msg := fmt.Sprintf("%q is unknown; use one of %s", k.Alg, algorithmNames())
		switch {
		case strings.EqualFold(k.Alg, "none"):
			msg = "none is refused: anybody could sign; use auth.mode none for a playground"
		case k.Alg == "":
			msg = "is missing; use one of " + algorithmNames()
		}
		return []error{badKey(key+".alg", "%s", msg)}
	}
	set := 0
	for _, s := range []string{k.Secret, k.File, k.Value} {
		if s != "" {
			set++
		}
	}
	switch {
	case set == 0:
		return []error{badKey(key, "has no key; set %s", a.sources())}
	case set > 1:
		return []error{badKey(key, "has more than one of secret, file and value")}
	case a.symmetric() && k.Value != "":
		return []error{badKey(key+".value", "%s needs a secret, not a PEM value; use secret", k.Alg)}
	case !a.symmetric() && k.Secret != "":
		return []error{badKey(key+".secret", "%s needs a public key, not a secret; use file or value", k.Alg)}
	case k.Secret != "":
		if _, err := parseKey(k.Alg, []byte(k.Secret)); err != nil {
			return []error{badKey(key+".secret", "%v", err)}
		}
	case k.Value != "":
		if _, err := parseKey(k.Alg, []byte(k.Value)); err != nil {
			return []error{badKey(key+".value", "%v", err)}
		}
	}
	return nil
}

func (c *Config) checkGrants() []error {
	var errs []error
	for _, l := range []struct {
		key  string
		list []string
		kind grantKind
	}{
		{"subscribe", c.Subscribe, exact},
		{"allow", c.Allow, follow},
		{"publish", c.Publish, publish},
		{"anonymous.allow", c.Anonymous.Allow, literal},
	} {
		errs = append(errs, checkTemplates(l.key, l.list, l.kind)...)
	}
	for i := range c.Privileged {
		errs = append(errs, c.Privileged[i].check(fmt.Sprintf("privileged[%d]", i))...)
	}
	return errs
}

func (p *Privileged) check(key string) []error {
	var errs []error
	if err := checkPointer(p.Claim); err != nil {
		errs = append(errs, badKey(key+".claim", "%v", err))
	}
	if len(p.AnyOf) == 0 {
		errs = append(errs, badKey(key+".any_of", "is empty; list the values of the claim that count"))
	}
	if len(p.Allow) == 0 {
		errs = append(errs, badKey(key+".allow", "is empty; list what is allowed, for example user.*"))
	}
	return append(errs, checkTemplates(key+".allow", p.Allow, follow)...)
}

// checkTemplates reports which of a list of templates are none.
func checkTemplates(key string, list []string, kind grantKind) []error {
	var errs []error
	for i, s := range list {
		if _, err := parseGrant(s, kind); err != nil {
			errs = append(errs, badKey(fmt.Sprintf("%s[%d]", key, i), "%v", err))
		}
	}
	return errs
}
