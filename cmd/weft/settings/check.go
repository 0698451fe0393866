package settings

import (
	"slices"

	"weft/config"
	"weft/edge/auth"
)

var (
	levels  = []string{"debug", "info", "warn", "error"}
	formats = []string{"text", "json"}
)

// check returns all that is wrong, each a *config.KeyError: what the rooms
// say about their parts, then what only shows when they are seen together.
func (c *Config) check(insecurePublic bool) []error {
	js, face, ways := c.JetStream(), c.Edge(), c.Bridge()
	errs := slices.Concat(js.Check(), face.Check(), ways.Check())
	bad := func(key, format string, args ...any) {
		errs = append(errs, config.BadKey(key, format, args...))
	}
	if c.Auth.Mode == auth.ModeNone && !insecurePublic && !config.IsLoopback(c.Public.Listen) {
		bad("auth.mode", "none lets anybody be any user, and others can reach public.listen %s; listen on 127.0.0.1, or force it with --insecure-public", c.Public.Listen)
	}
	c.checkListeners(bad)
	if c.RoutesLogTopic != "" && len(c.Kafka.Brokers) == 0 {
		bad("routes_log_topic", "needs kafka.brokers")
	}
	if !slices.Contains(levels, c.Log.Level) {
		bad("log.level", "%q is none of debug, info, warn and error", c.Log.Level)
	}
	if !slices.Contains(formats, c.Log.Format) {
		bad("log.format", "%q is neither text nor json", c.Log.Format)
	}
	return errs
}

// checkListeners finds addresses that cannot be listened on together.
func (c *Config) checkListeners(bad func(key, format string, args ...any)) {
	type listener struct{ key, address string }
	all := []listener{{"public.listen", c.Public.Listen}, {"admin.listen", c.Admin.Listen}, {"node.listen", c.Node.Listen}}
	if c.Cluster != nil {
		all = append(all, listener{"cluster.listen", c.Cluster.Listen})
	}
	for i, l := range all {
		for _, before := range all[:i] {
			if config.SameListener(l.address, before.address) {
				bad(l.key, "%s is taken by %s %s", l.address, before.key, before.address)
				break
			}
		}
	}
}
