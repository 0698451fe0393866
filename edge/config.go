package edge

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"weft/config"
	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/proxy"
	"weft/edge/proxy/upstream"
)

// Config is all that the edge needs to know: the sections public, admin, auth, upstreams
// and tuning of the configuration file.
type Config struct {
	Public PublicConfig
	Admin  AdminConfig
	Auth   auth.Config
	Tuning TuningConfig
	Log    RequestLogConfig
	// Upstreams are what the node needs to talk to HTTP servers of routes.
	Upstreams []upstream.Config
}

// RequestLogConfig are the keys routes_log and routes_log_topic.
type RequestLogConfig struct {
	// RoutesLog is which requests that routes serve are logged.
	RoutesLog proxy.LogMode `yaml:"routes_log"`
	// RoutesLogTopic is the topic of Kafka to which all of them are written; "": none.
	RoutesLogTopic string `yaml:"routes_log_topic"`
}

// PublicConfig is the section public: the listener for browsers and devices.
type PublicConfig struct {
	// Listen is host:port.
	Listen string `yaml:"listen"`
	// TLS, when set, serves HTTPS.
	TLS *config.KeyPair `yaml:"tls"`
	// CORSOrigins are the origins whose pages may use Weft with credentials,
	// each scheme://host[:port].
	CORSOrigins []string `yaml:"cors_origins"`
	// Hosts are further names under which the listener may be addressed where that
	// is checked, beside addresses, localhost, the host it listens on and those of
	// CORSOrigins. It is checked when there are any, when the listener is on
	// loopback, and in auth.mode none.
	Hosts []string `yaml:"hosts"`
	// TokenInQuery allows ?access_token=, which proxies may log.
	TokenInQuery bool `yaml:"token_in_query"`
	// TrustedProxies are addresses or networks whose X-Forwarded-For counts.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// QueueBytes bounds what waits for one connection.
	QueueBytes config.Bytes `yaml:"queue_bytes"`
	// Keepalive is the time between keep-alives.
	Keepalive time.Duration `yaml:"keepalive"`
	// WriteTimeout is how long a client may take nothing of what is written to
	// it before it counts as too slow.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// DrainDelay is for how long a node of a cluster that stops only says that
	// it is not ready, so that load balancers send nobody any more.
	DrainDelay time.Duration `yaml:"drain_delay"`
	// DrainWindow is the time over which it then says goodbye.
	DrainWindow time.Duration `yaml:"drain_window"`
	// Limits bound connections.
	Limits access.Limits `yaml:"limits"`
}

// AdminConfig is the section admin: the listener for operators.
type AdminConfig struct {
	// Listen is host:port.
	Listen string `yaml:"listen"`
	// Token, when set, must come as a bearer token with all but health,
	// readiness and metrics. It is required beyond loopback.
	Token string `yaml:"token"`
	// Hosts are further names under which the listener may be addressed, beside
	// addresses, localhost and the host it listens on.
	Hosts []string `yaml:"hosts"`
}

// TuningConfig is the edge's part of the section tuning: what changes how a node does
// its work, and nothing of what it does.
type TuningConfig struct {
	// OwnHTTP serves plain connections for events without net/http and without a
	// goroutine each, where the system has the means.
	OwnHTTP bool `yaml:"own_http"`
	// RawCalls makes system calls that never wait without telling Go's scheduler, of
	// the connections that are served so.
	RawCalls bool `yaml:"raw_calls"`
}

// Default returns the defaults. With them nobody can connect: there are no keys
// for tokens.
func Default() Config {
	return Config{
		Public: PublicConfig{
			Listen: ":4000", QueueBytes: 1 << 20, Keepalive: 15 * time.Second,
			WriteTimeout: 20 * time.Second, DrainDelay: 2 * time.Second, DrainWindow: 5 * time.Second,
		},
		Admin:  AdminConfig{Listen: "127.0.0.1:4010"},
		Auth:   auth.Default(),
		Tuning: TuningConfig{OwnHTTP: true, RawCalls: true},
		Log:    RequestLogConfig{RoutesLog: proxy.LogErrors},
	}
}

// topicName is that of a topic of Kafka.
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// Check returns all that is wrong with the configuration, each a
// *config.KeyError.
func (c *Config) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, config.BadKey(key, format, args...))
	}
	p := &c.Public
	if err := config.CheckListen(p.Listen); err != nil {
		bad("public.listen", "%v", err)
	}
	if p.TLS != nil {
		if p.TLS.Cert == "" {
			bad("public.tls.cert", "is empty; name a PEM file")
		}
		if p.TLS.Key == "" {
			bad("public.tls.key", "is empty; name a PEM file")
		}
	}
	protection := p.access()
	errs = append(errs, protection.Check("public")...)
	if p.QueueBytes < 4<<10 {
		bad("public.queue_bytes", "%v is below 4KiB", p.QueueBytes)
	}
	if p.Keepalive < time.Second || p.Keepalive > 5*time.Minute {
		bad("public.keepalive", "%v is not between 1s and 5m", p.Keepalive)
	}
	if p.WriteTimeout < time.Second {
		bad("public.write_timeout", "%v is below 1s", p.WriteTimeout)
	}
	if p.DrainDelay < 0 || p.DrainDelay > 10*time.Minute {
		bad("public.drain_delay", "%v is not between 0s and 10m", p.DrainDelay)
	}
	if p.DrainWindow < 0 || p.DrainWindow > 10*time.Minute {
		bad("public.drain_window", "%v is not between 0s and 10m", p.DrainWindow)
	}
	if err := config.CheckListen(c.Admin.Listen); err != nil {
		bad("admin.listen", "%v", err)
	} else if c.Admin.Token == "" && !config.IsLoopback(c.Admin.Listen) {
		bad("admin.token", "is empty and admin.listen %s is beyond loopback; set a token or listen on 127.0.0.1", c.Admin.Listen)
	}
	for key, hosts := range map[string][]string{"public.hosts": p.Hosts, "admin.hosts": c.Admin.Hosts} {
		for i, h := range hosts {
			if err := access.CheckHostName(h); err != nil {
				bad(fmt.Sprintf("%s[%d]", key, i), "%v", err)
			}
		}
	}
	if err := c.Log.RoutesLog.Check(); err != nil {
		bad("routes_log", "%v", err)
	}
	if t := c.Log.RoutesLogTopic; t != "" && (!topicName.MatchString(t) || t == "." || t == "..") {
		bad("routes_log_topic", "%q is no topic; it has 1 to 249 letters, digits, ., - and _", t)
	}
	return slices.Concat(errs, c.Auth.Check(), upstream.Check(c.Upstreams))
}

// access are the keys that decide who may use the listener.
func (p *PublicConfig) access() access.Config {
	return access.Config{
		CORSOrigins: p.CORSOrigins, TokenInQuery: p.TokenInQuery,
		TrustedProxies: p.TrustedProxies, Limits: p.Limits,
	}
}

// namedHosts reports whether the public listener answers to its own names only. A
// listener that every browser on its machine reaches, or that trusts whoever does,
// must: DNS rebinding would let any page in. Beyond that, names are the business of
// load balancers.
func (c *Config) namedHosts() bool {
	return len(c.Public.Hosts) > 0 || c.Auth.Mode == auth.ModeNone || config.IsLoopback(c.Public.Listen)
}

// pages says which pages may use the public listener: by which names, nil for any, and
// from which origins.
func (c *Config) pages() (names *access.Host, origins *access.Origins, err error) {
	cfg := &c.Public
	if c.namedHosts() {
		if names, err = access.NewHost(cfg.Listen, append(access.OriginHosts(cfg.CORSOrigins), cfg.Hosts...)); err != nil {
			return nil, nil, err
		}
	}
	origins, err = access.NewOrigins(cfg.CORSOrigins)
	return names, origins, err
}

// CheckFiles reports which files that the configuration names cannot be used,
// each error a *config.KeyError.
func (c *Config) CheckFiles() []error {
	errs := append(c.Auth.CheckFiles(), upstream.CheckFiles(c.Upstreams)...)
	if t := c.Public.TLS; t != nil {
		errs = append(errs, config.CheckPair("public.tls", t.Cert, t.Key)...)
	}
	return errs
}
