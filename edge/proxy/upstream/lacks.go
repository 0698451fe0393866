package upstream

import (
	"fmt"

	"weft/edge/route"
)

// Lacks says which files of this node's upstreams cannot be used, so that requests of the
// route are refused; nil: none.
func (u *Upstreams) Lacks(r *route.Route) *route.FieldError {
	if r.Scheme != route.HTTPS {
		return nil
	}
	for i := range r.Targets {
		c := u.servers.credentials[keyOf(string(r.Scheme), r.Targets[i].Host)]
		if _, err := c.config(""); err != nil {
			field := "target"
			if len(r.Targets) > 1 {
				field = fmt.Sprintf("targets[%d]", i)
			}
			return &route.FieldError{Field: field, Detail: fmt.Sprintf("this node cannot use the tls files of its upstreams for %s; its log says why", c.match)}
		}
	}
	return nil
}
