package upstream

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"weft/config"
	"weft/edge/route"
)

const (
	// maxSecretHeaders bounds the headers of an entry, maxSecretHeader each in bytes.
	maxSecretHeaders = 64
	maxSecretHeader  = 4 << 10
)

// A Config is an entry of the section upstreams: what this node needs to talk to a server
// and the bucket of routes must not hold.
type Config struct {
	// Match is scheme, host and port of the targets that it is for.
	Match string `yaml:"match"`
	// TLS, nil for what the system trusts, is for https only.
	TLS *TLSConfig `yaml:"tls"`
	// Headers are set last in each request.
	Headers map[string]string `yaml:"headers" secret:"true"`
}

// TLSConfig is who the server is, and who the node is to it.
type TLSConfig struct {
	config.TLSFiles
	// ServerName is the name in the server's certificate, when it is another one than
	// that of the target.
	ServerName string `yaml:"server_name"`
}

// Check returns all that is wrong with the entries, each a *config.KeyError.
func Check(entries []Config) []error {
	var errs []error
	first := map[serverKey]int{}
	for i := range entries {
		c, key := &entries[i], entryKey(i)
		bad := func(field, format string, args ...any) {
			errs = append(errs, config.BadKey(key+"."+field, format, args...))
		}
		at, err := c.server()
		if err != nil {
			bad("match", "%v", err)
		} else if before, ok := first[at]; ok {
			bad("match", "%s is that of %s; one server has one entry", c.Match, entryKey(before))
		} else {
			first[at] = i
		}
		c.checkTLS(err == nil && at.scheme != string(route.HTTPS), bad)
		c.checkHeaders(bad)
		if err == nil && c.TLS == nil && len(c.Headers) == 0 {
			bad("match", "%s has neither tls nor headers; add one, or leave the entry out", c.Match)
		}
	}
	return errs
}

func entryKey(i int) string { return "upstreams[" + strconv.Itoa(i) + "]" }

func (c *Config) checkTLS(plain bool, bad func(field, format string, args ...any)) {
	t := c.TLS
	if t == nil {
		return
	}
	switch {
	case plain:
		bad("tls", "is for https only, and the server is %s", c.Match)
	case (t.Cert == "") != (t.Key == ""):
		bad("tls", "needs cert and key, or neither")
	}
	if strings.ContainsAny(t.ServerName, ":/ *") {
		bad("tls.server_name", "%q is no name; write it without scheme and port", t.ServerName)
	}
}

func (c *Config) checkHeaders(bad func(field, format string, args ...any)) {
	if len(c.Headers) > maxSecretHeaders {
		bad("headers", "are %d; at most %d may be set", len(c.Headers), maxSecretHeaders)
	}
	seen := map[string]bool{}
	for _, name := range sortedNames(c.Headers) {
		field, value := "headers."+name, c.Headers[name]
		switch {
		case !route.HeaderName(name):
			bad(field, "is no name of a header")
		case route.RefusedHeader(name):
			bad(field, "is Weft's to set")
		case seen[strings.ToLower(name)]:
			bad(field, "is there twice; case does not count")
		case value == "":
			bad(field, "is empty")
		case !route.HeaderValue(value):
			bad(field, "holds a control character")
		case len(value) > maxSecretHeader:
			bad(field, "is longer than 4KiB")
		}
		seen[strings.ToLower(name)] = true
	}
}

// CheckFiles reports which files that the entries name cannot be used, each error a
// *config.KeyError.
func CheckFiles(entries []Config) []error {
	var errs []error
	for i := range entries {
		t, key := entries[i].TLS, entryKey(i)+".tls"
		if t == nil {
			continue
		}
		if t.CA != "" {
			if _, err := config.ReadPool(key+".ca", t.CA); err != nil {
				errs = append(errs, err)
			}
		}
		if t.Cert != "" && t.Key != "" {
			errs = append(errs, config.CheckPair(key, t.Cert, t.Key)...)
		}
	}
	return errs
}

// server is the one that the entry is for.
func (c *Config) server() (serverKey, error) {
	if c.Match == "" {
		return serverKey{}, errors.New("is empty; write scheme://host:port, as targets of routes do")
	}
	u, err := url.Parse(c.Match)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return serverKey{}, fmt.Errorf("%q is no server; write https://orders:8443", c.Match)
	case !route.Scheme(u.Scheme).IsHTTP():
		return serverKey{}, fmt.Errorf("scheme %q is none of http, https and h2c", u.Scheme)
	case u.User != nil:
		return serverKey{}, errors.New("holds a user; set the header Authorization")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return serverKey{}, fmt.Errorf("%s is more than a server; write %s://%s", u.Redacted(), u.Scheme, u.Host)
	}
	return keyOf(u.Scheme, u.Host), nil
}

// keyOf is a target's server: two spellings of one host and port are one.
func keyOf(scheme, host string) serverKey {
	name, port := host, ""
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		name, port = host[:at], host[at+1:]
	}
	if port == "" {
		if port = "80"; scheme == string(route.HTTPS) {
			port = "443"
		}
	}
	lower := strings.ToLower(name)
	if lower == name && len(name)+1+len(port) == len(host) && !strings.HasPrefix(name, "[") {
		return serverKey{scheme, host} // as most are, which costs nothing
	}
	name = lower
	if bare, ok := strings.CutPrefix(name, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(bare, "]")); err == nil {
			name = "[" + a.String() + "]"
		}
	}
	return serverKey{scheme, name + ":" + port}
}

func sortedNames(h map[string]string) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
