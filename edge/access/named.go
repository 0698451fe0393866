package access

import (
	"net/http"

	"weft/edge/problem"
)

// Named lets only requests pass that are for one of the listener's own names; host nil
// lets all pass. key is that of the configuration that adds a name; refused is told of
// the others.
func Named(h http.Handler, host *Host, key string, refused func(r *http.Request, p *problem.Problem)) http.Handler {
	if host == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host.CheckName(r) != nil {
			p := problem.OtherHost(key)
			refused(r, p)
			problem.Write(w, p)
			return
		}
		h.ServeHTTP(w, r)
	})
}
