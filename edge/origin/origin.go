// Package origin checks the origins of pages that an operator permits: the configuration's
// and those of routes.
package origin

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Check reports why s is no origin in the form that browsers send (RFC 6454 section 6.2).
func Check(s string) error {
	if s == "*" {
		return errors.New(`"*" is refused, since it would let every site's pages in; list the origins`)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%q is no origin; write scheme://host[:port]", s)
	case s != u.Scheme+"://"+u.Host:
		return fmt.Errorf("%q is more than an origin; write %s://%s", s, u.Scheme, strings.ToLower(u.Host))
	case s != strings.ToLower(s):
		return fmt.Errorf("%q must be in lower case, as browsers send it", s)
	case strings.Contains(s, "*"):
		return fmt.Errorf("%q: a pattern is refused; list the origins", s)
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return fmt.Errorf("%q names the default port, which browsers leave out; write %s://%s", s, u.Scheme, u.Hostname())
	}
	return nil
}
