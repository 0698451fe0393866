// Package access decides about a request before it becomes a connection: which
// token it brings, whether the page behind it may use that token, from which
// address it comes, and whether there is room for it.
//
// Each part stands alone and is told what it needs; none keeps a request:
//
//   - Named and Host keep out what is for another name (DNS rebinding).
//   - Origins and CORS say which pages may use a path, and refuse requests across
//     sites. A path may have its own.
//   - TokenOf finds the token (and says from where, since only a cookie is
//     sent by pages that the user never meant to trust).
//   - Authenticator says whose a request is, by its token and the blacklist.
//   - Guard finds the client's address behind load balancers (Proxies), and counts
//     connections, with a session and without (Limiter, Guest).
//   - Admission lets clients in as fast as the store puts them in their places.
package access

import (
	"fmt"

	"weft/config"
	"weft/edge/origin"
)

// Config are the keys of the section public that belong here.
type Config struct {
	// CORSOrigins are the origins, each scheme://host[:port], whose pages may
	// use Weft, also with the cookie.
	CORSOrigins []string `yaml:"cors_origins"`
	// TokenInQuery allows ?access_token=, which proxies and browsers may record.
	TokenInQuery bool `yaml:"token_in_query"`
	// TrustedProxies are the addresses and networks (CIDR) whose
	// X-Forwarded-For is believed.
	TrustedProxies []string `yaml:"trusted_proxies"`
	Limits         Limits   `yaml:"limits"`
}

// Check returns all that is wrong, each a *config.KeyError; section is put
// before the keys.
func (c *Config) Check(section string) []error {
	var errs []error
	bad := func(key string, err error) {
		if err != nil {
			errs = append(errs, &config.KeyError{Key: section + "." + key, Msg: err.Error()})
		}
	}
	for i, o := range c.CORSOrigins {
		bad(fmt.Sprintf("cors_origins[%d]", i), origin.Check(o))
	}
	for i, p := range c.TrustedProxies {
		_, err := parseProxy(p)
		bad(fmt.Sprintf("trusted_proxies[%d]", i), err)
	}
	c.Limits.check(bad)
	return errs
}
