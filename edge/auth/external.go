package auth

import (
	"encoding/json"
	"net/url"
	"time"
)

// CheckConfig is the section auth.check: a back end that says what no template does.
type CheckConfig struct {
	// URL is asked by POST; "": nobody is asked.
	URL string `yaml:"url"`
	// Timeout is how long an answer may take, and how long a question may wait for its
	// turn.
	Timeout time.Duration `yaml:"timeout"`
	// Cache is for how long an answer counts; 0: it is asked for each time.
	Cache time.Duration `yaml:"cache"`
	// MaxInFlight is how many questions are with the back end at once.
	MaxInFlight int `yaml:"max_in_flight"`
	// Anonymous lets visitors without a token in, for whom it is asked with the user "".
	Anonymous bool `yaml:"anonymous"`
}

// Bounds of CheckConfig. A client waits for a change for twice the timeout at most, which
// is less than any command may take.
const (
	minCheckTimeout, maxCheckTimeout = 50 * time.Millisecond, 4 * time.Second
	maxCheckCache                    = time.Hour
	maxCheckInFlight                 = 4096
)

func (c *CheckConfig) check() []error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, badKey("check."+key, format, args...)) }
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			bad("url", "is no URL")
		case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
			bad("url", "must begin with https:// or http:// and name a host")
		case u.User != nil:
			bad("url", "holds a user; set the header Authorization in an entry of upstreams for %s://%s", u.Scheme, u.Host)
		case u.Fragment != "":
			bad("url", "has a fragment, which no server is sent")
		}
	}
	if c.URL == "" && c.Anonymous {
		bad("anonymous", "asks for visitors, and there is no url to ask")
	}
	if c.Timeout < minCheckTimeout || c.Timeout > maxCheckTimeout {
		bad("timeout", "%v is not between %v and %v", c.Timeout, minCheckTimeout, maxCheckTimeout)
	}
	if c.Cache < 0 || c.Cache > maxCheckCache {
		bad("cache", "%v is not between 0s and 1h", c.Cache)
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > maxCheckInFlight {
		bad("max_in_flight", "%d is not between 1 and %d", c.MaxInFlight, maxCheckInFlight)
	}
	return errs
}

// Claims are those of the token as a JSON object, "{}" without a token. They are kept only
// where a back end is asked about subjects: they are most of what a token weighs.
func (id *Identity) Claims() json.RawMessage {
	if claims := id.rarely().claims; claims != nil {
		return claims
	}
	return json.RawMessage("{}")
}

// keep puts claims into an identity that a back end may be asked about.
func (g *grants) keep(id *Identity, claims map[string]any) error {
	if !g.keepClaims {
		return nil
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return invalid("the claims of the token cannot be passed on")
	}
	id.with(func(r *rarely) { r.claims = text })
	return nil
}
